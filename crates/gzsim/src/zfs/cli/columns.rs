//! Columns and rows that `zfs list` and `zfs get` share.

use std::collections::HashMap;

use super::super::get::{Item, Value, default_value, needs_space};
use super::super::proptable::{self, Attr, BOOKMARK, FS, Form, NATIVE, Native, SNAP, VOL};
use super::super::space::SpaceMap;
use super::super::state::{parent_of, pool_of};
use super::super::{Error, Zfs};
use super::{Fail, usage_error};

/// One wanted property.
#[derive(Debug, Clone)]
pub enum Column {
    Native(&'static Native),
    User(String),
}

impl Column {
    /// Finds a property by name, alias or (with a colon) as a user property.
    pub fn parse(name: &str) -> Option<Self> {
        match proptable::find(name) {
            Some(native) => Some(Self::Native(native)),
            None if proptable::is_user(name) => Some(Self::User(name.to_owned())),
            None => None,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Native(n) => n.name,
            Self::User(name) => name,
        }
    }

    pub fn header(&self) -> String {
        match self {
            Self::Native(n) => n.header.to_owned(),
            Self::User(name) => name.to_ascii_uppercase(),
        }
    }

    pub fn right_aligned(&self) -> bool {
        matches!(self, Self::Native(n) if n.form == Form::Number && n.name != "creation")
    }

    /// The width that is kept whatever the values are, if any.
    pub fn fixed_width(&self) -> Option<usize> {
        let Self::Native(n) = self else { return None };
        match n.form {
            Form::Number if n.name != "creation" => Some(n.header.len().max(5)),
            Form::Index(words) => {
                Some(words.iter().map(|w| w.len()).max().unwrap_or(0).max(n.header.len()))
            }
            _ => None,
        }
    }

    pub fn needs_space(&self) -> bool {
        matches!(self, Self::Native(n) if needs_space(n))
    }
}

/// Reads a comma-separated list of properties.
pub fn parse_list(text: &str, with_name: bool) -> Result<Vec<Column>, Fail> {
    if text == "all" {
        let name = proptable::find("name").map(Column::Native).filter(|_| with_name);
        let all = NATIVE.iter().filter(|n| !n.hidden).map(Column::Native);
        return Ok(name.into_iter().chain(all).collect());
    }
    let text = if text == "space" {
        "name,available,used,usedbysnapshots,usedbydataset,usedbyrefreservation,usedbychildren"
    } else {
        text
    };
    text.split(',')
        .map(|name| {
            Column::parse(name).map_or_else(
                || usage_error(format!("bad property list: invalid property '{name}'")),
                Ok,
            )
        })
        .collect()
}

/// Reads a list of dataset types (`-t`).
pub fn parse_types(text: &str) -> Result<u8, Fail> {
    text.split(',').try_fold(0, |types, name| {
        Ok(types
            | match name {
                "filesystem" => FS,
                "volume" => VOL,
                "snapshot" | "snap" => SNAP,
                "bookmark" => BOOKMARK,
                "all" => FS | VOL | SNAP | BOOKMARK,
                other => return usage_error(format!("invalid type '{other}'")),
            })
    })
}

/// Reads a depth (`-d`).
pub fn parse_depth(text: &str) -> Result<usize, Fail> {
    match text.parse::<i64>() {
        Err(_) => usage_error(format!("{text} is not an integer")),
        Ok(n) if n < 0 => usage_error("Depth can not be negative."),
        Ok(n) => Ok(n as usize),
    }
}

/// What to walk over.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    /// Types to show.
    pub types: u8,
    pub recursive: bool,
    pub depth: Option<usize>,
    /// Whether snapshots and bookmarks below are shown, or only those that are named.
    pub snapshots_below: bool,
}

/// A dataset found.
pub struct Row<'a> {
    pub name: String,
    pub item: Item<'a>,
}

/// Finds what the arguments name, or everything; in name order with snapshots after their dataset, each once. Names
/// that cannot be opened are reported on stderr; the second value says whether there were any.
pub fn walk<'a>(zfs: &'a Zfs, args: &[String], walk: Walk) -> (Vec<Row<'a>>, bool) {
    let mut rows = Vec::new();
    let mut failed = false;
    if args.is_empty() {
        let all = Walk { recursive: true, ..walk };
        for pool in zfs.pools() {
            add(zfs, &pool, all, &mut rows);
        }
    } else {
        for arg in args {
            match open(zfs, arg, walk) {
                Ok(name) => add(zfs, &name, walk, &mut rows),
                Err(e) => {
                    eprintln!("{e}");
                    failed = true;
                }
            }
        }
        let sorted = rows.windows(2).all(|w| key(&w[0].name) < key(&w[1].name));
        if !sorted {
            sort(&mut rows);
            rows.dedup_by(|a, b| a.name == b.name);
        }
    }
    (rows, failed)
}

/// Datasets before their snapshots; snapshots keep the order they were found in (their creation).
fn key(name: &str) -> (&str, bool) {
    match name.split_once(['@', '#']) {
        Some((ds, _)) => (ds, true),
        None => (name, false),
    }
}

fn created(row: &Row<'_>) -> (u64, u64) {
    match row.item {
        Item::Snap(_, s) => (s.createtxg, s.id),
        _ => (0, 0),
    }
}

