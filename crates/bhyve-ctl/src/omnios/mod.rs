//! OmniOS's brands: everything is in generic attributes.

pub mod bhyve;
pub mod boot_order;
pub mod cloud_init;
mod device_list;
pub mod kvm;
mod options;
pub(crate) mod vnc;

pub use options::boolean;

/// A MAC address with two digits a group; dladm leaves out leading zeros. Nothing becomes `00`, as observed.
fn pad_mac(mac: &str) -> String {
    mac.trim().split(':').map(|group| format!("{group:0>2}")).collect::<Vec<_>>().join(":")
}
