//! QEMU's machine protocol (QMP): control of a running qemu over its socket.

mod client;
mod commands;
mod wire;

pub use client::{Client, Event};
pub use commands::{BlockDevice, CharDevice, Cpu, Status, Vnc};

use std::io;
use std::time::Duration;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed.
    #[error("QMP: {0}")]
    Io(#[from] io::Error),
    /// qemu closed the connection.
    #[error("QMP: qemu has closed the connection")]
    Closed,
    /// There was no answer in time.
    #[error("QMP: no answer in {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The other side does not speak QMP.
    #[error("QMP: {0}")]
    Protocol(String),
    /// qemu refused the command.
    #[error("{description}")]
    Refused {
        /// Class of the error (`CommandNotFound`, `GenericError`).
        class: String,
        /// What qemu says.
        description: String,
    },
}

impl Error {
    /// Whether this qemu does not know the command.
    pub fn is_unknown_command(&self) -> bool {
        matches!(self, Self::Refused { class, .. } if class == "CommandNotFound")
    }
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Error>;
