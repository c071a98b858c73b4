//! The JSON that `vmadm get` prints.

use crate::brand::Brand;
use crate::fields::{Fields, object_type};

object_type! {
    /// A VM object. It keeps every key, known or not, in the order in which it was loaded.
    VmObject
}

impl VmObject {
    /// The `uuid` property, empty if the VM has none.
    pub fn uuid(&self) -> &str {
        self.text("uuid").unwrap_or_default()
    }

    /// The brand, if it is a known one.
    pub fn brand(&self) -> Option<Brand> {
        self.text("brand").and_then(Brand::from_name)
    }

    /// The `state` property, empty if it was not loaded.
    pub fn state(&self) -> &str {
        self.text("state").unwrap_or_default()
    }

    /// The `zone_state` property, empty if it was not loaded.
    pub fn zone_state(&self) -> &str {
        self.text("zone_state").unwrap_or_default()
    }
}