fn sort(rows: &mut [Row<'_>]) {
    rows.sort_by(|a, b| {
        key(&a.name)
            .cmp(&key(&b.name))
            .then_with(|| created(a).cmp(&created(b)))
            .then_with(|| a.name.cmp(&b.name))
    });
}

/// Opens one argument as a name or path, as an allowed type.
fn open(zfs: &Zfs, arg: &str, walk: Walk) -> Result<String, Error> {
    use super::super::names::{self, Want};
    use super::super::{Code, error};
    let name = if arg.starts_with('/') {
        zfs.filesystem_at(arg).filter(|_| zfs.root.join(&arg[1..]).exists()).ok_or_else(|| {
            error::Error::new(Code::NotFound, format!("{arg}: No such file or directory"))
        })?
    } else {
        arg.to_owned()
    };
    let action = format!("open '{name}'");
    let want = match walk.types & (SNAP | BOOKMARK) {
        0 => Want::Dataset,
        _ if name.contains('#') => Want::Bookmark,
        _ if name.contains('@') => Want::Snapshot,
        _ => Want::Dataset,
    };
    names::check(&name, want, false).map_err(|why| Error::cannot(Code::Refused, &action, why))?;
    let item = zfs.item(&name).ok_or_else(|| Error::no_dataset(&name))?;
    let mut allowed = walk.types;
    if walk.recursive {
        allowed |= FS;
        if walk.types & (SNAP | BOOKMARK) != 0 {
            allowed |= VOL;
        }
    }
    if item.types() & allowed == 0 {
        let why = "operation not applicable to datasets of this type";
        return Err(Error::cannot(Code::Refused, action, why));
    }
    Ok(name)
}

fn add<'a>(zfs: &'a Zfs, name: &str, walk: Walk, rows: &mut Vec<Row<'a>>) {
    if name.contains(['@', '#']) {
        if let Some(item) = zfs.item(name) {
            rows.push(Row { name: name.to_owned(), item });
        }
        return;
    }
    let limit = if walk.recursive { walk.depth.unwrap_or(usize::MAX) } else { 0 };
    let base = name.matches('/').count();
    let top = zfs.state.datasets.get_key_value(name);
    let below = zfs.state.descendants(name);
    for (full, ds) in top.into_iter().chain(below.take_while(|_| limit > 0)) {
        let depth = full.matches('/').count() - base;
        if depth > limit {
            continue;
        }
        let item = Item::Dataset(ds);
        if item.types() & walk.types != 0 {
            rows.push(Row { name: full.clone(), item });
        }
        if depth >= limit || !walk.snapshots_below {
            continue;
        }
        if walk.types & SNAP != 0 {
            for snap in &ds.snaps {
                let name = format!("{full}@{}", snap.name);
                rows.push(Row { name, item: Item::Snap(ds, snap) });
            }
        }
        if walk.types & BOOKMARK != 0 {
            for mark in &ds.bookmarks {
                let name = format!("{full}#{}", mark.name);
                rows.push(Row { name, item: Item::Bookmark(mark) });
            }
        }
    }
}

/// Reads values of many rows, measuring each pool once.
pub struct Reader<'a> {
    zfs: &'a Zfs,
    maps: HashMap<String, SpaceMap<'a>>,
    inherited: HashMap<(String, &'static str), Option<Value>>,
}

impl<'a> Reader<'a> {
    /// `measure` where any property needs it.
    pub fn new(zfs: &'a Zfs, rows: &[Row<'_>], measure: bool) -> Self {
        let mut maps = HashMap::new();
        if measure {
            for row in rows {
                let pool = pool_of(&row.name);
                if !maps.contains_key(pool) {
                    maps.insert(pool.to_owned(), zfs.space(pool));
                }
            }
        }
        Self { zfs, maps, inherited: HashMap::new() }
    }

    pub fn value(&mut self, row: &Row<'_>, column: &Column) -> Option<Value> {
        if let Column::Native(native) = column
            && native.attr == Attr::Inherit
            && native.name != "mountpoint"
            && let Item::Dataset(ds) = row.item
            && native.applies_to(row.item.types())
            && !ds.props.contains_key(native.name)
            && let Some(parent) = parent_of(&row.name)
        {
            return self.inherited_value(parent, native);
        }
        let map = self.maps.get(pool_of(&row.name));
        self.zfs.value(&row.name, row.item, column.name(), map)
    }

    /// What children of `parent` inherit; the same for all of them.
    fn inherited_value(&mut self, parent: &str, native: &'static Native) -> Option<Value> {
        use super::super::get::Source;
        let key = (parent.to_owned(), native.name);
        if let Some(known) = self.inherited.get(&key) {
            return known.clone();
        }
        let own = self.zfs.state.datasets.get(parent).and_then(|d| d.own(native.name).map(|_| d));
        let value = match (own, parent_of(parent)) {
            (Some(ds), _) => {
                self.zfs.value(parent, Item::Dataset(ds), native.name, None).map(|v| Value {
                    source: Source::Inherited(parent.to_owned()),
                    received: None,
                    ..v
                })
            }
            (None, Some(above)) => self.inherited_value(above, native),
            (None, None) => Some(default_value(native)),
        };
        self.inherited.insert(key, value.clone());
        value
    }
}
