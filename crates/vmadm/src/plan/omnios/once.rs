//! Media and boot order of one start of a virtual machine.
//!
//! The brands read the zone's configuration at the moment when the zone boots, and write for themselves what they need
//! of it. So the configuration is another one for that moment.

use std::collections::BTreeSet;

use manifest::Brand;
use serde_json::{Value, json};
use zonecfg::mapping::omnios;
use zonecfg::model::Zone;

use super::{Place, elements};
use crate::plan::start::Extra;
use crate::plan::{Object, list, text};

/// The zonecfg script for the moment of this boot of the zone `real`; empty where it is like any other.
pub fn script(
    vm: &Object,
    brand: Brand,
    extra: &Extra,
    real: &Zone,
    place: &Place,
) -> Result<String, String> {
    if extra.boot.is_none() && extra.disks.is_empty() {
        return Ok(String::new());
    }
    if !brand.is_hvm() {
        return Err(format!("a zone of the brand {brand} has no boot order and no media"));
    }
    let mut before = vm.clone();
    omnios::name_parts(&mut before, real);
    place.resolve(&mut before);
    let mut after = before.clone();
    media(&mut after, brand, &extra.disks)?;
    order(&mut after, brand, extra)?;
    let zone = |vm: &Object| {
        omnios::zone(vm, text(vm, "zonepath")).map_err(|unmappable| unmappable.to_string())
    };
    Ok(omnios::update_script(real, &zone(&before)?, &zone(&after)?))
}

/// Puts the media of this start before those that the VM has, so that they are the first to be tried.
fn media(vm: &mut Object, brand: Brand, given: &[(String, String, String)]) -> Result<(), String> {
    let fixed = if brand == Brand::Bhyve { "ahci" } else { "ide" };
    let mut disks = list(vm, "disks").to_vec();
    let mut added: BTreeSet<&str> = BTreeSet::new();
    let mut at = 0;
    for (path, model, medium) in given {
        if !added.insert(path) {
            continue;
        }
        if medium == "cdrom" && model != fixed {
            return Err(format!("cdrom: on OmniOS cdroms of {brand} are of the model {fixed}"));
        }
        let own = disks.iter().position(|disk| disk["path"] == path.as_str());
        if medium == "cdrom" {
            let disk = own.map(|own| disks.remove(own));
            let new = || json!({"path": path, "model": model, "media": medium, "boot": false});
            disks.insert(at, disk.unwrap_or_else(new));
            at += 1;
        } else if own.is_none() {
            if !path.starts_with("/dev/") {
                return Err(format!("disk: {path} is no device of the global zone"));
            }
            disks.push(json!({"path": path, "model": model, "media": medium, "boot": false}));
        }
    }
    vm.insert("disks".to_owned(), disks.into());
    if at > 0 {
        // Their places are those of the order in which they stand now.
        for disk in elements(vm, "disks").filter(|disk| text(disk, "media") == "cdrom") {
            disk.shift_remove("pci_slot");
        }
    }
    Ok(())
}

