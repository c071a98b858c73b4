//! Zones of OmniOS that others than vmadm made: what their VM objects say.

use serde_json::{Value, json};
use zonecfg::mapping::omnios::load;

fn vm(document: &str) -> Value {
    Value::Object(load(document).expect("a well-formed document"))
}

#[test]
fn a_bhyve_zone_in_the_manner_of_zadm() {
    let vm = vm(include_str!("data/omnios/zadm-bhyve.xml"));
    let volume = |name: &str| format!("/dev/zvol/rdsk/rpool/web/{name}");
    let expected = json!({
        "zonename": "web", "uuid": "web", "zonepath": "/zones/web", "autoboot": true, "brand": "bhyve",
        "alias": "web", "dns_domain": "example.org", "bhyve_extra_opts": "-s 25,test -x",
        "resolvers": ["192.0.2.53", "198.51.100.53"], "limit_priv": ["default"], "cpu_shares": 50,
        "ram": 2048, "vcpus": 4, "bootrom": "uefi", "boot": "order=nc", "com1": "socket,/tmp/vm.com1",
        "pci_devices": [
            {"path": "/dev/ppt0", "model": "passthru"},
            {"path": "/dev/ppt1", "model": "passthru", "pci_slot": "0:9:3"},
        ],
        "vnc_port": 0, "vnc_password": "secret",
        "disks": [
            {"path": volume("root"), "boot": true, "model": "nvme", "media": "disk",
             "guest_block_size": "512/4096", "pci_slot": "0:4:0"},
            {"path": volume("data"), "boot": false, "model": "nvme", "media": "disk", "pci_slot": "0:5:0"},
            {"path": volume("logs"), "boot": false, "model": "ahci", "media": "disk", "notrim": true,
             "pci_slot": "0:5:3"},
            {"path": "/images/install.iso", "boot": false, "model": "ahci", "media": "cdrom",
             "pci_slot": "0:3:0"},
        ],
        "filesystems": [
            {"source": "/data/share0", "target": "share0", "type": "virtfs", "options": ["ro"]},
        ],
        "nics": [
            {"interface": "web0", "mac": "02:08:20:aa:00:05", "nic_tag": "igb0", "vlan_id": 20,
             "gateway": "192.0.2.1", "gateways": ["192.0.2.1"], "ips": ["192.0.2.5/24"], "model": "virtio",
             "ip": "192.0.2.5", "netmask": "255.255.255.0"},
            {"interface": "web1", "nic_tag": "igb1", "allow_unfiltered_promisc": true, "model": "e1000"},
        ],
        "zone_attributes": {
            "acpi": "on", "cloud-init": "on", "hostbridge": "i440fx", "memreserve": "on", "rng": "on",
            "sshkey": "ssh-ed25519 AAAA op",
        },
    });
    same(&vm, &expected);
}

#[test]
fn an_lx_zone_in_the_manner_of_zadm() {
    let vm = vm(include_str!("data/omnios/zadm-lx.xml"));
    let expected = json!({
        "zonename": "build", "uuid": "build", "zonepath": "/zones/build", "autoboot": false, "brand": "lx",
        "alias": "build", "kernel_version": "4.4", "resolvers": ["192.0.2.53"], "fs_allowed": "ufs",
        "limit_priv": ["default", "dtrace_proc"], "max_physical_memory": 1024,
        "filesystems": [{"source": "/export/src", "target": "/src", "type": "lofs", "options": ["ro"]}],
        "datasets": ["rpool/build-data"],
        "nics": [
            {"interface": "build0", "mac": "02:08:20:12:34:56", "nic_tag": "igb0", "gateway": "192.0.2.1",
             "gateways": ["192.0.2.1"], "ips": ["192.0.2.6/24", "fd00::6/64"], "primary": true,
             "ip": "192.0.2.6", "netmask": "255.255.255.0"},
        ],
        "zone_attributes": {"ipv6": "true"},
    });
    same(&vm, &expected);
}

#[test]
fn a_zone_with_several_addresses_on_one_link() {
    let vm = vm(include_str!("data/omnios/zonecfg-ipkg.xml"));
    assert_eq!(vm["tmpfs"], 1024);
    assert_eq!(vm.get("filesystems"), None);
    let nics = vm["nics"].as_array().expect("a list");
    assert_eq!(nics.len(), 1);
    assert_eq!(nics[0]["ips"], json!(["192.0.2.7/24", "198.51.100.7/24"]));
    assert_eq!(vm["uuid"], "b0000001-0000-4000-8000-000000000001");
    assert_eq!(vm.get("alias"), None);
}

#[test]
fn vnc_is_given_in_several_forms() {
    for (attribute, port, password) in [
        ("on", json!(0), Value::Null),
        ("off", json!(-1), Value::Null),
        ("off,w=800", json!(-1), Value::Null),
        ("wait", json!(0), Value::Null),
        ("unix=/tmp/vnc,w=800,h=600,password=a", json!(0), json!("a")),
        ("0.0.0.0:5900,password=/etc/vnc", json!(0), json!("/etc/vnc")),
    ] {
        let vm = vm(&format!(
            "<zone name=\"z\" zonepath=\"/z\" brand=\"bhyve\">\
             <attr name=\"vnc\" type=\"string\" value=\"{attribute}\"/></zone>"
        ));
        assert_eq!((&vm["vnc_port"], &vm["vnc_password"]), (&port, &password), "{attribute}");
        assert_eq!((&vm["ram"], &vm["vcpus"]), (&json!(1024), &json!(1)));
    }
}

fn same(vm: &Value, expected: &Value) {
    let object = |value: &Value| value.as_object().cloned().expect("an object");
    for (name, value) in object(expected) {
        assert_eq!(vm.get(&name), Some(&value), "{name}");
    }
    let more: Vec<String> = object(vm)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|n| expected.get(n).is_none())
        .collect();
    assert!(more.is_empty(), "{more:?}");
}
