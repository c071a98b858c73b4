//! The demo works, every command of it.

use std::path::Path;

use e2e::Gz;

#[test]
fn the_demo_shows_the_main_job() {
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
