//! The zones of the root: the index together with what runs.

use anyhow::Result;
use zonecfg::Zone;
use zonecfg::index::{Update, ZoneState};
use zonecfg::model::IpType;
use zonecfg::store::{Error, Root};

use crate::ctx::Ctx;
use crate::zones::live::{self, LiveState};

/// State of a zone as zoneadm names it; in the order of illumos's `ZONE_STATE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Configured,
    Incomplete,
    Installed,
    Ready,
    Running,
    ShuttingDown,
    Down,
}

impl State {
    /// The word that zoneadm prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Incomplete => "incomplete",
            Self::Installed => "installed",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::ShuttingDown => "shutting_down",
            Self::Down => "down",
        }
    }
}

/// One zone, as a row of `zoneadm list`.
#[derive(Debug, Clone)]
pub struct Row {
    /// Zone ID; none unless the zone is ready or running.
    pub id: Option<u32>,
    pub name: String,
    pub state: State,
    pub path: String,
    /// UUID in lower case, or empty.
    pub uuid: String,
    pub brand: String,
    pub ip_type: IpType,
    pub debugid: Option<u32>,
}

/// The zones of the root, without `global`, in the order of the index.
pub fn rows(ctx: &Ctx) -> Result<Vec<Row>> {
    let zones = live::current(ctx)?;
    let index = store(ctx).index()?;
    let rows = index.entries().filter(|entry| entry.name != "global").map(|entry| {
        let running = zones.live.get(&entry.name);
        let state = match (running.map(|zone| zone.state), entry.state) {
            (Some(LiveState::Ready), _) => State::Ready,
            (Some(LiveState::Running), _) => State::Running,
            (Some(LiveState::ShuttingDown), _) => State::ShuttingDown,
            (None, ZoneState::Configured) => State::Configured,
            (None, ZoneState::Incomplete) => State::Incomplete,
            (None, ZoneState::Installed) => State::Installed,
        };
        Row {
            id: running.map(|zone| zone.id),
            name: entry.name,
            state,
            path: entry.path,
            uuid: entry.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            brand: entry.brand,
            ip_type: entry.iptype,
            debugid: entry.debugid,
        }
    });
    Ok(rows.collect())
}

/// The row of one zone.
pub fn row(ctx: &Ctx, name: &str) -> Result<Option<Row>> {
    Ok(rows(ctx)?.into_iter().find(|row| row.name == name))
}

/// The configuration of a zone.
pub fn config(ctx: &Ctx, name: &str) -> Result<Zone> {
    Ok(store(ctx).read_zone(name)?)
}

/// Sets the state in the index.
pub fn set_state(ctx: &Ctx, name: &str, state: ZoneState) -> Result<()> {
    store(ctx).update_index(|index| -> Result<(), Error> { Ok(index.set_state(name, state)?) })?;
    Ok(())
}

/// Sets the zone path, in the index and in the zone's configuration.
pub fn set_path(ctx: &Ctx, name: &str, path: &str) -> Result<()> {
    let mut zone = config(ctx, name)?;
    zone.set("zonepath", path);
    store(ctx).write_zone(&zone)?;
    let update = Update { path: Some(path.to_owned()), ..Update::default() };
    store(ctx).update_index(|index| -> Result<(), Error> { Ok(index.modify(name, &update)?) })?;
    Ok(())
}

fn store(ctx: &Ctx) -> Root {
    Root::open(ctx.root())
}
