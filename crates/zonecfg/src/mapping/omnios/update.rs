//! From what a zone is to what it shall be.

use std::fmt::Write as _;

use crate::model::{Attr, Rctl, Zone, key};

/// The script that brings the zone `old` to `new`, as far as attributes, resource controls, `autoboot` and `fs-allowed` go:
/// what else a VM has stays as it was made. Empty where nothing differs.
pub fn update_script(old: &Zone, new: &Zone) -> String {
    let mut out = String::new();
    for name in [key::AUTOBOOT, key::FS_ALLOWED] {
        match (old.get(name), new.get(name)) {
            (before, after) if before == after => {}
            (_, Some(value)) => drop(writeln!(out, "set {name}={value}")),
            (_, None) => drop(writeln!(out, "clear {name}")),
        }
    }
    attributes(&mut out, old, new);
    controls(&mut out, old, new);
    out
}

fn attributes(out: &mut String, old: &Zone, new: &Zone) {
    for attr in old.attrs().filter(|attr| new.attr(&attr.name).is_none()) {
        let _ = writeln!(out, "remove attr name={}", attr.name);
    }
    for Attr { name, value, .. } in new.attrs() {
        match old.attr(name) {
            Some(before) if before == value => {}
            Some(_) => {
                let _ = writeln!(out, "select attr name={name}; set value=\"{value}\"; end");
            }
            None => {
                let _ = writeln!(
                    out,
                    "add attr; set name={name}; set type=string; set value=\"{value}\"; end"
                );
            }
        }
    }
}

fn controls(out: &mut String, old: &Zone, new: &Zone) {
    for Rctl { name, .. } in old.rctls().filter(|rctl| !new.rctls().any(|other| other == *rctl)) {
        let _ = writeln!(out, "remove rctl name={name}");
    }
    for Rctl { name, values } in new.rctls().filter(|rctl| !old.rctls().any(|o| o == *rctl)) {
        let _ = write!(out, "add rctl; set name={name}; ");
        for value in values {
            let _ = write!(
                out,
                "add value (priv={},limit={},action={}); ",
                value.privilege, value.limit, value.action
            );
        }
        out.push_str("end\n");
    }
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
        assert_eq!(update_script(&old, &old), "");
        assert_eq!(
            update_script(&old, &new),
            "set autoboot=false\n\
             remove attr name=hostname\n\
             add attr; set name=dns-domain; set type=string; set value=\"local\"; end\n\
             select attr name=ram; set value=\"1024M\"; end\n\
             remove rctl name=zone.cpu-cap\n\
             add rctl; set name=zone.max-lwps; add value (priv=privileged,limit=9,action=deny); end\n"
        );
    }
}
