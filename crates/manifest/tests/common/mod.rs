//! The system and the cases that SmartOS's vmadm was observed with. The plans of vmadm are tested with them too.

#![allow(dead_code, reason = "each test program uses a part")]

use std::error::Error;
use std::fs;
use std::path::Path;

use manifest::facts::{ImageFacts, NicTag};
use manifest::{Facts, VmObject};
use serde::Deserialize;
use serde_json::{Map, Value};

pub type TestResult = Result<(), Box<dyn Error>>;

/// One observed run of `vmadm validate`, and of create or update with the same payload.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub action: String,
    pub brand: Option<String>,
    pub payload: Map<String, Value>,
    pub exit: i32,
    pub verdict: Value,
    pub run_create: Option<Run>,
    pub run_update: Option<Run>,
}

#[derive(Deserialize)]
pub struct Run {
    pub checks_passed: bool,
    #[serde(default)]
    pub stderr: String,
    pub exit: Option<i32>,
    #[serde(default)]
    pub zonecfg: Vec<String>,
    #[serde(default)]
    pub zfs: Vec<String>,
}

pub fn data(name: &str) -> std::io::Result<String> {
    // By way of the directory above: the tests of another crate include this file.
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifest/tests/data");
    fs::read_to_string(directory.join(name))
}

pub fn cases() -> Result<Vec<Case>, Box<dyn Error>> {
    let text = data("validate.jsonl")?;
    let cases = text.lines().map(serde_json::from_str).collect::<Result<Vec<Case>, _>>()?;
    Ok(cases)
}

/// The VM of `brand` that update payloads ran against.
pub fn base_vm(brand: &str) -> Result<VmObject, Box<dyn Error>> {
    Ok(serde_json::from_str(&data(&format!("BASEVM-{brand}.json"))?)?)
}

fn image(uuid: &str, image_type: &str) -> ImageFacts {
    ImageFacts {
        uuid: uuid.to_owned(),
        pool: "zones".to_owned(),
        image_type: image_type.to_owned(),
        ..ImageFacts::default()
    }
}

/// The system that the cases ran on.
pub fn facts() -> Facts {
    let tag = |name: &str, kind: &str| NicTag { name: name.to_owned(), kind: kind.to_owned() };
    Facts {
        zpools: vec!["zones".to_owned()],
        images: vec![
            image("01b2c898-945f-11e1-a523-af1afbe22822", "zone-dataset"),
            image("5917ca96-c888-11e5-8da0-e785a1ad1185", "lx-dataset"),
            image("6a7c1b52-0d7a-11e9-8eb2-f2801f1b9fd1", "zone-dataset"),
            image("1f538e99-dc58-40ce-b1e3-25a5226b3adc", "docker"),
            ImageFacts {
                image_size: Some(10240),
                ..image("9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a", "zvol")
            },
            ImageFacts {
                image_size: Some(5120),
                has_requirements: true,
                bootrom: Some("uefi".to_owned()),
                ..image("d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b", "zvol")
            },
            ImageFacts {
                image_size: Some(5120),
                cloudinit_datasource: Some("nocloud".to_owned()),
                ..image("aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb", "zvol")
            },
        ],
        nic_tags: Some(vec![
            tag("admin", "normal"),
            tag("external", "normal"),
            tag("internal", "normal"),
            tag("stub0", "etherstub"),
        ]),
        ..Facts::default()
    }
}
