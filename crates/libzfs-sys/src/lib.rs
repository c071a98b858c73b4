//! Reads properties of many datasets through the system's own libzfs, without running a program.
//!
//! The library is opened when it is asked for, so that nothing is needed at build time and the programs run where it
//! is missing. It is a private interface of the system; only functions that illumos and OpenZFS both export with the
//! same arguments are used, and property numbers, which differ between the two, are asked of the library by name.

mod library;
mod listing;

pub use library::{Error, Libzfs};
pub use listing::Types;
