//! Preparing a VM for its image with a script that runs in it, and undoing that.
//!
//! The script is the VM's operator script. It says how it fares in the customer metadata: `prepare-image:state` is
//! `running`, then `success` or `error`, with `prepare-image:error` saying why; then it shuts the VM down.

use std::time::Duration;

use gz::interrupt::Shield;
use gz::{Root, zfs};
use serde_json::json;

use super::indent;
use super::vm::{self, Vm};
use crate::errors::{Error, Result};
use crate::out::{mention, say, warn};

/// The snapshots that the VM is rolled back to.
const SNAPSHOT: &str = "@imgadm-create-pre-prepare";
/// How long each stage may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// A prepared, stopped VM; rolled back and, where it ran, started again with the value.
pub struct Prepared<'a> {
    root: &'a Root,
    vm: Vm,
    /// What an image is to be made of.
    dataset: String,
    snapshots: Vec<String>,
    restart: bool,
    began: bool,
}

impl<'a> Prepared<'a> {
    /// Lets the script prepare a VM for an image that is to be made of `dataset`.
    pub fn new(root: &'a Root, vm: &Vm, dataset: &str, script: &str) -> Result<Self> {
        let mut prepared = Self {
            root,
            vm: vm.clone(),
            dataset: dataset.to_owned(),
            snapshots: Vec::new(),
            restart: false,
            began: false,
        };
        prepared.prepare(script)?;
        Ok(prepared)
    }

    fn prepare(&mut self, script: &str) -> Result<()> {
        let uuid = self.vm.uuid.clone();
        if self.vm.state() != "stopped" {
            say(format_args!("Stopping VM {uuid} to snapshot it"))?;
            self.restart = true;
            vm::stop(self.root, &uuid)?;
        }
        say(format_args!("Snapshotting VM \"{uuid}\" to {SNAPSHOT}"))?;
        self.began = true;
        for dataset in self.vm.datasets(&self.dataset) {
            let name = format!("{dataset}{SNAPSHOT}");
            zfs::tool(self.root)
                .args(["snapshot", &name])
                .run()
                .map_err(|error| Error::internal(format!("error creating snapshot: {error}")))?;
            self.snapshots.push(name);
        }
        let script = json!({"set_internal_metadata": {"operator-script": script}});
        vm::update(self.root, &uuid, &script)?;
        let keys = json!({
            "remove_customer_metadata": ["prepare-image:state", "prepare-image:error"]
        });
        vm::update(self.root, &uuid, &keys)?;
        say(format_args!("Preparing VM {uuid} (starting it)"))?;
        vm::start(self.root, &uuid)?;
        self.wait_for_script(&uuid)
    }

    fn wait_for_script(&self, uuid: &str) -> Result<()> {
        let second = Duration::from_secs(1);
        let state = |vm: &Vm| vm.metadata("prepare-image:state").map(str::to_owned);
        let running = vm::wait(self.root, uuid, 2 * second, PATIENCE, |vm| state(vm).is_some())?;
        if running.is_none() {
            mention("Timeout waiting for prepare-image script to signal it started");
            return Err(Error::new(
                "PrepareImageDidNotRun",
                format!("prepare-image script did not run on VM {uuid} boot"),
            ));
        }
        say("Prepare script is running")?;
        let ended = vm::wait(self.root, uuid, second, PATIENCE, |vm| {
            state(vm).is_some_and(|state| state == "success" || state == "error")
        })?
        .ok_or_else(|| script_error(uuid, "prepare-image script did not complete"))?;
        if state(&ended).as_deref() == Some("error") {
            let why = ended.metadata("prepare-image:error").unwrap_or_default();
            return Err(script_error(uuid, why));
        }
        say("Prepare script succeeded")?;
        vm::wait(self.root, uuid, second, PATIENCE, |vm| vm.state() == "stopped")?
            .ok_or_else(|| script_error(uuid, "VM did not shutdown"))?;
        say(format_args!("Prepare script stopped VM {uuid}"))?;
        if self.vm.dataset(self.root)? != self.dataset {
            return Err(script_error(uuid, "the VM has another boot environment now"));
        }
        Ok(())
    }

    fn undo(&self) -> Result<()> {
        let uuid = &self.vm.uuid;
        if self.began {
            mention(format_args!("Rollback VM {uuid} to pre-prepare snapshot (cleanup)"));
            vm::halt(self.root, uuid)?;
            for snapshot in &self.snapshots {
                zfs::tool(self.root).args(["rollback", snapshot]).run()?;
            }
            for snapshot in &self.snapshots {
                // The snapshots of bhyve's disks and of boot environments are below the filesystem's and go with it.
                let of_disk = self.vm.filesystem().is_some_and(|filesystem| {
                    snapshot.strip_prefix(filesystem).is_some_and(|rest| rest.starts_with('/'))
                });
                if !of_disk {
                    zfs::destroy(self.root, &["-r"], snapshot)?;
                }
            }
        }
        if self.restart {
            mention(format_args!("Restarting VM {uuid} (cleanup)"));
            vm::start(self.root, uuid)?;
        }
        Ok(())
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        let _shield = Shield::new();
        if let Err(error) = self.undo() {
            warn(format_args!(
                "imgadm: VM {} could not be put back as it was: {error}",
                self.vm.uuid
            ));
        }
    }
}

fn script_error(uuid: &str, why: &str) -> Error {
    let details = match why {
        "" => String::new(),
        text if text.contains('\n') => format!(":\n{}", indent(&format!("...\n{text}"))),
        text => format!(": {text}"),
    };
    Error::new(
        "PrepareImageError",
        format!("prepare-image script error while preparing VM {uuid}{details}"),
    )
}

/// The quota of a bhyve VM's filesystem, lifted while snapshots are made there, and set again with the value.
pub struct Quota<'a> {
    root: &'a Root,
    filesystem: String,
    before: String,
}

/// Lifts the quota of a bhyve VM; others have none that is in the way.
pub fn lift_quota<'a>(root: &'a Root, vm: &Vm) -> Result<Option<Quota<'a>>> {
    let Some(filesystem) = vm.filesystem().filter(|_| vm.brand() == "bhyve") else {
        return Ok(None);
    };
    let quota = zfs::get(root, filesystem, &["quota"])?.remove("quota").unwrap_or_default();
    let quota = if quota == "0" || quota.is_empty() { "none".to_owned() } else { quota };
    set_quota(root, filesystem, "none")?;
    Ok(Some(Quota { root, filesystem: filesystem.to_owned(), before: quota }))
}

fn set_quota(root: &Root, filesystem: &str, quota: &str) -> Result<()> {
    Ok(zfs::tool(root).args(["set", &format!("quota={quota}"), filesystem]).run().map(drop)?)
}

impl Drop for Quota<'_> {
    fn drop(&mut self) {
        let _shield = Shield::new();
        if let Err(error) = set_quota(self.root, &self.filesystem, &self.before) {
            warn(format_args!(
                "imgadm: the quota of {} is not {} again: {error}",
                self.filesystem, self.before
            ));
        }
    }
}
