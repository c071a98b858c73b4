//! The guest metadata protocol: what a guest's `mdata-get`, or cloud-init, asks over a serial port or socket.
//!
//! Version 1 is lines of text, version 2 framed and checksummed
//! (<https://eng.tritondatacenter.com/mdata/protocol.html>). [`Session`] answers requests and has no effects of its
//! own; [`serve`] runs it on a socket, with what a [`Store`] keeps.

mod frame;
mod serve;
mod session;
mod store;

pub use frame::{Frame, FrameError};
pub use serve::serve;
pub use session::Session;
pub use store::{Change, Metadata, Store, Table};
