//! The other tools of the operating system.

pub mod bhyvectl;
pub mod firewall;
pub mod mount;
pub mod passthrough;
pub mod real_zfs;
pub mod smf;
pub mod sysinfo;
pub mod system;
pub mod table;
