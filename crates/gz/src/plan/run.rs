//! Doing a step.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::checkpoint;
use super::step::{Properties, Step};
use crate::bundle::{self, Next};
use crate::files;
use crate::interrupt;
use crate::root::Root;
use crate::tool::{Error, Result, Tool};
use crate::zone_files::ZoneRoot;
use crate::{power, seed, shutdown, vmadmd, zfs, zoneadm, zonecfg};

impl Step {
    /// Does it.
    pub fn run(&self, root: &Root) -> Result<()> {
        match self {
            Self::CreateFilesystem { dataset, properties } => {
                done(options(zfs::tool(root).arg("create"), properties).arg(dataset))
            }
            Self::CreateVolume { dataset, size_mib, properties } => {
                let tool = options(zfs::tool(root).arg("create"), properties);
                done(tool.arg("-V").arg(format!("{size_mib}M")).arg(dataset))
            }
            Self::CloneDataset { snapshot, dataset, force, properties } => {
                let tool = options(zfs::clone(root, *force), properties);
                done(tool.args([snapshot, dataset]))
            }
            Self::DestroyDataset { dataset, force } => {
                gone_is_fine(zfs::destroy_dataset(root, dataset, *force))
            }
            Self::DestroyVolume { dataset } => destroy_volume(root, dataset),
            Self::RenameDataset { from, to } => match zfs::rename_by_force(root, from, to) {
                // Undone twice: it has its old name already.
                Err(error) if is_gone(&error) && zfs::exists(root, to)? => Ok(()),
                other => other,
            },
            Self::CreateSnapshots { snapshots } => {
                done(zfs::tool(root).arg("snapshot").args(snapshots))
            }
            Self::DestroySnapshot { snapshot } => gone_is_fine(zfs::destroy(root, &[], snapshot)),
            Self::DestroySnapshots { snapshot } => {
                gone_is_fine(zfs::destroy(root, &["-r"], snapshot))
            }
            Self::DestroySending { snapshot } => {
                gone_is_fine(zfs::destroy(root, &["-r", "-F"], snapshot))
            }
            Self::Rollback { snapshot } => done(zfs::tool(root).args(["rollback", "-r", snapshot])),
            Self::UnmountDataset { dataset } => {
                fine(done(zfs::tool(root).args(["umount", dataset])), "not currently mounted")
            }
            Self::MountDataset { dataset } => {
                fine(done(zfs::tool(root).args(["mount", dataset])), "already mounted")
            }
            Self::BrandScript { brand, arguments } => {
                done(root.tool(super::brand_script(brand)).args(arguments))
            }
            Self::Receive { chunk, into, resumable, .. } => receive(root, chunk, into, *resumable),
            Self::Detach { uuid } => zoneadm::detach(root, uuid),
            Self::Attach { uuid, .. } => zoneadm::attach(root, uuid),
            Self::MountCheckpoint { zonepath, name } => checkpoint::mount(root, zonepath, name),
            Self::UnmountCheckpoint { zonepath, name } => checkpoint::unmount(root, zonepath, name),
            Self::Touch { path } => files::touch(&root.path(path)),
            Self::Hold { tag, snapshot } => done(zfs::tool(root).args(["hold", tag, snapshot])),
            Self::ReleaseHolds { snapshot } => release_holds(root, snapshot),
            Self::SetProperties { dataset, properties } => {
                if properties.is_empty() {
                    return Ok(());
                }
                let pairs = properties.iter().map(|(name, value)| format!("{name}={value}"));
                gone_is_fine(done(zfs::tool(root).arg("set").args(pairs).arg(dataset)))
            }
            Self::ReserveBhyveSpace { dataset, quota_gib, flexible_mib, keep } => {
                crate::space::reserve(root, dataset, *quota_gib, *flexible_mib, keep)
            }
            Self::AdjustSpace { dataset, delta } => crate::space::adjust(root, dataset, *delta),
            Self::RaiseQuota { dataset, bytes } => crate::space::raise(root, dataset, *bytes),
            Self::SettleQuota { dataset } => crate::space::settle(root, dataset),
            Self::ConfigureZone { zone, script, .. } => zonecfg::create(root, zone, script),
            Self::ChangeZone { uuid, script } => zonecfg::change(root, uuid, script),
            Self::DeleteZone { uuid } => delete_zone(root, uuid),
            Self::Install { zone, quota_gib, image, no_dataset, .. } => {
                let quota = quota_gib.to_string();
                let mut tool = zoneadm::tool(root).args(["-z", zone, "install", "-q", &quota]);
                if let Some(image) = image {
                    tool = tool.args(["-t", image]);
                }
                done(if *no_dataset { tool.args(["-x", "nodataset"]) } else { tool })
            }
            Self::Uninstall { uuid } => zoneadm::uninstall(root, uuid),
            Self::Boot { uuid } => done(zoneadm::transition(root, uuid, "boot")),
            Self::BootOnce { uuid, script } => boot_once(root, uuid, script),
            Self::Zoneadm { zone, arguments } => {
                let tool = zoneadm::tool(root).args(["-z", zone]).args(arguments);
                // OmniOS's brands install from the network.
                let installs = arguments.first().is_some_and(|command| command == "install");
                done(if installs { with_proxies(tool) } else { tool })
            }
            Self::Halt { uuid } => zoneadm::halt(root, uuid).map(drop),
            Self::Reset { uuid } => done(zoneadm::transition(root, uuid, "reboot")),
            Self::Login { zone, command, required } => {
                ignored_unless(*required, done(shutdown::zlogin(root, zone, command)))
            }
            Self::ShutDown { uuid, zone, command, seconds } => {
                shutdown::down(root, uuid, zone, command, Duration::from_secs(*seconds))
            }
            Self::AwaitDown { uuid, seconds } => {
                shutdown::await_down(root, uuid, Duration::from_secs(*seconds))
            }
            Self::RebootFromWithin { uuid, zone, command, zone_id, seconds } => {
                let limit = Duration::from_secs(*seconds);
                shutdown::reboot(root, uuid, zone, command, *zone_id, limit)
            }
            Self::TerminateInit { uuid, pid, seconds, kill } => {
                terminate(root, uuid, *pid, Duration::from_secs(*seconds), *kill)
            }
            Self::PowerDown { uuid, zonepath, seconds } => {
                power::down(root, uuid, zonepath, Duration::from_secs(*seconds))
            }
            Self::AwaitProvisioned { uuid, zonepath, deadline_ms, by_guest } => {
                await_provisioned(root, uuid, zonepath, *deadline_ms, *by_guest)
            }
            Self::FreshDirectory { path, mode } => fresh_directory(root, path, *mode),
            Self::WriteFile { path, text, mode } => {
                files::replace(&root.path(path), text.as_bytes(), *mode)
            }
            Self::RemoveFile { path } => files::remove(&root.path(path)),
            Self::WriteZoneFile { file, text, mode } => {
                ZoneRoot::new(root, &file.root).write(&file.path, text.as_bytes(), *mode)
            }
            Self::WriteSeed { volume, files } => seed::write(&root.path(volume), files),
            Self::PrependZoneFile { root: zone, paths, text } => {
                let zone = ZoneRoot::new(root, zone);
                for path in paths {
                    if let Some(old) = zone.read(path)? {
                        if !old.starts_with(text.as_str()) {
                            zone.write(path, format!("{text}{old}").as_bytes(), 0o644)?;
                        }
                        break;
                    }
                }
                Ok(())
            }
            Self::ReplaceZoneLines { file, remove, add } => {
                let zone = ZoneRoot::new(root, &file.root);
                let old = zone.read(&file.path)?.unwrap_or_default();
                let kept = old.lines().filter(|line| !remove.iter().chain(add).any(|l| l == line));
                let new: String = kept
                    .chain(add.iter().map(String::as_str))
                    .fold(String::new(), |text, line| text + line + "\n");
                zone.write(&file.path, new.as_bytes(), 0o644)
            }
            Self::TouchZoneFile { file, directories } => {
                let zone = ZoneRoot::new(root, &file.root);
                let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
                if *directories || zone.is_directory(parent)? {
                    zone.touch(&file.path)?;
                }
                Ok(())
            }
            Self::RemoveZoneFiles { root: zone, paths } => {
                let zone = ZoneRoot::new(root, zone);
                paths.iter().try_for_each(|path| zone.remove(path))
            }
            Self::SetServiceProperty { root: zone, service, property, value } => {
                set_service_property(root, zone, service, property, value)
            }
            Self::CopyZoneDirectory { root: zone, directory, to } => {
                copy_directory(root, zone, directory, to)
            }
            Self::CopyTree { from, to } => {
                copy_tree(&root.path(from), &root.path(to));
                Ok(())
            }
            Self::DumpProperties { dataset, to } => {
                let text = zfs::tool(root).args(["get", "-rpH", "all", dataset]).text()?;
                files::replace(&root.path(to), text.as_bytes(), 0o644)
            }
            // The next boot sets it from the configuration anyway.
            Self::SetRctl { zone, name, value, .. } => {
                ignored_unless(false, set_rctl(root, zone, name, *value))
            }
            Self::SetFirewall { uuid, enabled } => {
                let verb = if *enabled { "start" } else { "stop" };
                ignored_unless(false, done(root.tool("/usr/sbin/fwadm").args([verb, uuid])))
            }
            Self::UpdateFirewalls { uuid } => {
                // fwadm looks at the VM as it is now: its UUID is enough (fwadm's lookupVMs).
                let changed = serde_json::json!({"localVMs": [{"uuid": uuid}]}).to_string();
                let tool = root.tool("/usr/sbin/fwadm").arg("update").stdin(changed);
                ignored_unless(false, done(tool))
            }
            Self::WhenUndone { .. } => Ok(()),
            Self::ReloadDisplay { uuid, zonepath, password } => {
                reload_display(root, uuid, zonepath, password.as_deref());
                Ok(())
            }
            Self::SetLinkProperty { zone, link, property, value, required, .. } => {
                let tool = root.tool("/usr/sbin/dladm");
                let result = done(if value.is_empty() {
                    tool.args(["reset-linkprop", "-t", "-z", zone, "-p", property, link])
                } else {
                    let pair = format!("{property}={value}");
                    tool.args(["set-linkprop", "-t", "-z", zone, "-p", &pair, link])
                });
                ignored_unless(*required, result)
            }
        }
    }
}

