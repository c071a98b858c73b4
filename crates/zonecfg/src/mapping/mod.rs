//! How VM manifests map onto zone configuration, one module a flavour and direction.

pub mod omnios;
pub mod smartos_load;
mod smartos_load_table;
pub mod smartos_write;
