//! Plans and steps as text: what `--dry-run` prints, a command an operator could type where there is one.

use std::fmt;

use super::step::{Properties, Step};
use super::{OnFailure, Plan};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let otherwise = match self.on_failure {
            OnFailure::Undo => "undone if a step fails",
            OnFailure::Finish => "finished later if cut off",
            OnFailure::Keep => "left as it is if a step fails",
        };
        write!(f, "{} {}: {} steps, {otherwise}", self.command, self.uuid, self.steps.len())?;
        match self.no_return {
            Some(first) => {
                let when = if self.only_if_cut_off { " if cut off" } else { "" };
                writeln!(f, ", from step {} on finished later{when}", first + 1)?;
            }
            None => writeln!(f)?,
        }
        for (index, step) in self.steps.iter().enumerate() {
            let text = step.to_string();
            let mut lines = text.lines();
            writeln!(f, "{:3}. {}", index + 1, lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "     {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Step as S;
        match self {
            S::CreateFilesystem { dataset, properties } => {
                write!(f, "zfs create{} {dataset}", options(properties))
            }
            S::CreateVolume { dataset, size_mib, properties } => {
                write!(f, "zfs create{} -V {size_mib}M {dataset}", options(properties))
            }
            S::CloneDataset { snapshot, dataset, force, properties } => {
                let force = if *force { " -F" } else { "" };
                write!(f, "zfs clone{force}{} {snapshot} {dataset}", options(properties))
            }
            S::DestroyDataset { dataset, force } => {
                write!(f, "zfs destroy -r{} {dataset}", if *force { "F" } else { "" })
            }
            S::DestroyVolume { dataset } => write!(f, "zfs destroy -rF {dataset}"),
            S::RenameDataset { from, to } => write!(f, "zfs rename -f {from} {to}"),
            S::CreateSnapshots { snapshots } => write!(f, "zfs snapshot {}", snapshots.join(" ")),
            S::DestroySnapshot { snapshot } => write!(f, "zfs destroy {snapshot}"),
            S::DestroySnapshots { snapshot } => write!(f, "zfs destroy -r {snapshot}"),
            S::DestroySending { snapshot } => write!(f, "zfs destroy -r -F {snapshot}"),
            S::Rollback { snapshot } => write!(f, "zfs rollback -r {snapshot}"),
            S::UnmountDataset { dataset } => write!(f, "zfs umount {dataset}"),
            S::MountDataset { dataset } => write!(f, "zfs mount {dataset}"),
            S::BrandScript { brand, arguments } => {
                write!(f, "{} {}", super::brand_script(brand), arguments.join(" "))
            }
            S::Receive { into, resumable, .. } => {
                write!(f, "zfs receive{} -F {into}", if *resumable { " -s" } else { "" })
            }
            S::Detach { uuid } => write!(f, "zoneadm -u {uuid} detach"),
            S::Attach { uuid, .. } => write!(f, "zoneadm -u {uuid} attach"),
            S::MountCheckpoint { zonepath, name } => write!(
                f,
                "mount -F lofs -o ro,setuid,nodevices {zonepath}/.zfs/snapshot/vmsnap-{name}/root \
                 {zonepath}/root/checkpoints/{name}"
            ),
            S::UnmountCheckpoint { zonepath, name } => {
                write!(f, "umount {zonepath}/root/checkpoints/{name}")
            }
            S::Touch { path } => write!(f, "touch {path}"),
            S::Hold { tag, snapshot } => write!(f, "zfs hold {tag} {snapshot}"),
            S::ReleaseHolds { snapshot } => write!(f, "zfs release (every hold of) {snapshot}"),
            S::SetProperties { dataset, properties } => {
                write!(f, "zfs set{} {dataset}", pairs(properties))
            }
            S::ReserveBhyveSpace { dataset, quota_gib, flexible_mib, .. } => {
                write!(
                    f,
                    "reserve space for {dataset} and its volumes: {quota_gib} GiB for the zone"
                )?;
                match flexible_mib {
                    Some(mib) => write!(f, ", {mib} MiB for volumes and snapshots"),
                    None => Ok(()),
                }
            }
            S::AdjustSpace { dataset, delta } => {
                write!(f, "zfs set quota, reservation ({delta:+} bytes) {dataset}")
            }
            S::RaiseQuota { dataset, bytes } => {
                write!(f, "zfs set quota (+{bytes} bytes) {dataset}")
            }
            S::SettleQuota { dataset } => write!(f, "zfs set quota (to the reservation) {dataset}"),
            S::ConfigureZone { zone, script, .. } => {
                script_for(f, &format!("zonecfg -z {zone}"), script)
            }
            S::ChangeZone { uuid, script } => script_for(f, &format!("zonecfg -u {uuid}"), script),
            S::DeleteZone { uuid } => write!(f, "zonecfg -u {uuid} delete -F"),
            S::Install { zone, quota_gib, image, no_dataset, .. } => {
                write!(f, "zoneadm -z {zone} install -q {quota_gib}")?;
                if let Some(image) = image {
                    write!(f, " -t {image}")?;
                }
                if *no_dataset {
                    write!(f, " -x nodataset")?;
                }
                Ok(())
            }
            S::Uninstall { uuid } => write!(f, "zoneadm -u {uuid} uninstall -F"),
            S::Boot { uuid } => write!(f, "zoneadm -u {uuid} boot -X"),
            S::BootOnce { uuid, script } => {
                write!(f, "zoneadm -u {uuid} boot -X, configured for this boot only by")?;
                script.lines().try_for_each(|line| write!(f, "\n< {line}"))
            }
            S::Zoneadm { zone, arguments } => {
                write!(f, "zoneadm -z {zone} {}", arguments.join(" "))
            }
            S::Halt { uuid } => write!(f, "zoneadm -u {uuid} halt -X"),
            S::Reset { uuid } => write!(f, "zoneadm -u {uuid} reboot -X"),
            S::Login { zone, command, .. } => write!(f, "zlogin {zone} {}", command.join(" ")),
            S::ShutDown { uuid, zone, command, seconds } => {
                write!(f, "zlogin {zone} {}; after {seconds} s halt {uuid}", command.join(" "))
            }
            S::AwaitDown { uuid, seconds } => {
                write!(f, "wait up to {seconds} s until {uuid} is down, then halt it")
            }
            S::RebootFromWithin { uuid, zone, command, seconds, .. } => {
                let command = command.join(" ");
                write!(f, "zlogin {zone} {command}; up to {seconds} s until {uuid} runs again")
            }
            S::TerminateInit { uuid, pid, seconds, kill } => {
                let then = if *kill { "kill it" } else { "halt the zone" };
                write!(f, "kill -TERM {pid} (init of {uuid}); after {seconds} s {then}")
            }
            S::PowerDown { uuid, seconds, .. } => {
                write!(f, "power down {uuid}; after {seconds} s halt the zone")
            }
            S::AwaitProvisioned { uuid, .. } => write!(f, "wait until {uuid} is provisioned"),
            S::FreshDirectory { path, mode } => write!(f, "empty directory {path} (mode {mode:o})"),
            S::WriteFile { path, text, mode } => {
                write!(f, "write {path} ({} bytes, mode {mode:o})", text.len())
            }
            S::RemoveFile { path } => write!(f, "remove {path}"),
            S::WriteZoneFile { file, text, mode } => {
                write!(f, "write {}{} ({} bytes, mode {mode:o})", file.root, file.path, text.len())
            }
            S::WriteSeed { volume, files } => {
                let names: Vec<&str> = files.keys().map(String::as_str).collect();
                write!(f, "fill {volume} with cloud-init's {}", names.join(", "))
            }
            S::PrependZoneFile { root, paths, .. } => {
                write!(f, "prepend a note to the first of {} in {root}", paths.join(", "))
            }
            S::ReplaceZoneLines { file, remove, add } => {
                write!(f, "edit {}{}", file.root, file.path)?;
                remove.iter().try_for_each(|line| write!(f, "\n- {line}"))?;
                add.iter().try_for_each(|line| write!(f, "\n+ {line}"))
            }
            S::TouchZoneFile { file, .. } => write!(f, "touch {}{}", file.root, file.path),
            S::RemoveZoneFiles { root, paths } => write!(f, "remove {} in {root}", paths.join(" ")),
            S::SetServiceProperty { root, service, property, value } => {
                write!(f, "svccfg -s {service} setprop {property} = {value} (in {root})")
            }
            S::CopyZoneDirectory { root, directory, to } => {
                write!(f, "copy {root}{directory}/ to {to}")
            }
            S::CopyTree { from, to } => write!(f, "copy {from} to {to}"),
            S::DumpProperties { dataset, to } => write!(f, "zfs get -r all {dataset} > {to}"),
            S::SetRctl { zone, name, value: Some(value), .. } => {
                write!(f, "prctl -n {name} -v {value} -t privileged -r -i zone {zone}")
            }
            S::SetRctl { zone, name, value: None, .. } => {
                write!(f, "prctl -n {name} -x -t privileged -i zone {zone}")
            }
            S::ReloadDisplay { uuid, .. } => write!(f, "reload the VNC server of {uuid}"),
            S::SetFirewall { uuid, enabled } => {
                write!(f, "fwadm {} {uuid}", if *enabled { "start" } else { "stop" })
            }
            S::UpdateFirewalls { uuid } => {
                write!(f, "fwadm update, rules that go by {uuid}")
            }
            S::WhenUndone { then } => write!(f, "where this is undone, at last: {then}"),
            S::SetLinkProperty { zone, link, property, value, .. } if value.is_empty() => {
                write!(f, "dladm reset-linkprop -t -z {zone} -p {property} {link}")
            }
            S::SetLinkProperty { zone, link, property, value, .. } => {
                write!(f, "dladm set-linkprop -t -z {zone} -p {property}={value} {link}")
            }
        }
    }
}

fn options(properties: &Properties) -> String {
    each(properties, " -o ")
}

fn pairs(properties: &Properties) -> String {
    each(properties, " ")
}

fn each(properties: &Properties, before: &str) -> String {
    properties.iter().fold(String::new(), |text, (name, value)| text + before + name + "=" + value)
}

/// A one-line script stands on the command line, a longer one below it.
fn script_for(f: &mut fmt::Formatter<'_>, command: &str, script: &str) -> fmt::Result {
    let script = script.trim_end();
    if script.is_empty() || script.contains('\n') {
        write!(f, "{command}")?;
        return script.lines().try_for_each(|line| write!(f, "\n< {line}"));
    }
    write!(f, "{command} '{script}'")
}
