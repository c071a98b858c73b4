use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => panic!("not an object: {value}"),
    }
}

fn new_zone() -> NewZone<'static> {
    NewZone {
        zonepath: "/zones/u",
        create_timestamp: "2026-11-21T04:22:54.704Z",
        transition: Some("provisioning:running:1795235274705"),
        version: 1,
    }
}

/// The lines of a new zone after those that every zone has.
fn created(payload: Value) -> Vec<String> {
    let script = create_script(&object(payload), &new_zone()).unwrap();
    script.lines().skip(9).map(str::to_owned).collect()
}

fn updated(vm: Value, payload: Value) -> String {
    update_script(&object(vm), &object(payload)).unwrap()
}

#[test]
fn a_new_joyent_zone() {
    let payload = json!({
        "brand": "joyent", "uuid": "u", "image_uuid": "01b2", "alias": "j1", "hostname": "j1", "autoboot": true,
        "max_physical_memory": 512, "max_locked_memory": 512, "max_swap": 512, "max_shm_memory": 512, "tmpfs": 0,
        "cpu_shares": 100, "limit_priv": ["default", "dtrace_user"], "resolvers": ["8.8.8.8", "8.8.4.4"],
        "archive_on_delete": false, "restart_init": true, "cpu_cap": 150, "kernel_version": "",
        "nics": [{"nic_tag": "admin", "mac": "02:08:20:aa:00:01", "ips": ["10.88.88.51/24", "fd00::5/64"],
                  "gateways": ["10.88.88.2"], "allow_dhcp_spoofing": 1, "blocked_outgoing_ports": [25, 80]}]
    });
    let script = create_script(&object(payload), &new_zone()).unwrap();
    assert_eq!(
        script,
        "create -b\n\
         set zonepath=/zones/u\n\
         set brand=joyent\n\
         set uuid=u\n\
         set ip-type=exclusive\n\
         add attr; set name=\"provisioning\"; set type=string; set value=true;end\n\
         add attr; set name=\"vm-version\"; set type=string; set value=\"1\"; end\n\
         add attr; set name=\"create-timestamp\"; set type=string; set value=\"2026-11-21T04:22:54.704Z\"; end\n\
         add attr; set name=transition; set value=\"provisioning:running:1795235274705\"; set type=string; end\n\
         add attr; set name=\"dataset-uuid\"; set type=string; set value=\"01b2\"; end\n\
         set cpu-shares=100\n\
         set limitpriv=\"default,dtrace_user\"\n\
         set max-shm-memory=536870912\n\
         set autoboot=true\n\
         add capped-memory; set physical=512m; set locked=512m; set swap=512m; end\n\
         add capped-cpu; set ncpus=1.5; end\n\
         add attr; set name=\"tmpfs\"; set type=string; set value=\"0\"; end\n\
         add attr; set name=\"hostname\"; set type=string; set value=\"j1\"; end\n\
         add attr; set name=\"resolvers\"; set type=string; set value=\"8.8.8.8,8.8.4.4\"; end\n\
         add attr; set name=\"alias\"; set type=string; set value=\"ajE=\"; end\n\
         add net\n\
         set physical=net0\n\
         set mac-addr=2:8:20:aa:0:1\n\
         set global-nic=admin\n\
         add property (name=gateway, value=\"10.88.88.2\")\n\
         add property (name=gateways, value=\"10.88.88.2\")\n\
         add property (name=netmask, value=\"255.255.255.0\")\n\
         add property (name=ip, value=\"10.88.88.51\")\n\
         add property (name=ips, value=\"10.88.88.51/24,fd00::5/64\")\n\
         add property (name=allow_dhcp_spoofing, value=\"1\")\n\
         add property (name=blocked_outgoing_ports, value=\"25,80\")\n\
         end\n\
         select net mac-addr=2:8:20:aa:0:1; add property (name=primary,value=\"true\"); end\n"
    );
}

