//! Image manifests, version 2, as IMGAPI servers give them and imgadm stores them.

mod requirements;
mod rules;
mod validate;

pub use validate::{FieldError, Problem, message, validate};

/// Values of `type`.
pub const TYPES: [&str; 5] = ["zone-dataset", "zvol", "lx-dataset", "docker", "other"];
/// Values of `os`.
pub const OSES: [&str; 6] = ["smartos", "linux", "windows", "bsd", "illumos", "other"];
/// Values of `files.*.compression`; SmartOS's imgadm does not have the last.
pub const COMPRESSIONS: [&str; 5] = ["gzip", "bzip2", "xz", "none", "zstd"];
/// Values of `state`.
pub const STATES: [&str; 5] = ["active", "unactivated", "disabled", "failed", "creating"];
