//! The vmadm program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmadm::cli::run(std::env::args_os().skip(1))
}
