//! What an update changes on a zone that is running.

use gz::plan::Step;
use manifest::Brand;
use serde_json::Value;

use super::{Object, flag, text};

const MIB: u64 = 1 << 20;

fn is_running(vm: &Object) -> bool {
    text(vm, "state") == "running"
}

fn login(vm: &Object, command: &[&str]) -> Step {
    Step::Login {
        zone: text(vm, "zonename").to_owned(),
        command: super::words(command),
        // It comes to the same with the zone's next boot.
        required: false,
    }
}

/// The zone's metadata service applies resolvers, routes and the size of `/tmp` when it starts.
pub(super) fn restart_metadata(steps: &mut Vec<Step>, vm: &Object, payload: &Object, brand: Brand) {
    const SERVICE: &str = "svc:/smartdc/mdata:fetch";
    let resolvers = payload.contains_key("resolvers") && flag(vm, "maintain_resolvers");
    let others = ["maintain_resolvers", "set_routes", "remove_routes", "tmpfs"];
    let wanted = resolvers || others.iter().any(|key| payload.contains_key(*key));
    if wanted && is_running(vm) && brand.features().mdata_restart {
        steps.push(login(vm, &["/usr/sbin/svcadm", "disable", "-st", SERVICE]));
        steps.push(login(vm, &["/usr/sbin/svcadm", "enable", "-s", SERVICE]));
    }
}

/// Resource controls, in their order, and what their unit is in MiB or single things.
pub(super) fn resource_controls(
    steps: &mut Vec<Step>,
    vm: &Object,
    payload: &Object,
    brand: Brand,
) {
    const CONTROLS: [(&str, &str, u64); 11] = [
        ("cpu_shares", "zone.cpu-shares", 1),
        ("zfs_io_priority", "zone.zfs-io-priority", 1),
        ("max_lwps", "zone.max-lwps", 1),
        ("max_msg_ids", "zone.max-msg-ids", 1),
        ("max_physical_memory", "zone.max-physical-memory", MIB),
        ("max_shm_memory", "zone.max-shm-memory", MIB),
        ("max_sem_ids", "zone.max-sem-ids", 1),
        ("max_shm_ids", "zone.max-shm-ids", 1),
        ("max_locked_memory", "zone.max-locked-memory", MIB),
        ("max_swap", "zone.max-swap", MIB),
        ("cpu_cap", "zone.cpu-cap", 1),
    ];
    if !is_running(vm) || !brand.features().update_rctls {
        return;
    }
    for (property, name, unit) in CONTROLS {
        let amount = |of: &Object| {
            let value = of.get(property).and_then(Value::as_u64);
            value
                .filter(|value| property != "cpu_cap" || *value > 0)
                .map(|v| v.saturating_mul(unit))
        };
        let value = amount(payload);
        if !payload.contains_key(property) || (value.is_none() && property != "cpu_cap") {
            continue;
        }
        steps.push(Step::SetRctl {
            zone: text(vm, "zonename").to_owned(),
            name: name.to_owned(),
            value,
            before: amount(vm),
        });
    }
}

/// The password and port of the VNC server.
pub(super) fn display(steps: &mut Vec<Step>, vm: &Object, payload: &Object, brand: Brand) {
    let changed = |key: &str| payload.contains_key(key) && payload.get(key) != vm.get(key);
    let has_new_password = changed("vnc_password");
    if !brand.is_hvm() || !is_running(vm) || !(has_new_password || changed("vnc_port")) {
        return;
    }
    // qemu takes a password at any time, but no empty one; bhyve only when it starts.
    let password = Some(text(payload, "vnc_password"))
        .filter(|password| has_new_password && brand == Brand::Kvm && !password.is_empty());
    steps.push(Step::ReloadDisplay {
        uuid: text(vm, "uuid").to_owned(),
        zonepath: text(vm, "zonepath").to_owned(),
        password: password.map(str::to_owned),
    });
}

/// `/tmp` is resized last, when there is memory for it. Where it is none, it stays so until the next boot.
pub(super) fn resize_tmp(steps: &mut Vec<Step>, vm: &Object, payload: &Object) {
    let size = |of: &Object| of.get("tmpfs").and_then(Value::as_u64);
    match size(payload) {
        Some(mib @ 1..) if is_running(vm) && size(vm) != Some(0) => {
            let option = format!("remount,size={mib}m");
            steps.push(login(vm, &["/usr/sbin/mount", "-F", "tmpfs", "-o", &option, "/tmp"]));
        }
        _ => {}
    }
}

/// The zone's packet filter: its rules are written anew where what they go by has changed. A zone that does not run
/// finds them when it boots.
pub(super) fn firewall(steps: &mut Vec<Step>, vm: &Object, payload: &Object) {
    const RULES_GO_BY: [&str; 5] =
        ["add_nics", "remove_nics", "update_nics", "set_tags", "remove_tags"];
    let before = flag(vm, "firewall_enabled");
    let wanted = payload.get("firewall_enabled").map_or(before, |value| value == true);
    let other_rules = wanted && RULES_GO_BY.iter().any(|key| payload.contains_key(*key));
    if wanted != before || other_rules {
        steps.push(Step::SetFirewall { uuid: text(vm, "uuid").to_owned(), enabled: wanted });
    }
}
