//! The imgadm program.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgadm::cli::main()
}
