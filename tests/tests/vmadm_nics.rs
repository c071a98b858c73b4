//! NICs end to end: addresses that two commands want at once, link properties, VRRP, IPv6.

use std::collections::BTreeMap;
use std::process::Child;

use e2e::signal::{self, Signal};
use e2e::{Gz, Need, Run, needs, wait};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const OTHER: &str = "a0000001-0000-4000-8000-000000000002";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const CONFLICT: &str = "Conflict detected with another vm, please check the MAC, IP, and VRID";

fn vm(uuid: &str, nic: &Value) -> Value {
    let mut full = json!({"nic_tag": "admin", "ips": ["dhcp"]});
    if let (Value::Object(full), Value::Object(nic)) = (&mut full, nic) {
        full.extend(nic.clone());
    }
    json!({
        "uuid": uuid, "brand": "joyent", "image_uuid": IMAGE, "autoboot": false, "max_physical_memory": 256,
        "quota": 5, "nics": [full]
    })
}

/// Runs commands at the same time; how many succeeded, and what the others said.
fn at_once<const N: usize>(children: [Child; N]) -> (usize, Vec<String>) {
    let mut succeeded = 0;
    let mut refused = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("vmadm ends");
        match output.status.code() {
            Some(0) => succeeded += 1,
            _ => refused.push(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
    (succeeded, refused)
}

#[test]
fn of_two_creates_that_want_one_address_one_gets_it() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    for nic in [json!({"ips": ["10.88.88.60/24"]}), json!({"mac": "02:08:20:00:00:60"})] {
        let gz = Gz::new();
        for round in 0..4 {
            let both = [UUID, OTHER]
                .map(|uuid| gz.spawn("vmadm", &["create"], &vm(uuid, &nic).to_string()));
            let (created, refused) = at_once(both);
            assert_eq!(created, 1, "{nic}, round {round}: {refused:?}");
            assert!(refused[0].contains(CONFLICT), "{nic}, round {round}: {refused:?}");
            let uuids = gz.vmadm(&["list", "-H", "-o", "uuid"]).ok().text();
            assert_eq!(uuids.lines().count(), 1, "{nic}, round {round}: {uuids}");
            let _ = gz.vmadm(&["delete", uuids.trim()]).ok();
        }
    }
}

#[test]
fn creates_at_once_that_want_different_addresses_all_succeed() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let children = [1, 2, 3, 4].map(|n: u8| {
        let uuid = format!("a0000001-0000-4000-8000-00000000000{n}");
        let vm = vm(&uuid, &json!({"ips": [format!("10.88.88.7{n}/24")]}));
        gz.spawn("vmadm", &["create"], &vm.to_string())
    });
    assert_eq!(at_once(children), (4, Vec::new()));
}

#[test]
fn of_two_updates_that_want_one_address_one_gets_it() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    for uuid in [UUID, OTHER] {
        let _ = gz.create(&vm(uuid, &json!({}))).ok();
    }
    for round in 0..4 {
        let address = format!("10.88.88.8{round}/24");
        let update = json!({"add_nics": [{"nic_tag": "admin", "ips": [address]}]});
        let both =
            [UUID, OTHER].map(|uuid| gz.spawn("vmadm", &["update", uuid], &update.to_string()));
        let (updated, refused) = at_once(both);
        assert_eq!(updated, 1, "round {round}: {refused:?}");
        assert!(refused[0].contains(CONFLICT), "round {round}: {refused:?}");
    }
}

