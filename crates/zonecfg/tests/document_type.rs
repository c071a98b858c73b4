//! Written documents are valid under the document type, as xmllint sees it.

mod common;

use std::process::Command;

use common::Root;
use serde_json::Value;

#[test]
fn written_documents_are_valid() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        eprintln!("skipped: xmllint is not installed");
        return;
    }
    let dtd = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/zonecfg.dtd.1");
    let root = Root::new();
    let mut files = Vec::new();
    for (at, line) in include_str!("data/examples.jsonl").lines().enumerate() {
        let example: Value = serde_json::from_str(line).expect("JSON");
        let Some(script) = example["script"].as_str() else { continue };
        let name = format!("v{at}");
        root.write("/script.txt", script);
        root.zonecfg(&["-z", &name, "-f", "script.txt"], "");
        let file = format!("/etc/zones/{name}.xml");
        // Control characters are not XML; the original writes them all the same.
        if root.read(&file).is_some_and(|text| !text.contains('\u{1}')) {
            files.push(root.path(&file));
        }
    }
    assert!(files.len() > 40, "only {}", files.len());
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--dtdvalid", dtd])
        .args(&files)
        .output()
        .expect("xmllint was there before");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
