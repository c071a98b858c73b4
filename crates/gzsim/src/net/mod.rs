//! The simulated network: datalinks and NIC tags, and the tools that manage them.

pub mod dladm;
pub mod links;
pub mod nictagadm;
mod statechange;
