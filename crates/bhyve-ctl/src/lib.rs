//! bhyve and KVM control: command lines, QMP, console, VNC, guest metadata; the bhyve-ctl program.

pub mod omnios;
pub mod refusal;
pub mod smartos;
mod words;
mod yaml;
pub mod zone;
