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
    steps.extend(reloaded_display(vm, payload, payload, brand));
}

/// Loads the VNC server's settings of `to`, an object that they are in now, where `payload` changes those of `vm`.
fn reloaded_display(vm: &Object, to: &Object, payload: &Object, brand: Brand) -> Option<Step> {
    let changed = |key: &str| payload.contains_key(key) && payload.get(key) != vm.get(key);
    let has_new_password = changed("vnc_password");
    if !brand.is_hvm() || !is_running(vm) || !(has_new_password || changed("vnc_port")) {
        return None;
    }
    // qemu takes a password at any time, but no empty one; bhyve only when it starts.
    let password = Some(text(to, "vnc_password"))
        .filter(|password| has_new_password && brand == Brand::Kvm && !password.is_empty());
    Some(Step::ReloadDisplay {
        uuid: text(vm, "uuid").to_owned(),
        zonepath: text(vm, "zonepath").to_owned(),
        password: password.map(str::to_owned),
    })
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

/// The packet filters: rules are worked out anew where what they go by has changed, those of other VMs too where one
/// has its firewall enabled (`others`). A zone that does not run finds its rules when it boots.
pub(super) fn firewall(steps: &mut Vec<Step>, vm: &Object, payload: &Object, others: bool) {
    let (before, wanted) = firewall_enabled(vm, payload);
    let uuid = text(vm, "uuid").to_owned();
    if (wanted || others) && changes_what_rules_go_by(payload) {
        steps.push(Step::UpdateFirewalls { uuid: uuid.clone() });
    }
    if wanted != before {
        steps.push(Step::SetFirewall { uuid, enabled: wanted });
    }
}

/// Whether an update changes what rules of firewalls go by: addresses and tags.
pub fn changes_what_rules_go_by(payload: &Object) -> bool {
    const RULES_GO_BY: [&str; 5] =
        ["add_nics", "remove_nics", "update_nics", "set_tags", "remove_tags"];
    RULES_GO_BY.iter().any(|key| payload.contains_key(*key))
}

/// Whether the VM's firewall is enabled, before the update and after it.
fn firewall_enabled(vm: &Object, payload: &Object) -> (bool, bool) {
    let before = flag(vm, "firewall_enabled");
    (before, payload.get("firewall_enabled").map_or(before, |value| value == true))
}

/// What sees the VM's configuration and has taken over that of an update: it looks again when that has been undone.
/// These steps stand before all that change the configuration.
pub(super) fn once_undone(vm: &Object, payload: &Object, brand: Brand, others: bool) -> Vec<Step> {
    let (before, wanted) = firewall_enabled(vm, payload);
    let uuid = || text(vm, "uuid").to_owned();
    let firewalls = (before || others) && changes_what_rules_go_by(payload);
    [
        reloaded_display(vm, vm, payload, brand),
        firewalls.then(|| Step::UpdateFirewalls { uuid: uuid() }),
        (wanted != before).then(|| Step::SetFirewall { uuid: uuid(), enabled: before }),
    ]
    .into_iter()
    .flatten()
    .map(|then| Step::WhenUndone { then: Box::new(then) })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_update_that_is_undone_leaves_the_display_as_it_was() {
        let vm = object(json!({"uuid": "u", "state": "running", "zonepath": "/zones/u",
            "vnc_password": "old"}));
        let payload = object(json!({"vnc_password": "new"}));
        let reload = |password: &str| Step::ReloadDisplay {
            uuid: "u".into(),
            zonepath: "/zones/u".into(),
            password: Some(password.into()),
        };
        let mut steps = Vec::new();
        display(&mut steps, &vm, &payload, Brand::Kvm);
        assert_eq!(steps, [reload("new")]);
        let then = Box::new(reload("old"));
        assert_eq!(once_undone(&vm, &payload, Brand::Kvm, false), [Step::WhenUndone { then }]);
        assert_eq!(once_undone(&vm, &object(json!({"alias": "b"})), Brand::Kvm, true), []);
        assert_eq!(once_undone(&vm, &vm.clone(), Brand::Kvm, true), []);
    }

    #[test]
    fn firewalls_are_told_where_one_is_enabled() {
        let vm = |enabled: bool| object(json!({"uuid": "u", "firewall_enabled": enabled}));
        let tags = object(json!({"set_tags": {"a": 1}}));
        for (own, others, told) in [(false, false, false), (true, false, true), (false, true, true)]
        {
            let mut steps = Vec::new();
            firewall(&mut steps, &vm(own), &tags, others);
            assert_eq!(!steps.is_empty(), told, "{own} {others}");
            assert_eq!(once_undone(&vm(own), &tags, Brand::Joyent, others).len(), steps.len());
        }
        let mut steps = Vec::new();
        let off = object(json!({"firewall_enabled": false}));
        firewall(&mut steps, &vm(true), &off, true);
        assert_eq!(steps, [Step::SetFirewall { uuid: "u".into(), enabled: false }]);
        let then = Box::new(Step::SetFirewall { uuid: "u".into(), enabled: true });
        assert_eq!(once_undone(&vm(true), &off, Brand::Joyent, true), [Step::WhenUndone { then }]);
    }
}
