//! What the end-to-end tests share: building a simulated global zone, running the programs in it, comparing what they
//! did with observed traces.

pub mod both;
pub mod faults;
pub mod flavours;
pub mod gz;
pub mod images;
pub mod needs;
pub mod normal;
pub mod pool;
pub mod programs;
pub mod replay;
pub mod signal;
pub mod trace;
pub mod usable;
pub mod wait;

pub use gz::{Gz, Run};
pub use needs::Need;
