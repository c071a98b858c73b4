//! The demo works, every command of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::{Gz, Need, needs};

#[test]
fn the_demo_shows_the_main_job() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let gz = Gz::init(&[]);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let run = gz.run("gzsim", &["demo", "--examples", &examples.display().to_string()]).ok();
    let text = run.text();
    for line in [
        "$ imgadm serve --port 0",
        "Imported image 7b4ab0a5-3a4e-4a2c-9b1e-6a1f6a5d2c01 (demo-zone@1.0.0)",
        "Imported image c1d3f0b2-58a7-4f0e-8f3b-0e5f1a9d4e02 (demo-disk@1.0.0)",
        "Successfully created VM ",
        "running           web0",
        "running           db0",
        "stopped           web0",
        "stopped           db0",
        "Successfully deleted VM ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    // After the last listing nothing but its header is left.
    assert!(text.trim_end().ends_with("ALIAS"), "{text}");
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut demo = Command::new(e2e::programs::directory().join("gzsim"))
        .args(["demo", "--examples"])
        .arg(examples)
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzsim can be run");
    let mut lines = BufReader::new(demo.stdout.take().expect("stdout is a pipe")).lines();
    let reached =
        lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("$ imgadm import"));
    assert!(reached.is_some(), "the demo ended early");
    let pid = demo.id().to_string();
    let killed = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status();
    assert!(killed.expect("sh can be run").success());
    // Read to the end, or it would wait for a reader.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(!demo.wait().expect("it was started").success(), "{rest:?}");
    let left: Vec<_> = scratch.path().read_dir().expect("a readable directory").collect();
    assert!(left.is_empty(), "{left:?}");
}
