//! Why a brand would not start a virtual machine.

use std::fmt;

/// A refusal, in the words of the brand's own program where it has any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    /// A refusal with that message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

/// The result of working out a command line.
pub type Result<T> = std::result::Result<T, Refusal>;

/// Leaves the function with a [`Refusal`] made from a format string.
macro_rules! refuse {
    ($($message:tt)*) => {
        return Err($crate::refusal::Refusal::new(format_args!($($message)*)))
    };
}
pub(crate) use refuse;
