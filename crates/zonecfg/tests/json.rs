//! JSON in and out, and the schema.

mod common;

use common::Root;
use serde_json::Value;

const SCRIPT: &str = r#"create -b
set zonepath=/zones/z1
set brand=joyent
set ip-type=exclusive
set bootargs="-m verbose"
set max-lwps=2000
add fs; set dir=/data; set special=/export/data; set type=lofs; add options [ro,"size=5m"]; end
add net
set physical=net0
set mac-addr=2:8:20:a:b:c
set vlan-id=5
add property (name=ip,value="10.0.0.5,10.0.0.6")
end
add device; set match=/dev/x; add property (name=boot,value=true); end
add capped-memory; set physical=1g; set swap=2g; end
add capped-cpu; set ncpus=1.5; end
add attr; set name=a1; set type=string; set value="hello world"; end
add dataset; set name=zones/z1/data; end
add admin; set user=root; set auths=login,manage; end
add security-flags; set default=aslr; end
"#;

fn configured() -> Root {
    let root = Root::new();
    root.write("/script.txt", SCRIPT);
    let ran = root.zonecfg(&["-z", "z1", "-f", "script.txt"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    root
}

fn json(root: &Root, what: &str) -> Value {
    let ran = root.zonecfg(&["-z", "z1", what, "--json"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn what_is_exported_can_be_applied_elsewhere() {
    let root = configured();
    let exported = json(&root, "export");
    assert_eq!(exported["net"][0]["property"][0]["value"], "10.0.0.5,10.0.0.6");
    let other = Root::new();
    other.write("/z1.json", &exported.to_string());
    let ran = other.zonecfg(&["-z", "z1", "apply", "z1.json"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    assert_eq!(json(&other, "export"), exported);
    assert_eq!(other.uuid_of("z1"), root.uuid_of("z1"));
    let before = other.read("/etc/zones/z1.xml");
    assert_eq!(other.zonecfg(&["-z", "z1", "apply", "z1.json"], "").exit, 0);
    assert_eq!(other.read("/etc/zones/z1.xml"), before, "applying twice is applying once");
}

#[test]
fn info_shows_limits_as_numbers() {
    let info = json(&configured(), "info");
    assert_eq!(info["max-lwps"], 2000);
    assert_eq!(info["capped-cpu"]["ncpus"], 1.5);
    assert_eq!(info["capped-memory"]["physical"], 1_073_741_824_u64);
    assert_eq!(info["debugid"], 1);
}

#[test]
fn what_is_wrong_in_a_file_changes_nothing() {
    let root = configured();
    let before = (root.read("/etc/zones/z1.xml"), root.read("/etc/zones/index"));
    for (text, message) in [
        ("{", "bad.json:1:1: the text ends inside an object\n"),
        ("[]", "file: an object is expected"),
        (r#"{"zonepth":"/a"}"#, "zonepth: not known"),
        (r#"{"net":{}}"#, "net: a list is expected"),
        (r#"{"net":[{"vlan":1}]}"#, "net[0].vlan: not known"),
        (r#"{"zonename":"z2"}"#, "zonename: this is not the configuration of z1"),
        (r#"{"hostid":"xyz"}"#, "hostid: Specified property is invalid"),
        (r#"{"net":[{"vlan-id":1}]}"#, "physical not specified"),
    ] {
        root.write("/bad.json", text);
        let ran = root.zonecfg(&["-z", "z1", "apply", "bad.json"], "");
        assert_eq!(ran.exit, 1, "{text}");
        assert!(ran.stderr.contains(message), "{text}: {}", ran.stderr);
        assert_eq!(
            (root.read("/etc/zones/z1.xml"), root.read("/etc/zones/index")),
            before,
            "{text}"
        );
    }
}

#[test]
fn apply_wants_one_file() {
    let root = configured();
    for words in [&["apply"][..], &["apply", "a.json", "b.json"]] {
        let ran = root.zonecfg(&[&["-z", "z1"], words].concat(), "");
        assert_eq!(ran.exit, 2, "{words:?}");
        assert_eq!(ran.stderr, "usage:\tzonecfg -z <zone> apply <file.json>\n");
    }
}

#[test]
fn lint_names_file_line_and_column() {
    let root = Root::new();
    root.write("/good.cfg", SCRIPT);
    root.write("/bad.cfg", "create\n set autoboot true\n");
    assert_eq!(root.zonecfg(&["lint", "good.cfg"], "").exit, 0);
    let ran = root.zonecfg(&["lint", "good.cfg", "bad.cfg"], "");
    assert_eq!((ran.exit, ran.stdout.as_str()), (1, "bad.cfg:2:15: syntax error at 'true'\n"));
    assert_eq!(root.zonecfg(&["lint"], "").exit, 2);
    assert_eq!(root.zonecfg(&["lint", "/nonexistent"], "").exit, 1);
}

/// `cargo xtask schemas` writes the file anew.
#[test]
fn the_schema_file_is_current() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/zone.schema.json");
    let file = std::fs::read_to_string(path).expect("schemas/zone.schema.json is there");
    assert_eq!(file, format!("{:#}\n", zonecfg::json::schema()));
}