fn done(tool: Tool<'_>) -> Result<()> {
    tool.run().map(drop)
}

fn options<'a>(tool: Tool<'a>, properties: &Properties) -> Tool<'a> {
    properties
        .iter()
        .fold(tool, |tool, (name, value)| tool.arg("-o").arg(format!("{name}={value}")))
}

/// Hands on what says which proxies to use.
fn with_proxies(tool: Tool<'_>) -> Tool<'_> {
    const NAMES: [&str; 8] = [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    ];
    NAMES.into_iter().fold(tool, |tool, name| match std::env::var_os(name) {
        Some(value) => tool.environment(name, value),
        None => tool,
    })
}

/// Where SmartOS's service for it runs, that sees to all of it. Failures are no more than a new password or port that
/// has to wait for the next start.
fn reload_display(root: &Root, uuid: &str, zonepath: &str, password: Option<&str>) {
    if vmadmd::is_there(root) {
        if let Err(error) = vmadmd::reload_display(root, uuid) {
            log::warn!("cannot tell vmadmd to reload VNC: {error}");
        }
    } else if let Some(password) = password
        && let Err(error) = power::set_vnc_password(root, zonepath, password)
    {
        log::warn!("cannot set the VNC password: {error}");
    }
}

fn boot_once(root: &Root, uuid: &str, script: &str) -> Result<()> {
    let kept = zonecfg::read_file(root, uuid)?;
    let booted = zonecfg::change(root, uuid, script)
        .and_then(|()| done(zoneadm::transition(root, uuid, "boot")));
    let restored = match kept {
        Some((path, text)) => files::replace(&root.path(path), text.as_bytes(), 0o644),
        None => Ok(()),
    };
    booted.and(restored)
}

fn receive(root: &Root, chunk: &str, into: &str, resumable: bool) -> Result<()> {
    let found = match bundle::next_header(&mut bundle::stdin()?)? {
        Next::Chunk(header) if header.name == chunk => None,
        Next::Chunk(header) => Some(header.name),
        Next::Foreign => Some("what vmadm send did not write".to_owned()),
        Next::End => Some("the end".to_owned()),
    };
    if let Some(found) = found {
        return Err(bundle::bad(format!("{chunk} should follow, not {found}")));
    }
    let tool = zfs::tool(root).arg("receive");
    let tool = if resumable { tool.arg("-s") } else { tool };
    tool.args(["-F", into]).pass_through()
}

fn ignored_unless(required: bool, result: Result<()>) -> Result<()> {
    match result {
        Err(error @ Error::Failed { .. }) if !required => {
            log::warn!("{error}");
            Ok(())
        }
        other => other,
    }
}

fn is_gone(error: &Error) -> bool {
    let stderr = error.stderr();
    stderr.contains("does not exist") || stderr.contains("could not find any snapshots")
}

fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

/// A dataset that is not there, or in the state that was wanted already, is fine.
fn fine(result: Result<()>, already: &str) -> Result<()> {
    match gone_is_fine(result) {
        Err(error) if error.stderr().contains(already) => Ok(()),
        other => other,
    }
}

fn destroy_volume(root: &Root, dataset: &str) -> Result<()> {
    let origin = match zfs::get(root, dataset, &["origin"]) {
        Ok(mut values) => values.remove("origin").unwrap_or_default(),
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    gone_is_fine(zfs::destroy_dataset(root, dataset, true))?;
    if origin.contains('@') && !origin.ends_with("@final") {
        return gone_is_fine(zfs::destroy_dataset(root, &origin, true));
    }
    Ok(())
}

fn release_holds(root: &Root, snapshot: &str) -> Result<()> {
    let text = match zfs::tool(root).args(["holds", "-H", snapshot]).text() {
        Err(error) if is_gone(&error) => return Ok(()),
        other => other?,
    };
    for tag in text.lines().filter_map(|line| line.split('\t').nth(1)) {
        match done(zfs::tool(root).args(["release", tag, snapshot])) {
            Err(error) if error.stderr().contains("no such tag") => {}
            other => other?,
        }
    }
    Ok(())
}

/// Deletes the configuration, and what a receive left of its own.
fn delete_zone(root: &Root, uuid: &str) -> Result<()> {
    zonecfg::delete(root, uuid)?;
    files::remove(&root.path(format!("/etc/zones/{uuid}-receiving.json")))
}

fn fresh_directory(root: &Root, path: &str, mode: u32) -> Result<()> {
    let directory = root.path(path);
    match fs::symlink_metadata(&directory) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&directory),
        Ok(_) => fs::remove_file(&directory),
        Err(_) => Ok(()),
    }
    .and_then(|()| fs::DirBuilder::new().mode(mode).recursive(true).create(&directory))
    .map_err(|e| Error::io(format!("cannot make {path} anew"), e))
}

