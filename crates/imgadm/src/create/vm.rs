//! VMs as `vmadm` knows them.

use std::time::{Duration, Instant};

use gz::platform::released_flavour;
use gz::{Root, Tool};
use manifest::Flavour;
use serde_json::Value;

use super::environment;
use crate::errors::{Error, Result};

const VMADM: &str = "/usr/sbin/vmadm";

fn vmadm<'a>(root: &'a Root, arguments: &[&str]) -> Tool<'a> {
    // OmniOS has none of its own.
    root.tool(VMADM).or_beside().args(arguments)
}

/// A VM at one moment.
#[derive(Debug, Clone)]
pub struct Vm {
    pub uuid: String,
    object: Value,
}

impl Vm {
    pub fn get(root: &Root, uuid: &str) -> Result<Self> {
        let missing = || Error::new("VmNotFound", format!("vm \"{uuid}\" was not found"));
        let output = vmadm(root, &["get", uuid]).output()?;
        if !output.success() {
            return Err(missing());
        }
        let object = serde_json::from_slice(&output.stdout).map_err(|_| missing())?;
        Ok(Self { uuid: uuid.to_owned(), object })
    }

    /// A text field of the VM.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.object.get(name)?.as_str()
    }

    pub fn brand(&self) -> &str {
        self.field("brand").unwrap_or_default()
    }

    pub fn state(&self) -> &str {
        self.field("state").unwrap_or_default()
    }

    pub fn is_hvm(&self) -> bool {
        ["kvm", "bhyve"].contains(&self.brand())
    }

    fn disks(&self) -> &[Value] {
        self.object.get("disks").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The pool and UUID of the image that the VM was made from: that of its first disk, or its own.
    pub fn origin(&self) -> Option<(String, String)> {
        let (holder, field) = if self.is_hvm() {
            (self.disks().first()?, "image_uuid")
        } else {
            (&self.object, "image_uuid")
        };
        let text = |name: &str| holder.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("zpool").or_else(|| self.field("zpool").map(str::to_owned))?, text(field)?))
    }

    /// The dataset that an image is made of: the first disk, or the filesystem that has the zone's root, which is the
    /// zone's own or, with OmniOS's brands, the boot environment. Fails where the whole root is not in one filesystem
    /// that is known.
    pub fn dataset(&self, root: &Root) -> Result<String> {
        let missing =
            || Error::internal(format!("vm \"{}\" has no dataset to make an image of", self.uuid));
        if self.is_hvm() {
            let disk = self.disks().first().and_then(|disk| disk.get("zfs_filesystem")?.as_str());
            return disk.map(str::to_owned).ok_or_else(missing);
        }
        let filesystem = self.filesystem().ok_or_else(missing)?;
        match (released_flavour(root), self.brand()) {
            (Some(Flavour::OmniOs), "illumos") => environment::active(root, filesystem),
            (Some(Flavour::OmniOs), brand) if brand != "lx" => Err(Error::not_supported(format!(
                "cannot create an image of a zone of the brand {brand}: on OmniOS only zones of \
                 the brands lx and illumos are made of images"
            ))),
            _ => Ok(filesystem.to_owned()),
        }
    }

    /// The zone's own filesystem.
    pub fn filesystem(&self) -> Option<&str> {
        self.field("zfs_filesystem")
    }

    /// Every dataset of the VM, the filesystem first; `dataset` is the one that an image is made of.
    pub fn datasets(&self, dataset: &str) -> Vec<String> {
        let disks = if self.is_hvm() { self.disks() } else { &[] };
        let disks = disks.iter().filter_map(|disk| disk.get("zfs_filesystem")?.as_str());
        let mut all: Vec<String> =
            self.filesystem().into_iter().chain(disks).map(str::to_owned).collect();
        if !all.iter().any(|name| name == dataset) {
            all.push(dataset.to_owned());
        }
        all
    }

    /// A key of the customer metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.object.get("customer_metadata")?.get(key)?.as_str()
    }
}

pub fn start(root: &Root, uuid: &str) -> Result<()> {
    Ok(vmadm(root, &["start", uuid]).run().map(drop)?)
}

pub fn stop(root: &Root, uuid: &str) -> Result<()> {
    Ok(vmadm(root, &["stop", uuid]).run().map(drop)?)
}

/// Halts a VM that is not stopped.
pub fn halt(root: &Root, uuid: &str) -> Result<()> {
    if Vm::get(root, uuid)?.state() == "stopped" {
        return Ok(());
    }
    Ok(vmadm(root, &["stop", "-F", uuid]).run().map(drop)?)
}

pub fn update(root: &Root, uuid: &str, payload: &Value) -> Result<()> {
    let output = vmadm(root, &["update", uuid]).stdin(payload.to_string()).output()?;
    if output.success() {
        return Ok(());
    }
    let code = output.status.code().map_or_else(|| "null".to_owned(), |code| code.to_string());
    Err(Error::internal(format!("vmadm update failed ({code}): {}", output.error_text())))
}

/// Looks at a VM every `interval` until `done` says so; `None` when that takes longer than `limit`.
pub fn wait(
    root: &Root,
    uuid: &str,
    interval: Duration,
    limit: Duration,
    done: impl Fn(&Vm) -> bool,
) -> Result<Option<Vm>> {
    let deadline = Instant::now() + limit;
    loop {
        let until = Instant::now() + interval;
        while Instant::now() < until {
            if gz::interrupt::requested() {
                return Err(gz::Error::Interrupted.into());
            }
            std::thread::sleep(Duration::from_millis(50).min(interval));
        }
        let vm = Vm::get(root, uuid)?;
        if done(&vm) {
            return Ok(Some(vm));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
    }
}
