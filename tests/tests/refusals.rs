//! Bad input gets one clear error, exit 1, and has changed nothing: `/etc/zones` and the datasets are byte-identical.

use e2e::{Gz, Need, Run, needs};
use serde_json::{Value, json};

const VM: &str = "a0000001-0000-4000-8000-00000000beef";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";

fn payload() -> Value {
    json!({
        "uuid": VM, "brand": "joyent", "image_uuid": IMAGE, "alias": "web", "max_physical_memory": 256, "quota": 5,
        "nics": [{"nic_tag": "admin", "ip": "10.9.9.9", "netmask": "255.255.255.0", "primary": true}],
    })
}

fn with(changes: Value) -> Value {
    let mut payload = payload();
    for (key, value) in changes.as_object().unwrap() {
        payload[key] = value.clone();
    }
    payload
}

/// Creates, and checks that it was refused with these words in its one error, without a trace.
fn refused(gz: &Gz, input: &str, words: &[&str]) -> Run {
    let before = gz.snapshot();
    let run = gz.run_with("vmadm", &["create"], input.as_bytes());
    assert_eq!(run.exit, Some(1), "{input}: {}", run.stderr);
    assert!(run.stdout.is_empty(), "{input}: {}", run.text());
    for word in words {
        assert!(run.stderr.contains(word), "{input}: no \"{word}\" in: {}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before, "{input} changed something");
    let config = gz.path(&format!("/zones/{VM}"));
    assert!(!config.exists(), "{} was left", config.display());
    run
}

#[test]
fn create_refuses_bad_payloads_and_changes_nothing() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let cases: &[(Value, &[&str])] = &[
        (with(json!({"brand": "jyent"})), &["jyent", "joyent"]),
        (with(json!({"image_uuid": "01b2c898-945f-11e1-a523-000000000000"})), &["image_uuid"]),
        (with(json!({"max_physical_memory": "lots"})), &["max_physical_memory"]),
        (with(json!({"quota": -5})), &["quota"]),
        (with(json!({"nics": {"nic_tag": "admin"}})), &["nics"]),
        (with(json!({"nics": [null]})), &["nics"]),
        (with(json!({"nics": [{"nic_tag": "nosuchtag", "ip": "dhcp"}]})), &["nosuchtag"]),
        (with(json!({"nics": [{"nic_tag": "admin", "ip": "10.0.0.300"}]})), &["10.0.0.300"]),
        (with(json!({"resolvers": "not an address"})), &["resolvers"]),
        (with(json!({"zpool": "no:such"})), &["zpool"]),
        (with(json!({"zpool": "nosuchpool"})), &["zpool"]),
        (
            with(
                json!({"filesystems": [{"type": "lofs", "source": "/no/such/dir", "target": "/x"}]}),
            ),
            &["/no/such/dir"],
        ),
        (
            with(json!({"filesystems": [{"type": "lofs", "target": "/x"}]})),
            &["filesystem", "source"],
        ),
        (
            with(json!({"alias": "line\nbreak", "customer_metadata": {}, "dns_domain": "a\nb"})),
            &["dns_domain"],
        ),
        (with(json!({"uuid": "not-a-uuid"})), &["Invalid value(s) for: uuid"]),
        (with(json!({"uuid": null})), &["Invalid value(s) for: uuid"]),
        // A text where a list belongs.
        (with(json!({"nics": "admin"})), &["Invalid value(s) for: nics"]),
        (with(json!({"filesystems": "/data"})), &["Invalid value(s) for: filesystems"]),
        (
            with(json!({"nics": [{"nic_tag": "admin", "ips": "10.0.0.3/24"}]})),
            &["Invalid IP for NIC"],
        ),
        (
            with(json!({"nics": [
                {"nic_tag": "admin", "ips": ["10.0.0.3/24"], "gateways": "10.0.0.1"}]})),
            &["Static gateways"],
        ),
        (json!([payload()]), &["object"]),
        (json!("text"), &["object"]),
    ];
    for (payload, words) in cases {
        refused(&gz, &payload.to_string(), words);
    }
    refused(&gz, "{\n  \"brand\": \"joyent\",\n  oops\n}", &["standard input:3:"]);
    refused(&gz, "", &[]);
    refused(&gz, &"[".repeat(100_000), &[]);
}

/// The payload without a property, or with it under another name.
#[test]
fn images_whose_zones_never_say_that_they_are_set_up_are_refused() {
    // What it does to the files of an image would stay in a real pool.
    needs!(Need::SimulatedZfs);
    let gz = Gz::init(&["--fixture", "spec"]);
    let root = gz.path(&format!("/zones/{IMAGE}/root"));
    let fetch = [root.join("root/zoneinit.d"), root.join("var/zoneinit/includes")];
    let about = root.join("var/zoneinit/zoneinit.json");
    for directory in &fetch {
        std::fs::create_dir_all(directory).unwrap();
    }
    let old = fetch.each_ref().map(|directory| directory.join("04-mdata.sh"));
    for (text, file, is_fine) in [
        (None, None, false),
        (None, Some(&old[0]), true),
        (None, Some(&old[1]), true),
        (Some(r#"{"features": {"var_svc_provisioning": true}}"#), None, true),
        // What the image says of itself counts.
        (Some(r#"{"features": {"zoneconfig": true}}"#), Some(&old[0]), false),
        (Some(r#"{"version": "1"}"#), Some(&old[1]), true),
        (Some("{"), Some(&old[0]), false),
    ] {
        for path in old.iter().chain([&about]).filter(|path| path.exists()) {
            std::fs::remove_file(path).unwrap();
        }
        if let Some(text) = text {
            std::fs::write(&about, text).unwrap();
        }
        if let Some(file) = file {
            std::fs::write(file, "").unwrap();
        }
        for (brand, asks) in [("joyent", true), ("builder", true), ("joyent-minimal", false)] {
            let vm = with(json!({"brand": brand, "autoboot": false}));
            if is_fine || !asks {
                let _ = gz.create(&vm).ok();
                let _ = gz.vmadm(&["delete", VM]).ok();
                continue;
            }
            let run = refused(&gz, &vm.to_string(), &[]);
            let words = format!("provisioning dataset {IMAGE} with brand {brand} is not supported");
            assert_eq!(run.stderr.trim_end(), words, "{text:?} {file:?}");
        }
    }
}

fn renamed(from: &str, to: Option<&str>) -> Value {
    let mut payload = payload();
    let object = payload.as_object_mut().unwrap();
    let value = object.remove(from).unwrap();
    if let Some(to) = to {
        object.insert(to.to_owned(), value);
    }
    payload
}

#[test]
fn a_misspelt_property_that_is_required_is_named() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let missing = "Missing required properties: image_uuid";
    let run = refused(&gz, &renamed("image_uuid", Some("image_uid")).to_string(), &[missing]);
    assert_eq!(
        run.stderr,
        format!("{missing}\nunknown property \"image_uid\" (did you mean \"image_uuid\"?)\n")
    );
    let run = refused(&gz, &renamed("image_uuid", None).to_string(), &[missing]);
    assert_eq!(run.stderr, format!("{missing}\n"));
    let commented = renamed("image_uuid", Some("__image_uuid"));
    let run = refused(&gz, &commented.to_string(), &[missing]);
    assert_eq!(run.stderr, format!("{missing}\n"), "a comment is no misspelt property");
}

#[test]
fn update_refuses_bad_payloads_and_changes_nothing() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&payload()).ok();
    let mac = gz.vmadm(&["get", VM]).ok().json()["nics"][0]["mac"].clone();
    let before = gz.snapshot();
    let cases: &[(Value, &[&str])] = &[
        (json!({"add_nics": "admin"}), &["add_nics"]),
        (json!({"add_nics": [null]}), &["add_nics"]),
        (json!({"add_nics": [{"nic_tag": "admin", "ips": ["10.0.0.300/24"]}]}), &["10.0.0.300"]),
        (json!({"update_nics": [{"mac": mac, "ips": ["10.0.0.1/33"]}]}), &["10.0.0.1/33"]),
        (json!({"update_nics": [{"mac": "02:08:20:0:0:1", "mtu": 100}]}), &["nics.*.mtu"]),
        (
            json!({"add_filesystems": [{"type": "lofs", "source": "/no/such", "target": "/x"}]}),
            &["/no/such"],
        ),
        (json!({"resolvers": {"a": "10.0.0.1"}}), &["resolvers"]),
        (json!({"set_routes": ["10.0.0.0/8"]}), &["oute"]),
        (json!({"quota": "lots"}), &["quota"]),
    ];
    for (update, words) in cases {
        let run = gz.run_with("vmadm", &["update", VM], update.to_string().as_bytes()).failed();
        for word in *words {
            assert!(run.stderr.contains(word), "{update}: no \"{word}\" in: {}", run.stderr);
        }
        assert_eq!(gz.snapshot(), before, "{update} changed something");
    }
    let misspelt = json!({"qouta": 6, "__quota": 7});
    let strict = ["update", VM, "--strict"];
    let run = gz.run_with("vmadm", &strict, misspelt.to_string().as_bytes()).failed();
    assert_eq!(run.stderr, "unknown property \"qouta\" (did you mean \"quota\"?)\n");
    assert_eq!(gz.snapshot(), before, "a refused update changed something");
    let run = gz.run_with("vmadm", &["update", VM], misspelt.to_string().as_bytes()).ok();
    assert!(run.stderr.contains("ignoring unknown property \"qouta\""), "{}", run.stderr);
    assert!(!run.stderr.contains("__quota"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_wrong_is_named() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let path = gz.path("/tmp/vm.json");
    let before = gz.snapshot();
    let run = gz.vmadm(&["create", "-f", path.to_str().unwrap()]).failed();
    assert!(run.stderr.contains("vm.json"), "{}", run.stderr);
    std::fs::write(&path, "{ \"brand\": \"joyent\", }").unwrap();
    let run = gz.vmadm(&["create", "-f", path.to_str().unwrap()]).failed();
    assert!(run.stderr.contains("vm.json:1:"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn a_uuid_or_an_address_in_use_is_refused() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&payload()).ok();
    let before = gz.snapshot();
    let run = gz.create(&payload()).failed();
    assert!(run.stderr.contains(VM), "{}", run.stderr);
    let other = with(json!({"uuid": "a0000001-0000-4000-8000-00000000bee0", "alias": "other"}));
    let run = gz.create(&other).failed();
    assert!(run.stderr.contains("Conflict"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn an_unknown_property_is_named_and_create_goes_on() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let misspelt = with(json!({"max_phisical_memory": 128, "__comment": "kept out of it"}));
    let run = gz.create(&misspelt).ok();
    assert!(run.stderr.starts_with("Successfully created VM"), "{}", run.stderr);
    assert!(run.stderr.contains("max_phisical_memory"), "{}", run.stderr);
    assert!(run.stderr.contains("max_physical_memory"), "{}", run.stderr);
    assert!(!run.stderr.contains("__comment"), "{}", run.stderr);
    let run =
        gz.run_with("vmadm", &["validate", "create"], misspelt.to_string().as_bytes()).failed();
    let verdict: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(verdict["bad_properties"], json!(["max_phisical_memory", "__comment"]));
    let strict =
        with(json!({"uuid": "a0000001-0000-4000-8000-00000000bee1", "nics": [], "alais": "x"}));
    let before = gz.snapshot();
    let run = gz.run_with("vmadm", &["create", "--strict"], strict.to_string().as_bytes()).failed();
    assert!(run.stderr.contains("alais") && run.stderr.contains("alias"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn commands_on_a_vm_that_is_not_there_say_so() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let before = gz.snapshot();
    for command in ["get", "start", "stop", "delete"] {
        let run = gz.vmadm(&[command, VM]).failed();
        assert!(run.stderr.contains(VM), "{command}: {}", run.stderr);
    }
    for command in ["get", "start", "delete"] {
        assert_eq!(gz.vmadm(&[command]).exit, Some(2), "{command} without a UUID is wrong usage");
    }
    assert_eq!(gz.vmadm(&["frobnicate"]).exit, Some(2));
    assert_eq!(gz.snapshot(), before);
}