/// The boot order, with qemu's letters. Without one media for this start come first: why else would they be there.
fn order(vm: &mut Object, brand: Brand, extra: &Extra) -> Result<(), String> {
    let given = extra.boot.as_deref().unwrap_or_default();
    let word = |key: &str| given.split(',').find_map(|word| word.strip_prefix(key));
    let has_cdrom = extra.disks.iter().any(|(.., medium)| medium == "cdrom");
    let (once, usual) = match (word("once="), word("order=")) {
        (None, None) if has_cdrom => ("d", None),
        (None, None) => return Ok(()),
        (once, usual) => (once.unwrap_or_default(), usual),
    };
    let usual = usual.or_else(|| text(vm, "boot").strip_prefix("order=")).unwrap_or("cd");
    let mut letters = String::new();
    for letter in once.chars().chain(usual.chars()) {
        if !"cdn".contains(letter) {
            return Err(format!(
                "Invalid boot order \"{given}\": OmniOS knows the letters c (disks), d (cdroms) and n (network)"
            ));
        }
        if !letters.contains(letter) {
            letters.push(letter);
        }
    }
    if brand == Brand::Bhyve && text(vm, "bootrom") != "uefi" {
        // Firmware without variables goes by PCI slots: the brand puts cdroms behind the disks only where the order
        // begins with the disk, and not with its own words for such an order.
        letters = match letters.chars().next() {
            Some('c') => "c".to_owned(),
            Some('d') => "dc".to_owned(),
            _ => {
                return Err(format!(
                    "Invalid boot order \"{given}\": with this firmware a VM boots from disks first (c) or from \
                     cdroms first (d)"
                ));
            }
        };
    }
    vm.insert("boot".to_owned(), format!("order={letters}").into());
    // The target of the next boot alone, which zadm(1) may have left, goes before every order.
    if let Some(attributes) = vm.get_mut("zone_attributes").and_then(Value::as_object_mut) {
        attributes.shift_remove("bootnext");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script_of(
        brand: Brand,
        vm: Value,
        boot: Option<&str>,
        disks: &[(&str, &str, &str)],
    ) -> Result<String, String> {
        let mut vm = vm.as_object().cloned().expect("an object");
        for (key, value) in [("uuid", "u"), ("zonename", "u"), ("zonepath", "/zones/u")] {
            vm.insert(key.to_owned(), value.into());
        }
        vm.insert("brand".to_owned(), brand.as_str().into());
        let real = omnios::zone(&vm, "/zones/u").expect("everything has a place");
        let disk = |(path, model, medium): &(&str, &str, &str)| {
            ((*path).to_owned(), (*model).to_owned(), (*medium).to_owned())
        };
        let extra = Extra {
            boot: boot.map(str::to_owned),
            disks: disks.iter().map(disk).collect(),
            ..Extra::default()
        };
        script(&vm, brand, &extra, &real, &Place::default())
    }

    fn vm() -> Value {
        json!({"bootrom": "uefi", "disks": [
            {"path": "/dev/zvol/rdsk/rpool/a", "boot": true, "model": "virtio", "pci_slot": "0:4:0"},
            {"path": "/a.iso", "media": "cdrom", "model": "ahci", "pci_slot": "0:3:0"},
        ]})
    }

    #[test]
    fn a_medium_of_one_start_is_tried_first() {
        let cdrom = [("/b.iso", "ahci", "cdrom")];
        let script = script_of(Brand::Bhyve, vm(), None, &cdrom).expect("it can be done");
        for line in [
            "set dir=\"/b.iso\"\n",
            "add attr; set name=bootorder; set type=string; set value=\"dc\"; end\n",
            "select attr name=cdrom0; set value=\"/b.iso\"; end\n",
            "add attr; set name=cdrom1; set type=string; set value=\"/a.iso\"; end\n",
        ] {
            assert!(script.contains(line), "{line} is not in\n{script}");
        }
        assert_eq!(script_of(Brand::Bhyve, vm(), None, &[]).as_deref(), Ok(""));
    }

    #[test]
    fn orders_are_those_that_the_firmware_can_follow() {
        let order = |bootrom: &str, boot: &str| {
            let mut vm = vm();
            vm["bootrom"] = bootrom.into();
            let script = script_of(Brand::Bhyve, vm, Some(boot), &[])?;
            Ok(script.split("value=\"").nth(1).map(|rest| rest[..rest.len() - 7].to_owned()))
        };
        for (bootrom, boot, attribute) in [
            ("uefi", "order=ncd", "net0,bootdisk,cdrom0"),
            ("uefi", "order=cd,once=d", "dc"),
            ("uefi", "once=n", "net0,bootdisk,cdrom0"),
            ("bios", "order=cd", "bootdisk"),
            ("bios", "once=d", "dc"),
        ] {
            assert_eq!(order(bootrom, boot), Ok(Some(attribute.to_owned())), "{bootrom} {boot}");
        }
        for (bootrom, boot) in [("uefi", "order=a"), ("bios", "order=nc"), ("bios", "once=x")] {
            let refused: Result<_, String> = order(bootrom, boot);
            assert!(refused.is_err_and(|why| why.starts_with("Invalid boot order")), "{boot}");
        }
    }

    #[test]
    fn what_cannot_be_attached_is_refused() {
        for (disk, why) in [
            (("/b.iso", "virtio", "cdrom"), "cdrom: on OmniOS cdroms of bhyve are of"),
            (("/b.img", "virtio", "disk"), "disk: /b.img is no device"),
        ] {
            let refused = script_of(Brand::Bhyve, vm(), None, &[disk]).expect_err("it is refused");
            assert!(refused.starts_with(why), "{refused}");
        }
        let zone = script_of(Brand::Lx, json!({}), Some("order=d"), &[]);
        assert!(zone.is_err_and(|why| why.contains("has no boot order")));
    }
}