#[test]
fn kvm_boots_by_attribute_and_bhyve_always_has_ports_and_log() {
    let kvm =
        created(json!({"brand": "kvm", "uuid": "u", "autoboot": true, "ram": 1024, "vnc_port": 0}));
    assert_eq!(kvm[0], "set autoboot=false");
    assert_eq!(
        kvm[1],
        "add attr; set name=\"vm-autoboot\"; set type=string; set value=\"true\"; end"
    );
    assert_eq!(kvm.len(), 3);
    let changed = updated(
        json!({"brand": "bhyve", "com1": "/dev/zconsole", "com2": "socket,/tmp/vm.ttyb", "zlog_mode": "g--",
               "zlog_name": "platform.log"}),
        json!({}),
    );
    assert_eq!(
        changed,
        "select attr name=com1; set value=\"/dev/zconsole\"; end\n\
         select attr name=com2; set value=\"socket,/tmp/vm.ttyb\"; end\n\
         select attr name=zlog-mode; set value=\"g--\"; end\n\
         select attr name=zlog-name; set value=\"platform.log\"; end\n"
    );
}

#[test]
fn disks_and_passed_through_devices() {
    let lines = created(json!({"brand": "bhyve", "uuid": "u",
        "disks": [{"path": "/dev/zvol/rdsk/zones/u/disk0", "boot": true, "model": "virtio", "media": "disk",
                   "image_size": 5120, "size": 5120, "image_uuid": "i", "pci_slot": "0:4:0", "uuid": "d"}],
        "pci_devices": [{"path": "/devices/x", "pci_slot": "0:9:0", "model": "passthru"}]}));
    let from = lines.iter().position(|line| line == "add device").unwrap();
    assert_eq!(
        lines[from..],
        [
            "add device",
            "set match=/dev/zvol/rdsk/zones/u/disk0",
            "add property (name=boot, value=\"true\")",
            "add property (name=model, value=\"virtio\")",
            "add property (name=media, value=\"disk\")",
            "add property (name=image-size, value=\"5120\")",
            "add property (name=image-uuid, value=\"i\")",
            "add property (name=pci-slot, value=\"0:4:0\")",
            "add property (name=uuid, value=\"d\")",
            "end",
            "add device",
            "set match=/devices/x",
            "add property (name=model, value=\"passthru\")",
            "add property (name=pci-slot, value=\"0:9:0\")",
            "end",
        ]
    );
}

#[test]
fn updates_select_what_is_there_and_add_what_is_not() {
    let vm = json!({"brand": "joyent", "alias": "j1", "hostname": "h", "resolvers": [], "firewall_enabled": false,
                    "max_swap": 512, "cpu_cap": 100});
    assert_eq!(
        updated(
            vm.clone(),
            json!({"alias": "", "hostname": "n", "resolvers": ["1.1.1.1"], "firewall_enabled": true, "max_swap": 600,
                   "cpu_cap": 0})
        ),
        "select capped-memory; set swap=600m; end\n\
         remove capped-cpu\n\
         select attr name=hostname; set value=\"n\"; end\n\
         add attr; set name=\"firewall-enabled\"; set type=string; set value=\"true\"; end\n\
         add attr; set name=\"resolvers\"; set type=string; set value=\"1.1.1.1\"; end\n\
         remove -F attr name=alias;"
    );
    assert_eq!(
        updated(vm, json!({"firewall_enabled": false, "fs_allowed": ["ufs", "pcfs"]})),
        "remove -F attr name=firewall-enabled;set fs-allowed=\"ufs,pcfs\"\n"
    );
}

#[test]
fn the_primary_nic_moves_when_it_goes() {
    let vm = json!({"brand": "joyent", "nics": [
        {"mac": "02:08:20:00:00:0a", "interface": "net0", "primary": true, "ips": ["10.0.0.1/24"]},
        {"mac": "02:08:20:00:00:0b", "interface": "net1", "ips": ["10.0.0.2/24"]},
        {"mac": "02:08:20:00:00:0c", "interface": "net2", "ips": ["8.1.1.1/24"]}]});
    assert_eq!(
        updated(vm.clone(), json!({"remove_nics": ["02:08:20:00:00:0a"]})),
        "remove net mac-addr=2:8:20:0:0:a\n\
         select net mac-addr=2:8:20:0:0:b; remove -F property (name=primary,value=\"true\"); end\n\
         select net mac-addr=2:8:20:0:0:c; add property (name=primary,value=\"true\"); end\n"
    );
    let changed =
        updated(vm, json!({"add_nics": [{"mac": "02:08:20:00:00:0d", "nic_tag": "admin"}]}));
    assert!(
        changed.starts_with("add net\nset physical=net3\nset mac-addr=2:8:20:0:0:d\n"),
        "{changed}"
    );
    assert!(!changed.contains("primary"));
}

