//! The simulated global zone: stands in for illumos's tools on a machine without illumos.
//!
//! `gzsim init DIR` makes a root whose `usr/sbin/zfs`, `zoneadm`, … are links to the gzsim program, which behaves like
//! the tool it is called as. State is kept below `DIR/var/gzsim`.

pub mod calls;
pub mod cli;
pub mod ctx;
pub mod demo;
pub mod fault;
pub mod getopt;
mod image;
pub mod init;
pub mod net;
pub mod populate;
pub mod run;
pub mod state;
pub mod tool;
pub mod tools;
pub mod zfs;
pub mod zones;
