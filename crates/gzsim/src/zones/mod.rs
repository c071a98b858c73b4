//! Zones: their configuration and state, the processes of the running ones, and the tools that drive them.

pub mod bhyve;
pub mod brand;
pub mod copying;
pub mod init_process;
pub mod kstat;
pub mod live;
pub mod monitor;
pub mod ports;
pub mod prctl;
pub mod presence;
pub mod qemu;
pub mod qmp;
pub mod table;
pub mod zlogin;
pub mod zoneadm;
pub mod zoneadmd;
