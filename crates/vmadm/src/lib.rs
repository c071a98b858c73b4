//! Creates, lists, changes and deletes zones and virtual machines; the vmadm program.
//!
//! [`cli`] reads the command line and dispatches; every command is a module of its own that exports one
//! [`commands::Command`].

mod change;
pub mod cli;
pub mod commands;
mod console;
mod create;
mod damage;
mod delete;
mod events;
mod facts;
mod get;
mod help;
mod info;
mod install;
mod kill;
mod links;
mod list;
mod lookup;
mod moving;
pub mod plan;
mod qemu;
mod receive;
mod recover;
mod reprovision;
mod rows;
mod send;
mod snapshots;
mod start;
mod stop;
mod sysrq;
mod update;
mod validate;
