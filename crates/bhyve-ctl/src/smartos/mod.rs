//! SmartOS's brands: disks and devices are device resources with properties.

pub mod arguments_file;
pub mod bhyve;
pub mod environment;
pub mod kvm;
pub mod pci_slot;
pub mod vm;