fn set_service_property(
    root: &Root,
    zone: &str,
    service: &str,
    property: &str,
    value: &str,
) -> Result<()> {
    const REPOSITORY: &str = "/etc/svc/repository.db";
    let repository = root.path(format!("{zone}{REPOSITORY}"));
    let mut tool = root
        .tool("/usr/sbin/svccfg")
        .environment("SVCCFG_CONFIGD_PATH", "/lib/svc/bin/svc.configd")
        .environment("SVCCFG_REPOSITORY", &repository)
        .args(["-s", service, "setprop", property, "="]);
    // `count: 300` is two words of svccfg's language.
    tool = tool.args(value.split(' '));
    done(tool)
}

/// Copies the image's directory, where it has one, with owners and times.
fn copy_directory(root: &Root, zone: &str, directory: &str, to: &str) -> Result<()> {
    let zone_root = ZoneRoot::new(root, zone);
    if !zone_root.is_directory(directory)? {
        return Ok(());
    }
    let from = root.path(format!("{zone}{directory}")).join("");
    done(root.tool("/usr/bin/rsync").args(["--numeric-ids", "-aq"]).arg(from).arg(root.path(to)))
}

/// An archive takes what it can get.
fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    let copied = fs::symlink_metadata(from).and_then(|about| {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        if about.is_dir() {
            fs::create_dir_all(to)?;
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                copy_tree(&entry.path(), &to.join(entry.file_name()));
            }
            Ok(())
        } else if about.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(from)?, to)
        } else if about.is_file() {
            fs::copy(from, to).map(drop)
        } else {
            Ok(())
        }
    });
    match copied {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            log::warn!("cannot archive {}: {error}", from.display());
        }
        _ => {}
    }
}

