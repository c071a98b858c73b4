//! The zonecfg program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(zonecfg::cli::run(std::env::args_os()))
}
