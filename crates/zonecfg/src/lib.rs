//! Zone configuration: model, command language, XML, index; the zonecfg program.

pub mod alias;
pub mod cli;
mod completion;
pub mod exec;
pub mod export;
pub mod fault;
pub mod host;
pub mod index;
pub mod info;
mod interactive;
pub mod json;
pub mod lang;
pub mod lint;
pub mod mapping;
pub mod model;
pub mod paper;
mod privileges;
pub mod store;
pub mod system;
pub mod usage;
mod values;
pub mod xml;

pub use model::Zone;
