//! The bhyve-ctl program.

use std::process::ExitCode;

fn main() -> ExitCode {
    bhyve_ctl::cli::run(std::env::args_os())
}