#[test]
fn addresses_conflict_however_they_are_spelt() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let first = json!({"mac": "02:08:20:AB:CD:0F", "ips": ["fd00::5/64"]});
    let _ = gz.create(&vm(UUID, &first)).ok();
    let nic = |key: &str| gz.vmadm(&["get", UUID]).ok().json()["nics"][0][key].clone();
    assert_eq!(nic("mac"), "02:08:20:ab:cd:0f");
    let before = gz.snapshot();
    let spellings = [
        json!({"mac": "02:08:20:ab:cd:0f"}),
        json!({"mac": "2:8:20:AB:cd:f"}),
        json!({"mac": "020820abcd0f"}),
        json!({"ips": ["FD00::5/64"]}),
        json!({"ips": ["fd00:0:0::0005/064"]}),
    ];
    for nic in &spellings {
        let run = gz.create(&vm(OTHER, nic)).failed();
        assert_eq!(run.stderr.trim_end(), CONFLICT, "{nic}");
    }
    let _ = gz.create(&vm(OTHER, &json!({"mac": "2:8:20:0:0:2"}))).ok();
    let with_other = gz.snapshot();
    let update = |uuid: &str, update: &Value| {
        gz.run_with("vmadm", &["update", uuid], update.to_string().as_bytes())
    };
    for nic in &spellings {
        let mut nic = nic.clone();
        nic["nic_tag"] = json!("admin");
        let run = update(OTHER, &json!({"add_nics": [nic]})).failed();
        assert_eq!(run.stderr.trim_end(), CONFLICT, "{nic}");
    }
    let own = update(UUID, &json!({"add_nics": [{"nic_tag": "admin", "mac": "2:8:20:ab:cd:f"}]}));
    assert!(own.failed().stderr.contains("Cannot add multiple NICs with the same MAC"));
    assert_eq!(gz.changes_since(&with_other), "");
    let _ = gz.vmadm(&["delete", OTHER]).ok();
    let mut twice = vm(OTHER, &json!({"mac": "02:08:20:00:00:0a"}));
    let second = json!({"nic_tag": "admin", "ips": ["dhcp"], "mac": "2:8:20:0:0:A"});
    twice["nics"].as_array_mut().expect("a list").push(second);
    let run = gz.create(&twice).failed();
    assert_eq!(
        run.stderr.trim_end(),
        "Cannot add multiple NICs with the same MAC: 02:08:20:00:00:0a"
    );
    assert_eq!(gz.changes_since(&before), "");

    // One that is there is found by any spelling.
    let _ = update(UUID, &json!({"update_nics": [{"mac": "2:8:20:AB:cd:f", "mtu": 9000}]})).ok();
    assert_eq!(nic("mtu"), 9000);
    let _ = update(UUID, &json!({"remove_nics": ["2:8:20:ab:cd:f"]})).ok();
    assert_eq!(nic("mac"), Value::Null);
}

/// The link properties of the running zone's interface.
fn link(gz: &Gz, uuid: &str, interface: &str) -> BTreeMap<String, String> {
    let arguments = ["show-linkprop", "-c", "-o", "property,value", "-z", uuid, interface];
    let text = gz.run("dladm", &arguments).ok().text();
    let rows = text.lines().filter_map(|line| line.split_once(':'));
    rows.map(|(name, value)| (name.to_owned(), value.replace('\\', ""))).collect()
}

fn value<'a>(properties: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    properties.get(name).map(String::as_str).unwrap_or_default()
}

fn limited() -> Value {
    json!({
        "mac": "02:08:20:00:00:51", "ips": ["10.88.88.51/24"], "maxbw": "100", "priority": "low",
        "secondary_macs": "02:08:20:00:00:52,02:08:20:00:00:53", "allowed_dhcp_cids": ["0x01ab"],
        "allow_mac_spoofing": true
    })
}

fn has_limits(gz: &Gz, when: &str) {
    let link = link(gz, UUID, "net0");
    let of = |name| value(&link, name);
    assert_eq!(of("maxbw"), "100", "{when}");
    assert_eq!(of("priority"), "low", "{when}");
    assert_eq!(of("secondary-macs"), "02:08:20:00:00:52,02:08:20:00:00:53", "{when}");
    assert_eq!(of("protection"), "ip-nospoof,restricted,dhcp-nospoof", "{when}");
    assert_eq!(of("allowed-dhcp-cids"), "0x01ab", "{when}");
    assert_eq!(of("allowed-ips"), "10.88.88.51", "{when}");
}

#[test]
fn link_properties_come_back_with_every_start() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let mut payload = vm(UUID, &limited());
    payload["autoboot"] = true.into();
    let _ = gz.create(&payload).ok();
    has_limits(&gz, "create");
    let nic = gz.vmadm(&["get", UUID]).ok().json()["nics"][0].clone();
    assert_eq!(nic["maxbw"], 100);
    assert_eq!(nic["priority"], "low");
    assert_eq!(nic["secondary_macs"], json!(["02:08:20:00:00:52", "02:08:20:00:00:53"]));
    let xml = gz.file(&format!("/etc/zones/{UUID}.xml"));
    assert!(xml.contains("<net-attr name=\"maxbw\" value=\"100\"/>"), "{xml}");

    let _ = gz.vmadm(&["stop", "-F", UUID]).ok();
    let _ = gz.run("dladm", &["show-linkprop", "-z", UUID, "net0"]).failed();
    let _ = gz.vmadm(&["start", UUID]).ok();
    has_limits(&gz, "start");
    for reboot in [&["reboot", UUID][..], &["reboot", "-F", UUID]] {
        let _ = gz.vmadm(reboot).ok();
        has_limits(&gz, &reboot.join(" "));
    }
}

