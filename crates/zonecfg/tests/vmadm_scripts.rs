//! The scripts that SmartOS's vmadm writes, and the documents that come of them.

mod common;

use common::Root;
use serde_json::Value;
use zonecfg::model::Resource;
use zonecfg::xml;

/// What a document says, without order, and without what depends on the system's history or on what ran in
/// the background meanwhile. The zonecfg that these documents were observed with was a stand-in that kept a
/// changed resource in its place; the real one, and ours, put it at the end.
fn comparable(document: &str) -> (Vec<String>, Vec<String>) {
    let zone = xml::read(document).expect("a document");
    let mut attributes: Vec<_> = zone
        .attributes
        .iter()
        .filter(|(name, _)| *name != "debugid")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    attributes.sort();
    let mut resources: Vec<_> = zone
        .resources()
        .filter(|resource| !matches!(resource, Resource::Attr(attr) if attr.name == "transition"))
        .map(|resource| format!("{resource:?}"))
        .collect();
    resources.sort();
    (attributes, resources)
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
                let in_background = words.last().is_some_and(|word| word.contains("transition"));
                if ran.exit != 0 && !in_background {
                    problems.push(format!("{name}: {words:?}: {} {}", ran.exit, ran.stderr));
                }
            } else if let Some(zone) = step["xml"].as_str() {
                let ours = root.read(&format!("/etc/zones/{zone}.xml")).unwrap_or_default();
                let observed = step["text"].as_str().expect("a document");
                documents += 1;
                if ours.is_empty() || comparable(&ours) != comparable(observed) {
                    problems.push(format!("{name}:\n--- observed\n{observed}\n--- ours\n{ours}"));
                }
            }
        }
    }
    assert!(documents > 20, "only {documents} documents");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n\n"));
}
