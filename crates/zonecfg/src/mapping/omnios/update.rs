//! From what a zone is to what it shall be.

use std::fmt::Write as _;

use crate::export;
use crate::model::{Attr, Net, Resource, Zone, key};

/// The script that changes the zone `real` as `old` differs from `new`, both made of VM objects. What the zone has beside
/// what such zones have, written by other tools or by hand, stays. Empty where nothing differs.
pub fn update_script(real: &Zone, old: &Zone, new: &Zone) -> String {
    let mut out = String::new();
    for name in [key::AUTOBOOT, key::FS_ALLOWED, key::LIMITPRIV] {
        match (old.get(name), new.get(name)) {
            (before, after) if before == after => {}
            (_, Some(value)) => drop(writeln!(out, "set {name}=\"{value}\"")),
            (_, None) => drop(writeln!(out, "clear {name}")),
        }
    }
    resources(&mut out, real, old, new);
    nets(&mut out, real, old, new);
    attributes(&mut out, real, old, new);
    out
}

/// What tells a resource from the others of its kind, as zonecfg's `remove` takes it; `None` for what is changed in ways
/// of its own.
fn selector(resource: &Resource) -> Option<String> {
    match resource {
        Resource::Fs(fs) => Some(format!("fs dir=\"{}\"", fs.dir)),
        Resource::Device(device) => Some(format!("device match=\"{}\"", device.matches)),
        Resource::Dataset(dataset) => Some(format!("dataset name=\"{}\"", dataset.name)),
        Resource::Rctl(rctl) => Some(format!("rctl name={}", rctl.name)),
        _ => None,
    }
}

/// Filesystems, devices, datasets and resource controls.
fn resources(out: &mut String, real: &Zone, old: &Zone, new: &Zone) {
    let differs = |resource: &&Resource, from: &Zone| !from.resources().any(|r| r == *resource);
    let has = |zone: &Zone, name: &str| {
        zone.resources().any(|resource| selector(resource).as_deref() == Some(name))
    };
    let selected = |zone: &'_ Zone, other: &Zone| -> Vec<(String, Resource)> {
        zone.resources()
            .filter(|resource| differs(resource, other))
            .filter_map(|resource| Some((selector(resource)?, resource.clone())))
            .collect()
    };
    let added = selected(new, old);
    for (name, _) in selected(old, new).iter().filter(|(name, _)| has(real, name)) {
        let _ = writeln!(out, "remove {name}");
    }
    let kept = |name: &str| has(real, name) && !has(old, name);
    for (_, resource) in added.iter().filter(|(name, _)| !kept(name)) {
        out.push_str(&export::resource(resource));
    }
}

/// Interfaces stand in the order of the guest's devices, so that they are written anew where any differs.
fn nets(out: &mut String, real: &Zone, old: &Zone, new: &Zone) {
    if old.nets().eq(new.nets()) {
        return;
    }
    if real.nets().next().is_some() {
        out.push_str("remove -F net\n");
    }
    for net in new.nets() {
        let mut net = net.clone();
        let same = |other: &&Net| other.physical == net.physical;
        let ours = old.nets().find(same);
        // Of the links that stay, what other tools have given them stays too.
        let makes_link = net.mac_addr.is_some() || net.global_nic.is_some();
        if let Some(before) = real.nets().find(same).filter(|_| makes_link) {
            let foreign = before.properties.iter().filter(|property| {
                ours.is_none_or(|ours| ours.property(&property.name).is_none())
                    && net.property(&property.name).is_none()
            });
            let foreign: Vec<_> = foreign.cloned().collect();
            net.properties.extend(foreign);
        }
        out.push_str(&export::resource(&net.into()));
    }
}

fn attributes(out: &mut String, real: &Zone, old: &Zone, new: &Zone) {
    for attr in old.attrs().filter(|attr| new.attr(&attr.name).is_none()) {
        for name in names_in(real, attr) {
            let _ = writeln!(out, "remove attr name={name}");
        }
    }
    for Attr { name, value, .. } in new.attrs() {
        let before = old.attrs().find(|attr| attr.name == *name);
        if before.is_some_and(|before| before.value == *value) {
            continue;
        }
        let names = before.map(|before| names_in(real, before)).unwrap_or_default();
        let value = match (before, names.first().and_then(|name| real.attr(name))) {
            (Some(before), Some(now)) if is_option_list(name) => merged(now, &before.value, value),
            _ => value.clone(),
        };
        // Several of a kind stand for one property: the first takes the value.
        for name in names.iter().skip(1) {
            let _ = writeln!(out, "remove attr name={name}");
        }
        let command = match names.first() {
            Some(name) => format!("select attr name={name}; set value=\"{value}\"; end"),
            None if real.attr(name).is_some() => {
                format!("select attr name={name}; set value=\"{value}\"; end")
            }
            None => {
                format!("add attr; set name={name}; set type=string; set value=\"{value}\"; end")
            }
        };
        let _ = writeln!(out, "{command}");
    }
}

