//! `zfs create` and `zfs clone`.

use std::path::Path;

use super::super::create::{copies, volblocksize};
use super::super::names::{self, Want};
use super::super::props::{self, Target};
use super::super::proptable::{FS, VOL};
use super::super::state::pool_of;
use super::super::{Code, Error, Zfs, number, reservation};
use super::{Fail, Outcome, getopt, parse_property, print, usage_error};

#[derive(Default)]
struct Flags {
    parents: bool,
    dry_run: bool,
    verbose: bool,
    parsable: bool,
    sparse: bool,
    block_given: bool,
}

pub fn create(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::getopt(args, "PV:b:nso:pv").map_err(|t| match t {
        getopt::Trouble::MissingArgument(_) => Fail::Usage("missing size argument".into()),
        getopt::Trouble::Unknown(_) => Fail::Usage(t.text(false)),
    })?;
    let mut flags = Flags::default();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut volsize = None;
    for (option, value) in parsed.options {
        let size = |what: &str| {
            number::parse(&value)
                .map_err(|why| Fail::Exit(format!("bad volume {what} '{value}': {why}"), 1))
        };
        match option {
            'V' => {
                let n = size("size")?;
                volsize = Some(n);
                pairs.retain(|(p, _)| p != "volsize");
                pairs.push(("volsize".into(), n.to_string()));
            }
            'b' => {
                flags.block_given = true;
                pairs.push(("volblocksize".into(), size("block size")?.to_string()));
            }
            'o' => parse_property(&mut pairs, &value).map_err(|why| Fail::Exit(why, 1))?,
            'p' => flags.parents = true,
            'n' => flags.dry_run = true,
            'v' => flags.verbose = true,
            'P' => (flags.verbose, flags.parsable) = (true, true),
            _ => flags.sparse = true,
        }
    }
    if (flags.block_given || flags.sparse) && volsize.is_none() {
        return usage_error("'-s' and '-b' can only be used when creating a volume");
    }
    let kind = if volsize.is_some() { "volume" } else { "filesystem" };
    let [name] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => format!("missing {kind} argument"),
            _ => "too many arguments".to_owned(),
        });
    };
    let mut zfs = Zfs::open(root)?;
    run_create(&mut zfs, name, volsize, pairs, &flags)
}

fn run_create(
    zfs: &mut Zfs,
    name: &str,
    volsize: Option<u64>,
    mut pairs: Vec<(String, String)>,
    flags: &Flags,
) -> Outcome {
    let reserved = volsize.filter(|_| !flags.sparse);
    if flags.dry_run || reserved.is_some() {
        let pool = pool_of(name);
        if !zfs.state.pools.contains_key(pool) {
            let what = format!("open '{pool}'");
            return Err(Error::cannot(Code::NotFound, what, "no such pool").into());
        }
        let verb = if flags.dry_run { "verify" } else { "create" };
        let types = if volsize.is_some() { VOL } else { FS };
        let target = Target { types, existing: None, zoned: false };
        props::validate(&format!("{verb} '{name}'"), &pairs, target)?;
    }
    if let Some(size) = reserved
        && !pairs.iter().any(|(n, _)| n == "refreservation")
    {
        let bytes = reservation::for_volume(size, volblocksize(&pairs), copies(&pairs));
        pairs.push(("refreservation".into(), bytes.to_string()));
    }
    let mut told = String::new();
    let mut tell = |parsable: String, plain: String| {
        if flags.verbose {
            told.push_str(if flags.parsable { &parsable } else { &plain });
        }
    };
    if flags.parents && names::check(name, Want::Dataset, true).is_ok() {
        if zfs.exists(name) {
            return Ok(0);
        }
        let would = if flags.dry_run { "would create" } else { "create" };
        tell(format!("create_ancestors\t{name}\n"), format!("{would} ancestors of {name}\n"));
        if !flags.dry_run {
            zfs.create_ancestors(name)?;
        }
    }
    let would = if flags.dry_run { "would create" } else { "create" };
    tell(format!("create\t{name}\n"), format!("{would} {name}\n"));
    for (prop, value) in &pairs {
        tell(format!("property\t{prop}\t{value}\n"), format!("\t{prop}={value}\n"));
    }
    print(&told)?;
    if flags.dry_run {
        return Ok(0);
    }
    let obstacle = if volsize.is_some() {
        zfs.create_vol(name, &pairs)?;
        None
    } else {
        zfs.create_filesystem(name, &pairs)?
    };
    zfs.commit()?;
    match obstacle {
        None => Ok(0),
        Some(why) => {
            eprintln!("{why}\nfilesystem successfully created, but not mounted");
            Ok(1)
        }
    }
}

pub fn clone(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options(args, &getopt::of_system(root, "Fo:p"))?;
    let mut pairs = Vec::new();
    let mut parents = false;
    for (option, value) in parsed.options {
        match option {
            'o' => parse_property(&mut pairs, &value).map_err(|why| Fail::Exit(why, 1))?,
            'p' => parents = true,
            // -F: keep trying to mount while the mountpoint is busy; ours never is
            _ => {}
        }
    }
    let [snap, target] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing source dataset argument",
            1 => "missing target dataset argument",
            _ => "too many arguments",
        });
    };
    let mut zfs = Zfs::open(root)?;
    names::check(snap, Want::Snapshot, false)
        .map_err(|why| Error::cannot(Code::Refused, format_args!("open '{snap}'"), why))?;
    if !zfs.exists(snap) {
        return Err(Error::no_dataset(snap).into());
    }
    if parents && names::check(target, Want::Dataset, true).is_ok() {
        if zfs.exists(target) {
            return Ok(0);
        }
        zfs.create_ancestors(target)?;
    }
    let obstacle = zfs.clone_to(snap, target, &pairs)?;
    zfs.commit()?;
    match obstacle {
        None => Ok(0),
        Some(why) => {
            eprintln!("{why}\nclone successfully created, but not mounted");
            Ok(1)
        }
    }
}