#[test]
fn link_properties_of_virtual_machines_come_back_too() {
    needs!(Need::Brand("bhyve"), Need::Virtualisation, Need::NicTag("admin"));
    let gz = Gz::new();
    let payload = json!({
        "uuid": UUID, "brand": "bhyve", "alias": "b1", "ram": 512, "vcpus": 1, "bootrom": "uefi", "quota": 1,
        "disks": [{"boot": true, "model": "virtio", "size": 64}],
        "nics": [{"nic_tag": "admin", "ips": ["dhcp"], "model": "virtio", "maxbw": 10}]
    });
    let _ = gz.create(&payload).ok();
    for reboot in [false, true] {
        if reboot {
            let _ = gz.vmadm(&["reboot", UUID]).ok();
        }
        let link = link(&gz, UUID, "net0");
        assert_eq!(value(&link, "maxbw"), "10", "rebooted: {reboot}");
        assert_eq!(value(&link, "allow-all-dhcp-cids"), "true", "rebooted: {reboot}");
    }
}

fn update(gz: &Gz, nic: &Value) -> Run {
    let update = json!({"update_nics": [nic]});
    gz.run_with("vmadm", &["update", UUID], update.to_string().as_bytes())
}

#[test]
fn updates_reach_the_running_zone_and_null_clears() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let mac = "02:08:20:00:00:51";
    let mut payload = vm(UUID, &limited());
    payload["autoboot"] = true.into();
    let _ = gz.create(&payload).ok();
    let changes = json!({
        "mac": mac, "maxbw": 50, "priority": "medium", "secondary_macs": ["02:08:20:00:00:54"],
        "allow_mac_spoofing": false, "allowed_ips": ["10.88.88.99"]
    });
    let _ = update(&gz, &changes).ok();
    let changed = link(&gz, UUID, "net0");
    assert_eq!(value(&changed, "maxbw"), "50");
    assert_eq!(value(&changed, "priority"), "medium");
    assert_eq!(value(&changed, "secondary-macs"), "02:08:20:00:00:54");
    assert_eq!(value(&changed, "protection"), "ip-nospoof,mac-nospoof,dhcp-nospoof,restricted");
    assert_eq!(value(&changed, "allowed-ips"), "10.88.88.51,10.88.88.99");

    let clear = json!({
        "mac": mac, "maxbw": null, "priority": null, "secondary_macs": [], "allowed_ips": [],
        "allowed_dhcp_cids": [], "mtu": null
    });
    let _ = update(&gz, &clear).ok();
    let cleared = link(&gz, UUID, "net0");
    for name in ["maxbw", "priority", "secondary-macs", "allowed-dhcp-cids"] {
        assert_eq!(value(&cleared, name), "", "{name}");
    }
    assert_eq!(value(&cleared, "allow-all-dhcp-cids"), "true");
    assert_eq!(value(&cleared, "allowed-ips"), "10.88.88.51");
    // The next change goes by what is stored.
    let _ = update(&gz, &json!({"mac": mac, "allow_ip_spoofing": true})).ok();
    let _ = update(&gz, &json!({"mac": mac, "allow_ip_spoofing": false})).ok();
    assert_eq!(value(&link(&gz, UUID, "net0"), "allowed-ips"), "10.88.88.51");
    let nic = gz.vmadm(&["get", UUID]).ok().json()["nics"][0].clone();
    for name in ["maxbw", "priority", "secondary_macs", "allowed_dhcp_cids", "mtu"] {
        assert_eq!(nic.get(name), None, "{name}");
    }
    assert_eq!(nic["ips"], json!(["10.88.88.51/24"]));
    let _ = gz.vmadm(&["reboot", UUID]).ok();
    assert_eq!(value(&link(&gz, UUID, "net0"), "maxbw"), "");
}

#[test]
fn a_failed_update_leaves_the_link_as_it_was() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let mut payload = vm(UUID, &limited());
    payload["autoboot"] = true.into();
    let _ = gz.create(&payload).ok();
    gz.set("GZSIM_FAULT", "dladm set-linkprop:2=exit 1 boom");
    let run = update(&gz, &json!({"mac": "02:08:20:00:00:51", "maxbw": 50, "priority": "high"}));
    gz.unset("GZSIM_FAULT");
    assert!(run.failed().stderr.contains("boom"));
    has_limits(&gz, "a failed update");
    assert_eq!(gz.vmadm(&["get", UUID]).ok().json()["nics"][0]["maxbw"], 100);
}

