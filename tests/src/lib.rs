//! What the end-to-end tests share: building a simulated global zone, running the programs in it, comparing what they
//! did with observed traces.

pub mod flavours;
pub mod gz;
pub mod normal;
pub mod programs;
pub mod replay;
pub mod trace;

pub use gz::{Gz, Run};
