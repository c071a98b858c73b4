//! The JSON-manifest library of zonekit: VM payloads, VM objects and image manifests.
//!
//! Pure: nothing here reads a file, runs a program or looks at the system. What a decision needs to
//! know of the system is passed in as [`facts::Facts`].

pub mod action;
pub mod brand;
pub mod checks;
pub mod facts;
pub mod fields;
pub mod ids;
pub mod image;
pub mod js;
pub mod json;
pub mod net;
pub mod normalise;
pub mod payload;
pub mod properties;
pub mod refusal;
pub mod schema;
pub mod suggest;
pub mod validate;
pub mod vm_object;

pub use action::Action;
pub use brand::{Brand, BrandFeatures, BrandSet, Flavour, VmType};
pub use facts::Facts;
pub use fields::{Fields, Object};
pub use ids::{Ids, RandomIds};
pub use normalise::{Dropped, Prepared, prepare_create, prepare_update};
pub use payload::Payload;
pub use properties::{PROPERTIES, Property};
pub use refusal::Refusal;
pub use vm_object::VmObject;
