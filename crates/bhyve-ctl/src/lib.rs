//! bhyve and KVM control: command lines, QMP, console, VNC, guest metadata; the bhyve-ctl program.
