//! Zone configuration: model, command language, XML, index; the zonecfg program.

pub mod index;
pub mod mapping;
pub mod model;
pub mod store;
pub mod xml;

pub use model::Zone;
