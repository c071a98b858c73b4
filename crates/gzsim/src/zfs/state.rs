//! What the simulated pools hold: one serialisable value, kept in one file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::snapshot::now_ns;

/// Everything, as stored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub pools: BTreeMap<String, Pool>,
    /// Filesystems and volumes by full name. The order of the map is the order of `zfs list`'s walk.
    pub datasets: BTreeMap<String, Dataset>,
    /// Number for the next directory below the state directory.
    pub next_id: u64,
    /// Transaction group: goes up with every change.
    pub txg: u64,
    /// State of the generator of guids.
    pub seed: u64,
}

/// A pool: its root dataset is the dataset of the same name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pool {
    pub guid: u64,
    /// Usable size in bytes.
    pub size: u64,
    pub ashift: u32,
    /// Seconds since 1970.
    pub creation: u64,
    /// Pool properties that were set, such as `comment`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub props: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "f")]
    Filesystem,
    #[serde(rename = "v")]
    Volume,
}

/// A filesystem or volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dataset {
    /// Names the dataset's directory below the state directory; survives renames.
    pub id: u64,
    #[serde(rename = "k")]
    pub kind: Kind,
    #[serde(rename = "g")]
    pub guid: u64,
    #[serde(rename = "t")]
    pub createtxg: u64,
    #[serde(rename = "c")]
    pub creation: u64,
    /// Native properties in their `-p` form and user properties.
    #[serde(rename = "p", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub props: BTreeMap<String, Prop>,
    /// Full name of the snapshot that this is a clone of.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Oldest first.
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
    pub snaps: Vec<Snap>,
    #[serde(rename = "b", default, skip_serializing_if = "Vec::is_empty")]
    pub bookmarks: Vec<Bookmark>,
    #[serde(rename = "m", default, skip_serializing_if = "is_false")]
    pub mounted: bool,
    /// When contents were last the same as those of the latest snapshot or the origin, in nanoseconds since 1970:
    /// files changed later count as written.
    #[serde(rename = "w", default, skip_serializing_if = "is_zero")]
    pub clean_at: u64,
    /// A receive with `-s` that was cut off.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
    /// Inconsistent: only the beginnings of a resumable receive are here.
    #[serde(rename = "i", default, skip_serializing_if = "is_false")]
    pub inconsistent: bool,
    /// Bytes of a received stream whose contents were not unpacked: counted as referenced.
    #[serde(rename = "x", default, skip_serializing_if = "is_zero")]
    pub opaque_bytes: u64,
}

/// A property's own values on one dataset: what was set here, and what a stream brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prop {
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
    /// `zfs inherit` on a property that was received: the received value is kept but not used.
    #[serde(rename = "n", default, skip_serializing_if = "is_false")]
    pub inherit: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snap {
    /// The part after `@`.
    #[serde(rename = "n")]
    pub name: String,
    pub id: u64,
    #[serde(rename = "g")]
    pub guid: u64,
    #[serde(rename = "t")]
    pub createtxg: u64,
    #[serde(rename = "c")]
    pub creation: u64,
    /// User properties.
    #[serde(rename = "p", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub props: BTreeMap<String, Prop>,
    /// Tag to time of the hold.
    #[serde(rename = "h", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<String, u64>,
    /// Bytes that the snapshot refers to.
    #[serde(rename = "r")]
    pub referenced: u64,
    /// Bytes written since the snapshot before it.
    #[serde(rename = "w")]
    pub written: u64,
    /// Bytes that only this snapshot holds, as far as later snapshots show.
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub unique: u64,
    /// Size of the volume when the snapshot was taken.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub volsize: Option<u64>,
    /// `destroy -d` waits for holds and clones to go.
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    pub defer_destroy: bool,
    /// The stream that brought this snapshot, kept byte for byte: guid of the snapshot that it
    /// builds on, 0 for a full stream.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub stream_from: Option<u64>,
    #[serde(rename = "x", default, skip_serializing_if = "is_zero")]
    pub opaque_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bookmark {
    #[serde(rename = "n")]
    pub name: String,
    #[serde(rename = "g")]
    pub guid: u64,
    #[serde(rename = "t")]
    pub createtxg: u64,
    #[serde(rename = "c")]
    pub creation: u64,
}

/// The part of a stream that came before it was cut off.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Partial {
    /// Names the file with the verified bytes below the state directory.
    pub id: u64,
    pub toguid: u64,
    pub fromguid: u64,
    pub toname: String,
    /// Verified bytes: whole records from BEGIN on.
    pub bytes: u64,
    /// Object and offset of the last record written, for the token.
    pub object: u64,
    pub offset: u64,
    /// The stream's features, as in its BEGIN record.
    #[serde(default)]
    pub features: u64,
}

impl State {
    /// A fresh non-zero 64-bit guid (splitmix64 over a stored seed and the time: copies of a root must not give two
    /// snapshots the same one).
    pub fn new_guid(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_add(now_ns());
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).max(1)
    }

    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The dataset and snapshot behind `dataset@snapshot`.
    pub fn snap(&self, full: &str) -> Option<(&Dataset, &Snap)> {
        let (ds, snap) = full.split_once('@')?;
        let ds = self.datasets.get(ds)?;
        Some((ds, ds.snap(snap)?))
    }

    pub fn snap_mut(&mut self, full: &str) -> Option<&mut Snap> {
        let (ds, snap) = full.split_once('@')?;
        self.datasets.get_mut(ds)?.snaps.iter_mut().find(|s| s.name == snap)
    }

    /// Names of the datasets below `name`, at any depth, in name order.
    pub fn descendants<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = (&'a String, &'a Dataset)> {
        let from = format!("{name}/");
        // '0' is the character after '/': the range is exactly what lies below `name`.
        let to = format!("{name}0");
        self.datasets.range(from..to)
    }

    /// Full names of the clones of a snapshot.
    pub fn clones_of(&self, snap: &str) -> Vec<String> {
        self.datasets
            .iter()
            .filter(|(_, d)| d.origin.as_deref() == Some(snap))
            .map(|(n, _)| n.clone())
            .collect()
    }
}

impl Dataset {
    pub fn snap(&self, name: &str) -> Option<&Snap> {
        self.snaps.iter().find(|s| s.name == name)
    }

    pub fn is_volume(&self) -> bool {
        self.kind == Kind::Volume
    }

    /// What was set or received here for a property, if that is in force.
    pub fn own(&self, prop: &str) -> Option<&str> {
        own(&self.props, prop).map(|(v, _)| v)
    }

    /// A stored number, 0 when unset.
    pub fn own_number(&self, prop: &str) -> u64 {
        self.own(prop).and_then(|v| v.parse().ok()).unwrap_or(0)
    }
}

/// The value in force among a property's own values, and whether it was received.
pub fn own<'a>(props: &'a BTreeMap<String, Prop>, name: &str) -> Option<(&'a str, bool)> {
    let p = props.get(name)?;
    match (&p.local, &p.received) {
        (Some(v), _) => Some((v, false)),
        (None, Some(v)) if !p.inherit => Some((v, true)),
        _ => None,
    }
}

/// The name of the pool that a dataset lies in.
pub fn pool_of(name: &str) -> &str {
    name.split(['/', '@', '#']).next().unwrap_or(name)
}

/// The dataset above, or `None` for a pool's root.
pub fn parent_of(name: &str) -> Option<&str> {
    name.rsplit_once('/').map(|(p, _)| p)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde calls
fn is_false(b: &bool) -> bool {
    !*b
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde calls
fn is_zero(n: &u64) -> bool {
    *n == 0
}
