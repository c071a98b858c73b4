//! Where the programs under test are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Environment variable that names a directory with the programs, instead of building them.
pub const VARIABLE: &str = "ZONEKIT_BIN_DIR";

/// The directory that holds the programs of the workspace, built for the profile of the tests.
///
/// `cargo test` builds a package's programs only for that package's own tests, so they are built here, once a test
/// program: with nothing to do that takes a moment.
///
/// # Panics
/// Where they cannot be built.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match env::var_os(VARIABLE) {
        Some(directory) => PathBuf::from(directory),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = env::current_exe().expect("a test program knows its path");
    // target/PROFILE/deps/TEST, or target/PROFILE/PROGRAM for a program of this package.
    let profile_dir = test
        .ancestors()
        .skip(1)
        .find(|dir| dir.file_name().is_some_and(|name| name != "deps" && name != "examples"))
        .expect("test programs are in target/PROFILE/deps");
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let target_dir = profile_dir.parent().expect("a profile is below the target directory");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let status = cargo_by_hand()
        .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile])
        .arg("--target-dir")
        .arg(target_dir)
        .arg("--manifest-path")
        .arg(manifest)
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "the programs cannot be built");
    profile_dir.to_path_buf()
}

/// cargo as somebody starts it by hand, for a program that cargo itself started.
///
/// Such a program is told of its package in variables. ring's build depends on some of them, so that cargo with them
/// would build ring again, and all that needs it, and once more without them.
pub fn cargo_by_hand() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(package) {
            cargo.env_remove(name);
        }
    }
    cargo
}
