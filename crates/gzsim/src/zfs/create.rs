//! Making filesystems and volumes.

use std::collections::BTreeMap;

use super::error::{Code, Error, Result};
use super::names::{self, Want};
use super::props::{self, Settings, Target};
use super::proptable::{FS, VOL};
use super::space::{self, SpaceMap};
use super::state::{Dataset, Kind, Prop, parent_of, pool_of};
use super::{Zfs, now, reservation};

impl Zfs {
    /// Makes a filesystem and mounts it. Values are as typed (`10G`).
    pub fn create_fs(&mut self, name: &str, props: &[(&str, &str)]) -> Result<()> {
        let pairs: Settings =
            props.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        match self.create_filesystem(name, &pairs)? {
            Some(unmounted) => Err(unmounted),
            None => Ok(()),
        }
    }

    /// Makes a volume of `size` bytes. Without a `refreservation` among `props` it is fully reserved; `none` makes it sparse.
    pub fn create_volume(&mut self, name: &str, size: u64, props: &[(&str, &str)]) -> Result<()> {
        let mut pairs: Settings =
            props.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        pairs.push(("volsize".into(), size.to_string()));
        if !pairs.iter().any(|(n, _)| n == "refreservation") {
            let block = volblocksize(&pairs);
            let bytes = reservation::for_volume(size, block, copies(&pairs));
            pairs.push(("refreservation".into(), bytes.to_string()));
        }
        self.create_vol(name, &pairs)
    }

    /// Makes a filesystem; the answer is why it could not be mounted, if so.
    pub(super) fn create_filesystem(
        &mut self,
        name: &str,
        pairs: &[(String, String)],
    ) -> Result<Option<Error>> {
        let action = format!("create '{name}'");
        self.check_new(name, &action)?;
        let zoned = parent_of(name).is_some_and(|p| self.is_on(p, "zoned"));
        let target = Target { types: FS, existing: None, zoned };
        let settings = props::validate(&action, pairs, target)?;
        let mut own = BTreeMap::new();
        props::apply(&mut own, &settings);
        let obstacle = self.insert(name, Kind::Filesystem, own);
        self.check_new_fits(name, &action, &settings)?;
        Ok(obstacle)
    }

    pub(super) fn create_vol(&mut self, name: &str, pairs: &[(String, String)]) -> Result<()> {
        let action = format!("create '{name}'");
        self.check_new(name, &action)?;
        let target = Target { types: VOL, existing: None, zoned: false };
        let mut settings = props::validate(&action, pairs, target)?;
        let fail = |why: &str| Err(Error::cannot(Code::Refused, &action, why));
        let given_block = find_number(&settings, "volblocksize");
        let block = given_block.unwrap_or(8192);
        let Some(size) = find_number(&settings, "volsize") else {
            return fail("missing volume size");
        };
        if size == 0 {
            return fail("volume size cannot be zero");
        }
        if !size.is_multiple_of(block) {
            return fail("volume size must be a multiple of volume block size");
        }
        for (prop, value) in &mut settings {
            if prop == "refreservation" && value == "auto" {
                *value = reservation::for_volume(size, block, 1).to_string();
            }
        }
        // the block size is a fact of the volume, said or not
        if given_block.is_none() {
            settings.push(("volblocksize".into(), block.to_string()));
        }
        let mut own = BTreeMap::new();
        props::apply(&mut own, &settings);
        self.insert(name, Kind::Volume, own);
        self.check_new_fits(name, &action, &settings)
    }

    /// Makes every missing ancestor (`-p`).
    pub(super) fn create_ancestors(&mut self, name: &str) -> Result<()> {
        let missing: Vec<String> = name
            .match_indices('/')
            .map(|(at, _)| name[..at].to_owned())
            .filter(|n| !self.state.datasets.contains_key(n))
            .collect();
        for ancestor in missing {
            if parent_of(&ancestor).is_none() {
                return Err(Error::cannot(
                    Code::NotFound,
                    format_args!("create '{name}'"),
                    format_args!("no such pool '{ancestor}'"),
                ));
            }
            self.create_filesystem(&ancestor, &[])?;
        }
        Ok(())
    }

