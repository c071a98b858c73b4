//! The plan of `vmadm delete`.

use gz::plan::{OnFailure, Plan, Step};
use serde_json::Value;

use super::create::change;
use super::{Object, flag, objects, start, text};

/// Plans the deletion of a VM. Nothing but its own datasets goes: those below its zonepath, and its disks' volumes. What
/// was delegated to it from elsewhere stays. Until something of it goes the plan can be undone. Where the rest fails the
/// operator is told so, and nobody but the operator goes on with it.
pub fn plan(vm: &Object) -> Result<Plan, String> {
    for property in ["indestructible_zoneroot", "indestructible_delegated"] {
        if flag(vm, property) {
            return Err(format!("{property} is set, cannot delete"));
        }
    }
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("delete", uuid, OnFailure::Undo);
    // What is half gone must not come up when the system does.
    plan.steps.push(change(uuid, "set autoboot=false"));
    let installed = !matches!(text(vm, "zone_state"), "configured" | "");
    if installed {
        plan.steps.push(Step::Halt { uuid: uuid.to_owned() });
        start::again_when_undone(&mut plan.steps, vm);
    }
    if flag(vm, "archive_on_delete") {
        archive(&mut plan.steps, vm);
    }
    plan.no_return_unless_it_fails();
    if installed {
        plan.steps.push(Step::Uninstall { uuid: uuid.to_owned() });
    }
    for disk in objects(vm, "disks") {
        let own = text(disk, "zfs_filesystem");
        if !own.is_empty() && disk.get("missing") != Some(&Value::Bool(true)) {
            plan.steps.push(Step::DestroyVolume { dataset: own.to_owned() });
        }
    }
    let dataset = text(vm, "zfs_filesystem");
    let own = dataset.rsplit_once('/').is_some_and(|(_, name)| name == text(vm, "zonename"));
    if !installed && own {
        // A bhyve VM's is there before its zone is installed, as is that of a VM whose receive was cut off, and goes with
        // no uninstallation.
        plan.steps.push(Step::DestroyDataset { dataset: dataset.to_owned(), force: true });
    }
    plan.steps.push(Step::DeleteZone { uuid: uuid.to_owned() });
    Ok(plan)
}

/// Keeps the VM's configuration and logs below `/zones/archive`.
fn archive(steps: &mut Vec<Step>, vm: &Object) {
    let zonepath = text(vm, "zonepath");
    let directory = format!("/zones/archive/{}", text(vm, "uuid"));
    let logs: &[(&str, &str)] = if text(vm, "brand") == "kvm" {
        &[("root/tmp", "vmlogs"), ("root/startvm", "startvm")]
    } else if flag(vm, "docker") {
        &[("root/var/log/sdc-dockerinit.log", "dockerinit/sdc-dockerinit.log"), ("logs", "docker")]
    } else if text(vm, "brand") == "lx" {
        &[("root/var/log/triton.log", "logs/triton.log")]
    } else {
        &[("root/var/svc/log", "svclogs"), ("root/var/adm/messages", "admmsgs/messages")]
    };
    steps.push(Step::FreshDirectory { path: directory.clone(), mode: 0o755 });
    steps.push(Step::WriteFile {
        path: format!("{directory}/vm.json"),
        text: manifest::json::pretty(vm) + "\n",
        mode: 0o644,
    });
    let dataset = text(vm, "zfs_filesystem");
    if !dataset.is_empty() {
        let to = format!("{directory}/zfs.dump");
        steps.push(Step::DumpProperties { dataset: dataset.to_owned(), to });
    }
    let mut copy = |from: String, to: &str| {
        steps.push(Step::CopyTree { from, to: format!("{directory}/{to}") });
    };
    copy(format!("/etc/zones/{}.xml", text(vm, "zonename")), "zone.xml");
    for part in ["config", "cores"] {
        copy(format!("{zonepath}/{part}"), part);
    }
    copy(format!("{zonepath}/logs/platform.log"), "platform/platform.log");
    for (from, to) in logs {
        copy(format!("{zonepath}/{from}"), to);
    }
}

/// The other VMs that mount filesystems which live below this one's zonepath.
pub fn sharing<'a>(vm: &Object, others: impl IntoIterator<Item = &'a Object>) -> Vec<String> {
    let volumes = format!("{}/volumes/", text(vm, "zonepath"));
    let own: Vec<&str> = objects(vm, "filesystems")
        .map(|filesystem| text(filesystem, "source"))
        .filter(|source| source.starts_with(&volumes))
        .collect();
    others
        .into_iter()
        .filter(|other| text(other, "uuid") != text(vm, "uuid"))
        .filter(|other| objects(other, "filesystems").any(|fs| own.contains(&text(fs, "source"))))
        .map(|other| text(other, "uuid").to_owned())
        .collect()
}