#[test]
fn bad_link_properties_are_refused_by_name() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let before = gz.snapshot();
    for (name, value) in [
        ("maxbw", json!(0)),
        ("maxbw", json!("fast")),
        ("priority", json!("urgent")),
        ("secondary_macs", json!(["02:08:20"])),
        ("allowed_dhcp_cids", json!(["client"])),
    ] {
        let run = gz.create(&vm(UUID, &json!({ name: value }))).failed();
        assert_eq!(run.stderr, format!("Invalid value(s) for: nics.*.{name}\n"));
        assert_eq!(gz.snapshot(), before, "{name}");
    }
}

#[test]
fn an_update_cannot_take_the_address_of_another_vm() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let mac = "02:08:20:00:00:51";
    let _ = gz.create(&vm(UUID, &json!({"mac": mac, "ips": ["10.88.88.51/24"]}))).ok();
    let _ = gz.create(&vm(OTHER, &json!({"ips": ["10.88.88.52/24"]}))).ok();
    let before = gz.snapshot();
    let run = update(&gz, &json!({"mac": mac, "ips": ["10.88.88.52/24"]})).failed();
    assert!(run.stderr.contains(CONFLICT), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
    let _ = update(&gz, &json!({"mac": mac, "ips": ["10.88.88.52/24"], "vlan_id": 7})).ok();
}

#[test]
fn vrrp_nics_have_the_address_of_their_router() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let plain = json!({"nic_tag": "admin", "ips": ["10.88.88.51/24"], "primary": true});
    let router = json!({
        "nic_tag": "admin", "ips": ["10.88.88.60/24"], "vrrp_vrid": 5, "vrrp_primary_ip": "10.88.88.51"
    });
    let mut payload = vm(UUID, &json!({}));
    payload["nics"] = json!([plain, router]);
    payload["autoboot"] = true.into();
    let _ = gz.create(&payload).ok();
    let nic = gz.vmadm(&["get", UUID]).ok().json()["nics"][1].clone();
    assert_eq!(nic["mac"], "00:00:5e:00:01:05");
    assert_eq!((&nic["vrrp_vrid"], &nic["vrrp_primary_ip"]), (&json!(5), &json!("10.88.88.51")));
    let addresses = link(&gz, UUID, "net1");
    assert_eq!(value(&addresses, "allowed-ips"), "10.88.88.60,10.88.88.51");

    let before = gz.snapshot();
    let with = |more: Value| {
        let mut nic = json!({"nic_tag": "external", "ips": ["10.88.89.60/24"], "vrrp_vrid": 6});
        if let (Value::Object(nic), Value::Object(more)) = (&mut nic, more) {
            nic.extend(more);
        }
        nic
    };
    let own = json!({"nic_tag": "external", "ips": ["10.88.89.51/24"]});
    let ours = "10.88.89.51";
    for (nics, message) in [
        (json!([own, with(json!({}))]), "vrrp_vrid set but not vrrp_primary_ip"),
        (json!([with(json!({"vrrp_primary_ip": ours}))]), "VM cannot contain only VRRP nics"),
        (
            json!([own, with(json!({"vrrp_primary_ip": "10.88.89.99"}))]),
            "vrrp_primary_ip must belong to the same VM",
        ),
        (
            json!([own, with(json!({"vrrp_primary_ip": "10.88.89.60"}))]),
            "Cannot set vrrp_primary_ip to the IP of a VRRP nic",
        ),
        (
            json!([own, with(json!({"vrrp_primary_ip": ours, "mac": "02:08:20:00:00:77"}))]),
            "Cannot set both mac and vrrp_vrid",
        ),
        (
            json!([
                own,
                with(json!({"vrrp_primary_ip": ours})),
                with(json!({"vrrp_primary_ip": ours, "ips": ["10.88.89.61/24"]}))
            ]),
            "Cannot add multiple NICs with the same VRID: 6",
        ),
        (json!([own, with(json!({"vrrp_primary_ip": ours, "vrrp_vrid": 5}))]), CONFLICT),
        (json!([own, with(json!({"vrrp_vrid": 256}))]), "Invalid value(s) for: nics.*.vrrp_vrid"),
    ] {
        let mut payload = vm(OTHER, &json!({}));
        payload["nics"] = nics;
        let run = gz.create(&payload).failed();
        assert_eq!(run.stderr, format!("{message}\n"), "{}", payload["nics"]);
        assert_eq!(gz.snapshot(), before, "{message}");
    }
}

