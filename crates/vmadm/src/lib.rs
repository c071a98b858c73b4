//! Creates, lists, changes and deletes zones and virtual machines; the vmadm program.
//!
//! [`cli`] reads the command line and dispatches; every command is a module of its own that exports one
//! [`commands::Command`].

pub mod cli;
pub mod commands;
mod console;
mod events;
mod get;
mod help;
mod info;
mod kill;
mod list;
mod lookup;
mod qemu;
mod rows;
mod sysrq;
