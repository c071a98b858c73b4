//! The simulated global zone, as a library: what the programs do that stand in for illumos's tools.

pub mod zfs;