#[test]
fn zones_have_routes_to_their_ipv6_gateways() {
    needs!(Need::Simulation);
    const ROUTES: &str = "/root/etc/inet/static_routes";
    let gz = Gz::new();
    let file = |path: &str| {
        std::fs::read_to_string(gz.path(&format!("/zones/{UUID}{path}"))).unwrap_or_default()
    };
    let mac = "02:08:20:00:00:51";
    let nic = json!({
        "mac": mac, "ips": ["10.88.88.51/24", "fd00::51/64"],
        "gateways": ["fd00::1", "10.88.88.2", "fe80::1"]
    });
    let mut payload = vm(UUID, &nic);
    payload["autoboot"] = true.into();
    let _ = gz.create(&payload).ok();
    assert_eq!(file("/root/etc/defaultrouter"), "10.88.88.2\n");
    assert_eq!(file(ROUTES), "-inet6 default fd00::1\n-inet6 default fe80::1 -ifp net0\n");
    let got = gz.vmadm(&["get", UUID]).ok().json()["nics"][0].clone();
    assert_eq!(got["gateways"], json!(["fd00::1", "10.88.88.2", "fe80::1"]));
    assert_eq!(got["gateway"], "10.88.88.2");

    // The zone's own routes stay.
    let own = "10.3.0.0/16 10.88.88.3";
    let path = gz.path(&format!("/zones/{UUID}{ROUTES}"));
    std::fs::write(&path, format!("{own}\n{}", file(ROUTES))).expect("the zone's file is writable");
    gz.clear_calls();
    let _ = update(&gz, &json!({"mac": mac, "gateways": ["10.88.88.2", "fd00::2"]})).ok();
    assert_eq!(file(ROUTES), format!("{own}\n-inet6 default fd00::2\n"));
    let route = |call: &&String| call.contains("/usr/sbin/route");
    let calls: Vec<String> = gz.calls().iter().filter(route).cloned().collect();
    let route = |rest: &str| format!("zlogin {UUID} /usr/sbin/route -n {rest}");
    assert_eq!(
        calls,
        [
            route("delete -inet6 default fd00::1"),
            route("delete -inet6 default fe80::1 -ifp net0"),
            route("add -inet6 default fd00::2")
        ]
    );
    let only = json!({"remove_nics": [mac]}).to_string();
    let _ = gz.run_with("vmadm", &["update", UUID], only.as_bytes()).ok();
    assert_eq!(file(ROUTES), format!("{own}\n"));
}

#[test]
fn a_zone_with_ipv6_gateways_alone_keeps_its_routes_and_lx_has_none() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let nic = json!({"ips": ["fd00::51/64"], "gateways": ["fd00::1"]});
    let _ = gz.create(&vm(UUID, &nic)).ok();
    // An empty file would make the zone drop every route.
    assert!(!gz.path(&format!("/zones/{UUID}/root/etc/defaultrouter")).exists());
    let mut lx = vm(OTHER, &json!({"ips": ["fd00::52/64"], "gateways": ["fd00::1"]}));
    lx["brand"] = "lx".into();
    lx["image_uuid"] = "5917ca96-c888-11e5-8da0-e785a1ad1185".into();
    lx["kernel_version"] = "3.13.0".into();
    let run = gz.create(&lx).failed();
    assert_eq!(run.stderr, "Static gateways must be IPv4 addresses: fd00::1\n");
}

#[test]
fn links_are_set_where_others_start_the_zone() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let mut payload = vm(UUID, &json!({"maxbw": 100}));
    payload["autoboot"] = true.into();
    let _ = gz.create(&payload).ok();
    let limit = || value(&link(&gz, UUID, "net0"), "maxbw").to_owned();
    let reboot = || {
        let _ = gz.run("zoneadm", &["-z", UUID, "reboot"]).ok();
    };
    reboot();
    assert_eq!(limit(), "", "the brand knows nothing of it");
    let _ = gz.vmadm(&["links", UUID]).ok();
    assert_eq!(limit(), "100");
    let _ = gz.vmadm(&["links", OTHER]).failed();

    let mut follower = gz.spawn("vmadm", &["links", "-f"], "");
    for _ in 0..2 {
        reboot();
        wait::until("the limit", || limit() == "100");
    }
    signal::send(follower.id(), Signal::SIGTERM);
    assert_eq!(follower.wait().expect("it ends").code(), Some(0));
}
