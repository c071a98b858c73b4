//! What the tests share: a root with stand-in tools, and servers that behave well or badly.

// Each test program uses its part of this.
#![allow(dead_code)]

pub mod server;
pub mod tools;