    /// Refuses names that cannot be made here.
    pub(super) fn check_new(&self, name: &str, action: &str) -> Result<()> {
        names::check_for(action, name, Want::Dataset)?;
        if names::too_deep(name) {
            let why = "maximum name nesting depth exceeded";
            return Err(Error::cannot(Code::Refused, action, why));
        }
        self.check_parents(name)?;
        if self.state.datasets.contains_key(name) {
            return Err(Error::cannot(Code::Exists, action, "dataset already exists"));
        }
        Ok(())
    }

    /// Refuses a name whose parent is missing or no filesystem.
    pub(super) fn check_parents(&self, name: &str) -> Result<()> {
        let action = format!("create '{name}'");
        let fail = |code, why: String| Err(Error::cannot(code, &action, why));
        let Some(parent) = parent_of(name) else {
            return fail(Code::Refused, "missing dataset name".into());
        };
        let pool = pool_of(name);
        if !self.state.pools.contains_key(pool) {
            return fail(Code::NotFound, format!("no such pool '{pool}'"));
        }
        match self.state.datasets.get(parent) {
            None => fail(Code::NotFound, "parent does not exist".into()),
            Some(p) if p.is_volume() => fail(Code::Refused, "parent is not a filesystem".into()),
            Some(_) => Ok(()),
        }
    }

    /// Refuses, after its making, a dataset that cannot have what it reserves.
    pub(super) fn check_new_fits(
        &self,
        name: &str,
        action: &str,
        settings: &[(String, String)],
    ) -> Result<()> {
        const NAMES: [&str; 2] = ["reservation", "refreservation"];
        let asked = settings.iter().any(|(n, v)| NAMES.contains(&n.as_str()) && v != "0");
        if !asked || !self.state.counts(name) {
            return Ok(());
        }
        let map = self.space(pool_of(name));
        let Some(ds) = self.state.datasets.get(name) else { return Ok(()) };
        let (quota, reservation) = (ds.own_number("quota"), ds.own_number("reservation"));
        if self.over(name, &map) || (quota > 0 && reservation > quota) {
            return Err(Error::cannot(Code::NoSpace, action, "out of space"));
        }
        Ok(())
    }

    /// Whether a dataset or one above it uses more than its quota, or than the pool has.
    fn over(&self, name: &str, map: &SpaceMap<'_>) -> bool {
        let mut at = Some(name);
        while let Some(n) = at {
            let used = map.of(n).used();
            let quota = self.state.datasets.get(n).map_or(0, |d| d.own_number("quota"));
            if quota > 0 && used > quota {
                return true;
            }
            at = parent_of(n);
        }
        let pool = pool_of(name);
        let size = self.state.pools.get(pool).map_or(0, |p| space::usable(p.size));
        map.of(pool).used() > size
    }

    pub(super) fn insert_filesystem(
        &mut self,
        name: &str,
        props: BTreeMap<String, Prop>,
    ) -> Result<()> {
        self.insert(name, Kind::Filesystem, props).map_or(Ok(()), Err)
    }

    /// Puts a new, empty dataset in.
    fn insert(&mut self, name: &str, kind: Kind, props: BTreeMap<String, Prop>) -> Option<Error> {
        let ds = self.new_dataset(kind, props);
        self.state.datasets.insert(name.to_owned(), ds);
        self.make_place(name)
    }

    /// A dataset with fresh numbers.
    pub(super) fn new_dataset(&mut self, kind: Kind, props: BTreeMap<String, Prop>) -> Dataset {
        Dataset {
            id: self.state.new_id(),
            kind,
            guid: self.state.new_guid(),
            createtxg: self.state.txg + 1,
            creation: now(),
            props,
            origin: None,
            snaps: Vec::new(),
            bookmarks: Vec::new(),
            mounted: false,
            clean_at: 0,
            partial: None,
            inconsistent: false,
            opaque_bytes: 0,
        }
    }
}

fn find_number(pairs: &[(String, String)], name: &str) -> Option<u64> {
    let (_, v) = pairs
        .iter()
        .rev()
        .find(|(n, _)| super::proptable::find(n).is_some_and(|native| native.name == name))?;
    super::number::parse(v).ok()
}

/// The block size that the properties of a new volume ask for.
pub fn volblocksize(pairs: &[(String, String)]) -> u64 {
    find_number(pairs, "volblocksize").filter(|n| *n > 0).unwrap_or(8192)
}

/// The number of copies that the properties of a new dataset ask for.
pub fn copies(pairs: &[(String, String)]) -> u64 {
    find_number(pairs, "copies").unwrap_or(1)
}
