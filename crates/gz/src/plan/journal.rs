//! The journal of a running plan: one file a VM, below `/var/zonekit/journal`.
//!
//! The first line is the plan; then a line before each step that something is to be known of: its number and the steps
//! that undo it. A line is on disk before its step begins, so that whatever was cut off is known. A line behind each step
//! that was undone says so: what destroys a new dataset must not be run again once the old one has its place back. No
//! journal: nothing to recover.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Plan, Step};
use crate::files;
use crate::root::Root;
use crate::tool::{Error, Result};

/// Where journals are kept.
pub const DIRECTORY: &str = "/var/zonekit/journal";

/// A step that was begun, and what undoes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    pub index: usize,
    pub undo: Vec<Step>,
}

/// A line behind the plan.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Begun(Begun),
    Undone { undone: usize },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

fn path_of(root: &Root, uuid: &str) -> PathBuf {
    root.path(DIRECTORY).join(format!("{}.json", uuid.replace('/', "_")))
}

impl Journal {
    /// Starts the journal of `plan` with the steps that were or are being begun; on return that is on disk. It may hold
    /// the VM's metadata and is for root's eyes only.
    pub fn start(root: &Root, plan: &Plan, begun: &[Begun]) -> Result<Self> {
        let path = path_of(root, &plan.uuid);
        let broken = |e| Error::io(format!("cannot write journal {}", path.display()), e);
        files::make_directory(&root.path(DIRECTORY))?;
        let mut lines = line(plan)?;
        for begun in begun {
            lines.extend(line(begun)?);
        }
        files::replace(&path, &lines, 0o600)?;
        let file = OpenOptions::new().append(true).mode(0o600).open(&path).map_err(broken)?;
        Ok(Self { path, file })
    }

    /// Notes that a step begins; on return that is on disk.
    pub fn begin(&mut self, begun: &Begun) -> Result<()> {
        self.append(begun)
    }

    /// Notes that nothing is left to undo of a step; on return that is on disk.
    pub fn undone(&mut self, index: usize) -> Result<()> {
        self.append(&Line::Undone { undone: index })
    }

    fn append(&mut self, value: &impl Serialize) -> Result<()> {
        self.file
            .write_all(&line(value)?)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Error::io(format!("cannot write journal {}", self.path.display()), e))
    }

    /// The plan is through, or undone: nothing is left to recover.
    pub fn close(self) -> Result<()> {
        drop(self.file);
        files::remove(&self.path)
    }
}

fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(|e| Error::Unexpected {
        what: "the plan, writing its journal".into(),
        why: e.to_string(),
    })?;
    line.push(b'\n');
    Ok(line)
}

/// A journal that a plan left behind.
#[derive(Debug)]
pub struct Left {
    pub plan: Plan,
    /// The steps that were begun and not undone.
    pub begun: Vec<Begun>,
}

/// Reads the journal that was left for a VM; `None` where there is none.
pub fn left(root: &Root, uuid: &str) -> Result<Option<Left>> {
    let path = path_of(root, uuid);
    let Some(bytes) = files::read_optional(&path)? else { return Ok(None) };
    let mut lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let plan =
        lines.next().map(serde_json::from_slice).transpose().map_err(|e| unreadable(&path, &e))?;
    let Some(plan) = plan else {
        // An empty journal was cut off before the plan itself was written: nothing was begun.
        files::remove(&path)?;
        return Ok(None);
    };
    // A line that was cut off in the middle is the last one, and its step never ran.
    let mut begun: Vec<Begun> = Vec::new();
    for line in lines.map_while(|line| serde_json::from_slice(line).ok()) {
        match line {
            Line::Begun(step) => begun.push(step),
            Line::Undone { undone } => begun.retain(|step| step.index != undone),
        }
    }
    Ok(Some(Left { plan, begun }))
}

fn unreadable(path: &Path, error: &serde_json::Error) -> Error {
    Error::Unexpected { what: format!("journal {}", path.display()), why: error.to_string() }
}

/// The UUIDs of VMs with a journal.
pub fn all(root: &Root) -> Result<Vec<String>> {
    let directory = root.path(DIRECTORY);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(format!("cannot read {}", directory.display()), e)),
    };
    let mut uuids: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    uuids.sort();
    Ok(uuids)
}

/// Removes the journal that was left for a VM.
pub fn discard(root: &Root, uuid: &str) -> Result<()> {
    files::remove(&path_of(root, uuid))
}
