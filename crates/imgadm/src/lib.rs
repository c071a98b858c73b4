//! Image store, sources, import pipeline and image server: what the imgadm program is made of.

// They end the program where nothing can be written: `out` has what does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod create;
pub mod disk;
pub mod errors;
pub mod find;
pub mod image_manifest;
pub mod import;
pub mod layer;
pub mod out;
pub mod pipeline;
pub mod rows;
pub mod serve;
pub mod sources;
pub mod store;
pub mod table;
pub mod time;
pub mod watch;
