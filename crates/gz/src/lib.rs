//! The global-zone seam: the only crate of the suite that runs tools or touches system paths.
//!
//! Everything starts from a [`Root`]: `/` on illumos, another directory where `ZONEKIT_ROOT` names one. Tools are run
//! by absolute path below it ([`tool`]), files are replaced whole ([`files`]), one writer a VM is kept by [`lock`].

pub mod bundle;
pub mod clock;
pub mod files;
pub mod hvm;
pub mod images;
pub mod interrupt;
pub mod inventory;
pub mod kstat;
pub mod lock;
pub mod nictagadm;
pub mod plan;
pub mod platform;
mod power;
pub mod process;
pub mod root;
mod seed;
pub mod settings;
mod shutdown;
pub mod space;
pub mod sysinfo;
pub mod tool;
pub mod vmadmd;
pub mod zfs;
pub mod zone_files;
pub mod zoneadm;
pub mod zonecfg;

pub use ::probes;
pub use root::Root;
pub use tool::{Error, Output, Result, Tool};