/// What an attribute is called in the real zone: as it is called here, without its number, or, of further options, with
/// any.
fn names_in(real: &Zone, attr: &Attr) -> Vec<String> {
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if attr.name == "extra" {
        let all = real.attrs().filter(|a| a.name.strip_prefix("extra").is_some_and(is_number));
        return all.map(|attr| attr.name.clone()).collect();
    }
    let plain = attr.name.trim_end_matches(|c: char| c.is_ascii_digit());
    let target = |value: &str| value.trim().split(',').next().unwrap_or_default().to_owned();
    let is_plain = real.attr(plain).is_some_and(|value| target(value) == target(&attr.value));
    if real.attr(&attr.name).is_some() {
        vec![attr.name.clone()]
    } else if is_plain {
        vec![plain.to_owned()]
    } else {
        Vec::new()
    }
}

/// Whether an attribute's value is a list of options, which may have some that no property stands for.
fn is_option_list(name: &str) -> bool {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(plain, "bootdisk" | "disk" | "vnc")
}

/// The list `new` with those options of `now` that `old` does not account for.
fn merged(now: &str, old: &str, new: &str) -> String {
    let known: Vec<&str> = old.split(',').collect();
    let foreign = now
        .split(',')
        .map(str::trim)
        .skip(1)
        .filter(|option| !known.contains(option) && !new.split(',').any(|n| n == *option));
    std::iter::once(new).chain(foreign).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mapping::omnios::{Object, zone};

    fn of(vm: serde_json::Value) -> Zone {
        let vm: Object = vm.as_object().cloned().expect("an object");
        zone(&vm, "/zones/z").expect("everything has a place")
    }

    #[test]
    fn what_differs_is_changed() {
        let old = of(json!({
            "uuid": "z", "brand": "bhyve", "ram": 512, "hostname": "a", "cpu_cap": 100, "autoboot": true
        }));
        let new = of(json!({
            "uuid": "z", "brand": "bhyve", "ram": 1024, "dns_domain": "local", "max_lwps": 9, "autoboot": false
        }));
        assert_eq!(update_script(&old, &old, &old), "");
        assert_eq!(
            update_script(&old, &old, &new),
            "set autoboot=\"false\"\n\
             remove rctl name=zone.cpu-cap\n\
             add rctl\nset name=\"zone.max-lwps\"\nadd value (priv=privileged,limit=9,action=deny)\nend\n\
             remove attr name=hostname\n\
             add attr; set name=dns-domain; set type=string; set value=\"local\"; end\n\
             select attr name=ram; set value=\"1024M\"; end\n"
        );
    }

    #[test]
    fn what_others_wrote_stays() {
        let vm = |disk: &str, password: &str, mac: &str| {
            of(json!({
                "uuid": "z", "brand": "bhyve", "ram": 1024, "vnc_password": password,
                "disks": [{"path": "/dev/zvol/rdsk/rpool/z/data", "notrim": disk == "notrim"}],
                "nics": [{"vnic": "web0", "mac": mac, "nic_tag": "igb0"}],
            }))
        };
        let (old, new) = (vm("", "a", "2:8:20:0:0:1"), vm("notrim", "b", "2:8:20:0:0:2"));
        let mut real = Zone::new("z", "bhyve");
        for (name, value) in
            [("ram", "1G"), ("vnc", "on,w=1200,password=a"), ("disk", "rpool/z/data,nocache")]
        {
            real.add(Attr { name: name.into(), attr_type: "string".into(), value: value.into() });
        }
        real.add(Net {
            physical: "web0".into(),
            properties: vec![crate::model::Property { name: "vqsize".into(), value: "512".into() }],
            ..Net::default()
        });
        let script = update_script(&real, &old, &new);
        for line in [
            "remove -F net\nadd net\nset physical=\"web0\"\nset mac-addr=\"2:8:20:0:0:2\"\n\
             set global-nic=\"igb0\"\nadd property (name=vqsize,value=\"512\")\nend\n",
            "select attr name=vnc; set value=\"on,password=b,w=1200\"; end\n",
            "select attr name=disk; set value=\"rpool/z/data,nodelete,nocache\"; end\n",
        ] {
            assert!(script.contains(line), "{line} is not in\n{script}");
        }
        assert!(!script.contains("name=ram"), "{script}");
    }
}
