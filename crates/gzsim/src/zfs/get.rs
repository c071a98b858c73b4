//! Reading properties.

use super::Zfs;
use super::error::{Error, Result};
use super::number::nice;
use super::props::type_bit;
use super::proptable::{self, Attr, BOOKMARK, Form, Native, SNAP, UNLIMITED};
use super::space::SpaceMap;
use super::state::{Bookmark, Dataset, Snap, own, parent_of};
use super::token;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`: a fact, or nothing.
    None,
    Default,
    Local,
    Received,
    /// The dataset above that has it.
    Inherited(String),
}

/// A property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As `-p` prints it.
    pub exact: String,
    /// As printed for people.
    pub nice: String,
    pub source: Source,
    /// What was received, if anything.
    pub received: Option<String>,
}

/// A filesystem, volume, snapshot or bookmark being read.
#[derive(Clone, Copy)]
pub enum Item<'a> {
    Dataset(&'a Dataset),
    Snap(&'a Dataset, &'a Snap),
    Bookmark(&'a Bookmark),
}

impl Item<'_> {
    /// The bit of the property table.
    pub fn types(self) -> u8 {
        match self {
            Self::Dataset(ds) => type_bit(ds.kind),
            Self::Snap(..) => SNAP,
            Self::Bookmark(_) => BOOKMARK,
        }
    }

    pub fn type_name(self) -> &'static str {
        match self {
            Self::Dataset(ds) if ds.is_volume() => "volume",
            Self::Dataset(_) => "filesystem",
            Self::Snap(..) => "snapshot",
            Self::Bookmark(_) => "bookmark",
        }
    }
}

/// Whether a property can only be told by measuring contents.
pub fn needs_space(native: &Native) -> bool {
    matches!(
        native.name,
        "used"
            | "available"
            | "referenced"
            | "usedbysnapshots"
            | "usedbydataset"
            | "usedbychildren"
            | "usedbyrefreservation"
            | "written"
            | "logicalused"
            | "logicalreferenced"
    )
}

impl Zfs {
    /// A property's value in `-p` form; `-` where there is none.
    pub fn get(&self, name: &str, prop: &str) -> Result<String> {
        Ok(self.get_value(name, prop)?.map_or_else(|| "-".to_owned(), |v| v.exact))
    }

    /// A property's value; `None` where it does not apply.
    pub fn get_value(&self, name: &str, prop: &str) -> Result<Option<Value>> {
        let item = self.item(name).ok_or_else(|| Error::no_dataset(name))?;
        let native = proptable::find(prop);
        let measure = native.is_some_and(needs_space);
        let map = measure.then(|| self.space(super::state::pool_of(name)));
        Ok(self.value(name, item, prop, map.as_ref()))
    }

    /// Finds what a name stands for.
    pub(super) fn item(&self, name: &str) -> Option<Item<'_>> {
        if let Some((ds, mark)) = name.split_once('#') {
            let ds = self.state.datasets.get(ds)?;
            return ds.bookmarks.iter().find(|b| b.name == mark).map(Item::Bookmark);
        }
        if name.contains('@') {
            return self.state.snap(name).map(|(ds, snap)| Item::Snap(ds, snap));
        }
        self.state.datasets.get(name).map(Item::Dataset)
    }

    /// Whether an on/off property in force is on.
    pub(super) fn is_on(&self, name: &str, prop: &str) -> bool {
        self.state.inherited_on(name, prop)
    }

    /// One property of an item. `space` must be there for properties that need it.
    pub(super) fn value(
        &self,
        name: &str,
        item: Item<'_>,
        prop: &str,
        space: Option<&SpaceMap<'_>>,
    ) -> Option<Value> {
        let Some(native) = proptable::find(prop) else {
            return self.inherited(name, item, prop, None);
        };
        if !native.applies_to(item.types()) {
            return None;
        }
        if native.attr == Attr::ReadOnly {
            return self.fact(name, item, native, space);
        }
        if native.name == "mountpoint" {
            return self.mountpoint_value(name, item);
        }
        self.inherited(name, item, native.name, Some(native))
    }

    /// A property that is set somewhere, or has a default.
    fn inherited(
        &self,
        name: &str,
        item: Item<'_>,
        prop: &str,
        native: Option<&Native>,
    ) -> Option<Value> {
        let props = match item {
            Item::Dataset(ds) => &ds.props,
            Item::Snap(_, snap) => &snap.props,
            Item::Bookmark(_) => return None,
        };
        let received = props.get(prop).and_then(|p| p.received.clone());
        let with = |exact: &str, source: Source| {
            let nice = native.map_or_else(|| exact.to_owned(), |n| for_people(n, exact));
            Some(Value { exact: exact.to_owned(), nice, source, received: received.clone() })
        };
        if let Some((value, was_received)) = own(props, prop) {
            let source = match native {
                // facts of the dataset since it was made
                Some(n) if matches!(n.name, "volsize") => Source::Local,
                Some(n) if n.name == "volblocksize" && value == n.default => Source::Default,
                Some(n) if n.attr == Attr::Own && value == n.default => Source::Default,
                _ if was_received => Source::Received,
                _ => Source::Local,
            };
            return with(value, source);
        }
        let passes_down = native.is_none_or(|n| n.attr == Attr::Inherit);
        if passes_down {
            let mut at = match name.split_once('@') {
                Some((ds, _)) => Some(ds),
                None => parent_of(name),
            };
            while let Some(above) = at {
                if let Some(value) = self.state.datasets.get(above).and_then(|d| d.own(prop)) {
                    return with(value, Source::Inherited(above.to_owned()));
                }
                at = parent_of(above);
            }
        }
        let native = native?;
        let once = native.attr == Attr::Once || native.name == "version";
        let source =
            if once && native.name != "volblocksize" { Source::None } else { Source::Default };
        with(native.default, source)
    }

    fn mountpoint_value(&self, name: &str, item: Item<'_>) -> Option<Value> {
        let Item::Dataset(ds) = item else { return None };
        let exact = self.state.mountpoint(name);
        let source = match own(&ds.props, "mountpoint") {
            Some((_, true)) => Source::Received,
            Some((_, false)) => Source::Local,
            None => {
                let mut at = parent_of(name);
                loop {
                    match at {
                        None => break Source::Default,
                        Some(above)
                            if self
                                .state
                                .datasets
                                .get(above)
                                .is_some_and(|d| d.own("mountpoint").is_some()) =>
                        {
                            break Source::Inherited(above.to_owned());
                        }
                        Some(above) => at = parent_of(above),
                    }
                }
            }
        };
        let received = ds.props.get("mountpoint").and_then(|p| p.received.clone());
        Some(Value { nice: exact.clone(), exact, source, received })
    }

    /// A property that cannot be set.
    fn fact(
        &self,
        name: &str,
        item: Item<'_>,
        native: &Native,
        space: Option<&SpaceMap<'_>>,
    ) -> Option<Value> {
        let exact = match (native.name, item) {
            ("name", _) => name.to_owned(),
            ("type", item) => item.type_name().to_owned(),
            ("creation", Item::Dataset(d)) => d.creation.to_string(),
            ("creation", Item::Snap(_, s)) => s.creation.to_string(),
            ("creation", Item::Bookmark(b)) => b.creation.to_string(),
            ("guid", Item::Dataset(d)) => d.guid.to_string(),
            ("guid", Item::Snap(_, s)) => s.guid.to_string(),
            ("guid", Item::Bookmark(b)) => b.guid.to_string(),
            ("createtxg", Item::Dataset(d)) => d.createtxg.to_string(),
            ("createtxg", Item::Snap(_, s)) => s.createtxg.to_string(),
            ("createtxg", Item::Bookmark(b)) => b.createtxg.to_string(),
            ("objsetid", Item::Dataset(d)) => d.id.to_string(),
            ("objsetid", Item::Snap(_, s)) => s.id.to_string(),
            ("compressratio" | "refcompressratio", _) => "1.00x".to_owned(),
            ("mounted", Item::Dataset(d)) => if d.mounted { "yes" } else { "no" }.to_owned(),
            ("origin", Item::Dataset(d)) => d.origin.clone()?,
            ("prevsnap", Item::Dataset(d)) => format!("{name}@{}", d.snaps.last()?.name),
            ("userrefs", Item::Snap(_, s)) => s.holds.len().to_string(),
            ("defer_destroy", Item::Snap(_, s)) => {
                if s.defer_destroy { "on" } else { "off" }.to_owned()
            }
            ("clones", Item::Snap(..)) => self.state.clones_of(name).join(","),
            ("numclones", Item::Snap(..)) => self.state.clones_of(name).len().to_string(),
            ("receive_resume_token", Item::Dataset(d)) => token::make(d.partial.as_ref()?),
            ("filesystem_count" | "snapshot_count", Item::Dataset(_)) => {
                self.count(name, native.name == "snapshot_count")
            }
            (prop, Item::Dataset(_)) => dataset_size(prop, name, space?)?.to_string(),
            (prop, Item::Snap(ds, snap)) => snap_size(prop, name, ds, snap, space?)?.to_string(),
            _ => return None,
        };
        let nice = for_people(native, &exact);
        Some(Value { exact, nice, source: Source::None, received: None })
    }

    /// Datasets or snapshots below, counted only under a limit.
    fn count(&self, name: &str, snapshots: bool) -> String {
        let limit = if snapshots { "snapshot_limit" } else { "filesystem_limit" };
        let mut at = Some(name);
        let mut limited = false;
        while let Some(n) = at {
            limited |= self
                .state
                .datasets
                .get(n)
                .and_then(|d| d.own(limit))
                .is_some_and(|v| v != UNLIMITED);
            at = parent_of(n);
        }
        if !limited {
            return UNLIMITED.to_owned();
        }
        let below = self.state.descendants(name);
        if snapshots {
            let own = self.state.datasets.get(name).map_or(0, |d| d.snaps.len());
            (own + below.map(|(_, d)| d.snaps.len()).sum::<usize>()).to_string()
        } else {
            below.count().to_string()
        }
    }
}

/// What a property is where nothing is set.
pub fn default_value(native: &Native) -> Value {
    Value {
        exact: native.default.to_owned(),
        nice: for_people(native, native.default),
        source: Source::Default,
        received: None,
    }
}

fn dataset_size(prop: &str, name: &str, map: &SpaceMap<'_>) -> Option<u64> {
    let space = map.of(name);
    Some(match prop {
        "used" | "logicalused" => space.used(),
        "available" => map.available(name),
        "referenced" | "logicalreferenced" => space.referenced,
        "usedbysnapshots" => space.by_snapshots,
        "usedbydataset" => space.by_dataset,
        "usedbychildren" => space.by_children,
        "usedbyrefreservation" => space.by_refreservation,
        "written" => space.written,
        _ => return None,
    })
}

fn snap_size(prop: &str, name: &str, ds: &Dataset, snap: &Snap, map: &SpaceMap<'_>) -> Option<u64> {
    Some(match prop {
        "used" => {
            let last = ds.snaps.last().is_some_and(|l| l.id == snap.id);
            let live = name.split('@').next().unwrap_or(name);
            snap.unique + if last { map.of(live).freed } else { 0 }
        }
        "referenced" | "logicalreferenced" => snap.referenced,
        "written" => snap.written,
        _ => return None,
    })
}

/// The form without `-p`.
fn for_people(native: &Native, exact: &str) -> String {
    if native.form != Form::Number {
        return exact.to_owned();
    }
    let Ok(n) = exact.parse::<u64>() else { return exact.to_owned() };
    match native.name {
        "guid" | "createtxg" | "objsetid" => exact.to_owned(),
        "creation" => date(n),
        "quota" | "refquota" | "reservation" | "refreservation" if n == 0 => "none".to_owned(),
        "filesystem_limit" | "snapshot_limit" | "filesystem_count" | "snapshot_count"
            if exact == UNLIMITED =>
        {
            "none".to_owned()
        }
        _ => nice(n),
    }
}

/// `Sat Nov 21  4:33 2026`, in UTC as illumos's global zones keep it.
pub fn date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    let (hour, minute) = (seconds % 86_400 / 3600, seconds % 3600 / 60);
    // days since 1 March of year 0, in eras of 400 years
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    format!(
        "{} {} {day:>2} {hour:>2}:{minute:02} {year}",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize]
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        assert_eq!(super::date(0), "Thu Jan  1  0:00 1970");
        assert_eq!(super::date(1_795_235_222), "Sat Nov 21  4:27 2026");
        assert_eq!(super::date(951_782_400), "Tue Feb 29  0:00 2000");
    }
}
