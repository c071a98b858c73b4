//! bhyve and KVM control: command lines, QMP, console, VNC, guest metadata; the bhyve-ctl program.

pub mod cli;
pub mod config;
pub mod console;
pub mod flavour;
pub mod iso9660;
pub mod machine;
pub mod metadata;
pub mod monitor;
pub mod omnios;
pub mod qmp;
pub mod refusal;
pub mod screen;
pub mod screenshot;
pub mod smartos;
pub mod uefi_variables;
pub mod usage;
pub mod vnc_proxy;
mod words;
mod yaml;
pub mod zone;