fn set_rctl(root: &Root, zone: &str, name: &str, value: Option<u64>) -> Result<()> {
    const PRCTL: &str = "/usr/bin/prctl";
    let Some(value) = value else {
        let tool = root.tool(PRCTL).args(["-n", name, "-x", "-t", "privileged", "-i", "zone"]);
        return done(tool.arg(zone));
    };
    let value = value.to_string();
    let set = |how: &str| {
        let tool = root.tool(PRCTL).args(["-n", name, "-v", &value, "-t", "privileged", how]);
        done(tool.args(["-i", "zone", zone]))
    };
    match set("-r") {
        Err(error) if error.stderr().contains("no matching resource control to replace") => {
            set("-s")
        }
        other => other,
    }
}

/// Looks again and again, less often as time goes by, until `look` says yes or the time is up.
pub(crate) fn wait_for(limit: Duration, mut look: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(5);
    loop {
        if look()? {
            return Ok(true);
        }
        if interrupt::requested() {
            return Err(Error::Interrupted);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}

/// The id that kstat gives where a zone's init has gone.
const NO_INIT: i32 = -1;

fn terminate(root: &Root, uuid: &str, pid: i32, limit: Duration, then_kill: bool) -> Result<()> {
    const AFTER_KILL: Duration = Duration::from_secs(10);
    if pid > 1 && pid != NO_INIT {
        let init = Pid::from_raw(pid);
        match kill(init, Signal::SIGTERM) {
            Ok(()) => {
                let gone = || {
                    Ok(matches!(kill(init, None), Err(Errno::ESRCH))
                        || shutdown::is_down(root, uuid)?)
                };
                if !wait_for(limit, gone)? && then_kill {
                    let _ = kill(init, Signal::SIGKILL);
                    wait_for(AFTER_KILL, gone)?;
                }
            }
            Err(Errno::ESRCH) => {}
            Err(e) => return Err(Error::io(format!("cannot signal process {pid}"), e.into())),
        }
    }
    zoneadm::halt(root, uuid).map(drop)
}

const PROVISIONING: &str = "/var/svc/provisioning";

fn await_provisioned(
    root: &Root,
    uuid: &str,
    zonepath: &str,
    deadline_ms: u64,
    by_guest: bool,
) -> Result<()> {
    let zone = ZoneRoot::new(root, &format!("{zonepath}/root"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(deadline_ms).saturating_sub(now).max(Duration::from_secs(1));
    let provisioned = wait_for(left, || {
        if !zone.exists(PROVISIONING)? {
            return Ok(true);
        }
        let ready = by_guest && power::is_set_up(root, zonepath);
        if ready {
            zone.rename(PROVISIONING, "provision_success")?;
        }
        Ok(ready)
    })?;
    if provisioned {
        return Ok(());
    }
    mark_unprovisioned(root, uuid)?;
    Err(Error::Unprovisioned { uuid: uuid.to_owned() })
}

/// A VM that is not waited for any more stays as it is for the operator to look into, stopped and marked.
pub(super) fn mark_unprovisioned(root: &Root, uuid: &str) -> Result<()> {
    let mark = "remove -F attr name=failed; add attr; set name=failed; set value=\"provisioning\"; \
                set type=string; end";
    for script in [mark, "remove attr name=transition", "set autoboot=false"] {
        if let Err(error) = zonecfg::change(root, uuid, script) {
            log::warn!("{error}");
        }
    }
    zoneadm::halt(root, uuid).map(drop)
}