#[test]
fn nic_updates_touch_whatever_they_name() {
    let vm =
        json!({"brand": "joyent", "nics": [{"mac": "02:08:20:00:00:0a", "interface": "net0"}]});
    assert_eq!(
        updated(
            vm.clone(),
            json!({"update_nics": [{"mac": "02:08:20:00:00:0a", "interface": "net4", "allowed_ips": [],
                                    "allowed_dhcp_cids": []}]})
        ),
        "remove net mac-addr=2:8:20:0:0:a\nadd net\nset physical=net4\nset mac-addr=2:8:20:0:0:a\n\
         add property (name=allowed_ips, value=\"\")\nend\n"
    );
    assert_eq!(
        updated(vm, json!({"remove_nics": ["02:08:20:00:00:0A"]})),
        "remove net mac-addr=2:8:20:0:0:a\n"
    );
}

#[test]
fn words_are_quoted_only_where_they_must() {
    let path = "/devices/pci@0,0/pci8086,2@1:passthru";
    let vm = json!({"brand": "bhyve"});
    let script = updated(vm, json!({"add_pci_devices": [{"path": path, "pci_slot": "0:6:0"}]}));
    assert!(script.contains(&format!("\nset match={path}\n")), "{script}");
    let empty = updated(json!({"brand": "joyent"}), json!({"fs_allowed": []}));
    assert_eq!(empty, "set fs-allowed=\"\"\n");
}

#[test]
fn cpu_caps_are_multiplied_as_in_javascript() {
    let cap = |cap: u64| updated(json!({"brand": "joyent"}), json!({"cpu_cap": cap}));
    assert_eq!(cap(100), "add capped-cpu; set ncpus=1; end\n");
    assert_eq!(cap(7), "add capped-cpu; set ncpus=0.07; end\n");
    assert_eq!(cap(255), "add capped-cpu; set ncpus=2.5500000000000003; end\n");
}

#[test]
fn docker_logs() {
    let mode = |metadata: Value| {
        let lines = created(
            json!({"brand": "lx", "uuid": "u", "docker": true, "internal_metadata": metadata}),
        );
        let set = lines.iter().find(|line| line.contains("\"zlog-mode\"")).unwrap().clone();
        (
            set.split("value=\"").nth(1).unwrap()[..3].to_owned(),
            lines.iter().any(|line| line.contains("\"app-svc")),
        )
    };
    assert_eq!(mode(json!({})), ("g--".to_owned(), false));
    assert_eq!(mode(json!({"docker:logdriver": "syslog"})), ("g-n".to_owned(), true));
    assert_eq!(
        mode(json!({"docker:logdriver": "none", "docker:tty": true})),
        ("-t-".to_owned(), false)
    );
}

#[test]
fn what_the_language_cannot_carry_is_refused_by_name() {
    let refused =
        |payload: Value| create_script(&object(payload), &new_zone()).unwrap_err().to_string();
    assert_eq!(
        refused(json!({"hostname": "a\"b"})),
        "hostname: zonecfg cannot store a double quote"
    );
    assert_eq!(
        refused(json!({"dns_domain": "a\nb"})),
        "dns_domain: zonecfg cannot store a line end"
    );
    assert_eq!(
        refused(json!({"nics": [{"nic_tag": "a\u{1}"}]})),
        "nics.*.nic_tag: zonecfg cannot store the control character U+0001"
    );
    let fine = created(
        json!({"alias": "a\"\n$(x)", "filesystems": [{"source": "/a b", "target": "/c;d"}]}),
    );
    assert!(fine.contains(&"set special=\"/a b\"".to_owned()));
    assert!(fine.contains(&"set dir=\"/c;d\"".to_owned()));
}

#[test]
fn filesystems_made_by_us_come_later() {
    let source = "c0000000-0000-4000-8000-000000000001";
    assert!(
        is_created_later(source) && is_created_later("https://x/y") && !is_created_later("/tmp")
    );
    let lines =
        created(json!({"filesystems": [{"source": source, "target": "/d", "type": "lofs"}]}));
    assert!(!lines.contains(&"add fs".to_owned()));
}

#[test]
fn macs() {
    assert_eq!(zonecfg_mac("02:08:20:AA:00:0b"), "2:8:20:AA:0:b");
    assert_eq!(plain_mac("2:8:20:aa:0:1"), "02:08:20:aa:00:01");
}
