//! The simulator's own state: JSON files below `/var/gzsim`, changed under a lock, so that they survive between calls.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ctx::Ctx;

/// Reads the state `name`; the default where it was never written.
pub fn read<T: DeserializeOwned + Default>(ctx: &Ctx, name: &str) -> Result<T> {
    load(&ctx.state(&format!("{name}.json")))
}

/// Changes the state `name` under its lock. Nothing is written where `change` fails.
pub fn update<T, R>(ctx: &Ctx, name: &str, change: impl FnOnce(&mut T) -> Result<R>) -> Result<R>
where
    T: DeserializeOwned + Serialize + Default,
{
    let _lock = lock(ctx, name)?;
    let path = ctx.state(&format!("{name}.json"));
    let mut state: T = load(&path)?;
    let result = change(&mut state)?;
    write(&path, serde_json::to_string_pretty(&state)?.as_bytes())?;
    Ok(result)
}

/// Takes the lock of the state `name`; it is let go when the result is dropped.
pub fn lock(ctx: &Ctx, name: &str) -> Result<Flock<File>> {
    let path = ctx.state(&format!("{name}.lock"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| anyhow::anyhow!("cannot lock {}: {errno}", path.display()))
}

/// Replaces a file as a whole: readers see the old or the new text.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("tmp.{}", std::process::id()));
    let mut file = File::create(&temporary)
        .with_context(|| format!("cannot create {}", temporary.display()))?;
    file.write_all(bytes)?;
    fs::rename(&temporary, path).with_context(|| format!("cannot replace {}", path.display()))
}

fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a state file", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
