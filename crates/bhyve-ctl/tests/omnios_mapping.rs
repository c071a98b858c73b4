//! A manifest becomes a zone that OmniOS's bhyve brand starts.

use bhyve_ctl::omnios::bhyve::{Host, boot};
use bhyve_ctl::zone::HvmZone;
use serde_json::json;
use zonecfg::mapping::omnios;
use zonecfg::xml;

#[test]
fn a_manifest_gives_the_machine_it_describes() {
    let payload = json!({
        "uuid": "564d1234-0000-4000-8000-00000000abcd",
        "zonename": "web",
        "brand": "bhyve",
        "ram": 2048,
        "vcpus": 4,
        "bootrom": "uefi",
        "vnc_password": "secret",
        "disks": [
            {"path": "/dev/zvol/rdsk/tank/vm/disk0", "boot": true, "model": "virtio"},
            {"path": "/dev/zvol/rdsk/tank/vm/disk1", "model": "nvme", "guest_block_size": "4096"},
            {"path": "/images/a.iso", "model": "ahci", "media": "cdrom"},
        ],
        "nics": [{"interface": "net0", "mac": "02:08:20:aa:00:05", "nic_tag": "igb0", "model": "virtio",
                  "ips": ["192.0.2.5/24"], "primary": true}],
        "customer_metadata": {"root_authorized_keys": "ssh-ed25519 AAAA op\n"},
    });
    let payload = payload.as_object().expect("it is an object");
    let zone = omnios::zone(payload, "/zones/web").expect("everything has a place");
    let zone = HvmZone::from_xml(&xml::write(&zone)).expect("well formed");
    let host = Host { uuid: "", exists: &|_| true };
    let boot = boot(&zone, host).expect("the brand takes it");
    let argv = boot.argv.join(" ");
    for part in [
        "-U 564d1234-0000-4000-8000-00000000abcd",
        "-c 4 -m 2048M -l bootrom,/usr/share/bhyve/firmware/BHYVE_RELEASE.fd,/etc/uefivars",
        "-s 29:0,ahci-cd,/cloud-init.iso,ro,ser=CLOUD-INIT-0",
        "-s 3:0,ahci-cd,/images/a.iso,ro",
        "-s 4:0,virtio-blk,/dev/zvol/rdsk/tank/vm/disk0",
        "-s 5:0,nvme,/dev/zvol/rdsk/tank/vm/disk1,sectorsize=4096",
        "-s 6:0,virtio-net-viona,v564d1234n0 ",
        "-s 30:0,fbuf,vga=off,unix=/tmp/vm.vnc -s 30:1,xhci,tablet",
    ] {
        assert!(argv.contains(part), "{part} is not in {argv}");
    }
    assert!(!argv.contains("secret"));
    assert_eq!(boot.vnc_password.as_deref(), Some("secret"));
    assert_eq!(boot.seed.as_deref(), Some("on"));
}
