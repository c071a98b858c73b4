//! The simulated global zone: stands in for illumos's tools on a machine without illumos.
