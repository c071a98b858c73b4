//! How VM manifests map onto zone configuration, one module a flavour.

pub mod smartos_write;
