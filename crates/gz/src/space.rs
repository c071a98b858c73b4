//! Quotas and reservations of bhyve VMs, whose volumes lie below the zone's dataset.

use crate::root::Root;
use crate::tool::{Error, Result};
use crate::zfs;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The least a bhyve VM's zone gets for itself, in GiB.
const LEAST_QUOTA: u64 = 1;

/// Gives the zone `quota_gib` for itself and every volume what it needs to be written full. With `flexible_mib` the
/// volumes and their snapshots share that much; the volumes' metadata come on top. Volumes in `keep` have a reservation
/// of the operator's choice.
pub fn reserve(
    root: &Root,
    dataset: &str,
    quota_gib: u64,
    flexible_mib: Option<u64>,
    keep: &[String],
) -> Result<()> {
    let own = quota_gib.max(LEAST_QUOTA) * GIB;
    set(root, dataset, &["refreservation=none", &format!("refquota={own}")])?;
    let volumes = zfs::list(root, "volume", &["name", "volsize"], &["-r", dataset], None)?;
    let mut sizes = 0;
    for volume in &volumes {
        sizes += number(&volume[1])?;
        if !keep.contains(&volume[0]) {
            set(root, &volume[0], &["refreservation=auto"])?;
        }
    }
    let reserved = zfs::list(root, "volume", &["refreservation"], &["-r", dataset], None)?
        .iter()
        .map(|row| number(&row[0]))
        .sum::<Result<u64>>()?;
    let flexible = flexible_mib.filter(|mib| *mib > 0).map(|mib| mib.saturating_mul(MIB));
    let total = match flexible {
        Some(flexible) => (reserved + own + flexible).saturating_sub(sizes),
        None => reserved + own,
    };
    // A mebibyte stays free for the snapshot that makes a VM indestructible.
    let refreservation = format!("refreservation={}", own.saturating_sub(MIB));
    set(
        root,
        dataset,
        &[&format!("quota={total}"), &format!("reservation={total}"), &refreservation],
    )
}

/// Changes quota and reservation by `delta` bytes; a dataset without a quota is left alone. The quota may be above the
/// reservation for a while ([`raise`]).
pub fn adjust(root: &Root, dataset: &str, delta: i64) -> Result<()> {
    let quota = of(root, dataset, "quota")?;
    if quota == 0 {
        return Ok(());
    }
    let reserved = match of(root, dataset, "reservation")? {
        0 => quota,
        reserved => reserved,
    };
    let pairs = [("quota", quota), ("reservation", reserved)]
        .map(|(name, bytes)| format!("{name}={}", bytes.saturating_add_signed(delta)));
    set(root, dataset, &[&pairs[0], &pairs[1]])
}

/// Raises the quota alone; a dataset without one is left alone.
pub fn raise(root: &Root, dataset: &str, bytes: u64) -> Result<()> {
    match of(root, dataset, "quota")? {
        0 => Ok(()),
        quota => set(root, dataset, &[&format!("quota={}", quota.saturating_add(bytes))]),
    }
}

/// Makes the quota the reservation again, as [`reserve`] and [`adjust`] leave it; a dataset without a reservation is left
/// alone.
pub fn settle(root: &Root, dataset: &str) -> Result<()> {
    match of(root, dataset, "reservation")? {
        0 => Ok(()),
        reserved => set(root, dataset, &[&format!("quota={reserved}")]),
    }
}

/// A property in bytes; 0 where there is none.
fn of(root: &Root, dataset: &str, property: &str) -> Result<u64> {
    let values = zfs::get(root, dataset, &[property])?;
    number(values.get(property).map_or("0", String::as_str))
}

/// The bytes that a volume of `size` bytes needs to be written full, metadata included, as zfs works it out.
pub fn volume_reservation(root: &Root, dataset: &str, size: u64, block_size: u64) -> Result<u64> {
    let size = size.to_string();
    let block = format!("volblocksize={block_size}");
    let text = zfs::tool(root)
        .args(["create", "-nPV", &size, "-o", "copies=1", "-o", &block, dataset])
        .text()?;
    let value = text.lines().find_map(|line| {
        let mut fields = line.split('\t');
        (fields.next() == Some("property") && fields.next() == Some("refreservation"))
            .then(|| fields.next())?
    });
    number(value.unwrap_or_default())
}

fn set(root: &Root, dataset: &str, pairs: &[&str]) -> Result<()> {
    zfs::tool(root).arg("set").args(pairs).arg(dataset).run().map(drop)
}

fn number(text: &str) -> Result<u64> {
    match text {
        "-" | "none" => Ok(0),
        _ => text.trim().parse().map_err(|_| Error::Unexpected {
            what: "the output of zfs".into(),
            why: format!("expected a number, found \"{text}\""),
        }),
    }
}
