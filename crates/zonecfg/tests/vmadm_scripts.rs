//! The scripts that SmartOS's vmadm writes, and the documents that come of them.

mod common;

use common::Root;
use serde_json::Value;

/// The zone element without what depends on the system's history.
fn comparable(document: &str) -> String {
    let zone = document.find("<zone ").map_or("", |at| &document[at..]).trim_end();
    let (before, after) = zone.split_once(" debugid=\"").unwrap_or((zone, "\""));
    format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
}

#[test]
fn scripts_of_vmadm_make_the_observed_documents() {
    let (mut documents, mut problems) = (0, Vec::new());
    for line in include_str!("data/vmadm-scripts.jsonl").lines() {
        let scenario: Value = serde_json::from_str(line).expect("JSON");
        let name = scenario["name"].as_str().expect("a name");
        let root = Root::new();
        for step in scenario["steps"].as_array().expect("steps") {
            if let Some(words) = step["run"].as_array() {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                let ran = root.zonecfg(&words, step["input"].as_str().unwrap_or_default());
                if ran.exit != 0 {
                    problems.push(format!("{name}: {words:?}: {} {}", ran.exit, ran.stderr));
                }
            } else if let Some(zone) = step["xml"].as_str() {
                let ours = root.read(&format!("/etc/zones/{zone}.xml")).unwrap_or_default();
                let observed = step["text"].as_str().expect("a document");
                documents += 1;
                if comparable(&ours) != comparable(observed) {
                    problems.push(format!("{name}:\n--- observed\n{observed}\n--- ours\n{ours}"));
                }
            }
        }
    }
    assert!(documents > 20, "only {documents} documents");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n\n"));
}
