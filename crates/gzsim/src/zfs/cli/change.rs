//! Subcommands that change what is there: set, inherit, snapshot, rename, promote, rollback, bookmark, hold, release.

use std::path::Path;

use super::super::names::{self, Want};
use super::super::proptable::{self, Attr, FS, SNAP, VOL};
use super::super::{Code, Error, Zfs};
use super::columns::{Walk, walk};
use super::getopt::options;
use super::{Fail, Outcome, change_one, parse_property, usage_error};

pub fn set(root: &Path, args: &[String]) -> Outcome {
    if let Some(bad) = args.first().and_then(|a| a.strip_prefix('-')) {
        return usage_error(format!("invalid option '{}'", bad.chars().next().unwrap_or('-')));
    }
    match args {
        [] => return usage_error("missing arguments"),
        [only] if only.contains('=') => return usage_error("missing dataset name(s)"),
        [_] => return usage_error("missing property=value argument(s)"),
        _ => {}
    }
    let first = args.iter().position(|a| !a.contains('=')).unwrap_or(args.len());
    let (props, names) = args.split_at(first);
    if names.is_empty() {
        return usage_error("missing dataset name(s)");
    }
    if names.iter().any(|n| n.contains('=')) {
        return usage_error("invalid argument order");
    }
    let mut pairs = Vec::new();
    for prop in props {
        // exits with -1 on illumos
        parse_property(&mut pairs, prop).map_err(|why| Fail::Exit(why, 255))?;
    }
    let mut zfs = Zfs::open(root)?;
    each(&mut zfs, names, |zfs, name| {
        open(zfs, name)?;
        zfs.set_pairs(name, &pairs)
    })
}

/// Does one thing to each name, going on after a refusal.
fn each(
    zfs: &mut Zfs,
    names: &[String],
    mut action: impl FnMut(&mut Zfs, &str) -> Result<(), Error>,
) -> Outcome {
    let mut code = 0;
    for name in names {
        match action(zfs, name) {
            Ok(()) => zfs.commit()?,
            Err(e) => {
                eprintln!("{e}");
                zfs.revert()?;
                code = 1;
            }
        }
    }
    Ok(code)
}

/// Refuses a name that does not stand for a filesystem, volume or snapshot.
fn open(zfs: &Zfs, name: &str) -> Result<(), Error> {
    let want = if name.contains('@') { Want::Snapshot } else { Want::Dataset };
    names::check(name, want, false)
        .map_err(|why| Error::cannot(Code::Refused, format_args!("open '{name}'"), why))?;
    if zfs.exists(name) { Ok(()) } else { Err(Error::no_dataset(name)) }
}

pub fn inherit(root: &Path, args: &[String]) -> Outcome {
    let parsed = options(args, "rS")?;
    let recursive = parsed.options.iter().any(|(o, _)| *o == 'r');
    let received = parsed.options.iter().any(|(o, _)| *o == 'S');
    let Some((prop, names)) = parsed.rest.split_first() else {
        return usage_error("missing property argument");
    };
    if names.is_empty() {
        return usage_error("missing dataset argument");
    }
    match proptable::find(prop) {
        None if !proptable::is_user(prop) => {
            return usage_error(format!("invalid property '{prop}'"));
        }
        Some(native) if !native.settable() || native.attr == Attr::Once => {
            return Err(Fail::Exit(format!("{prop} property is read-only"), 1));
        }
        Some(native) if !native.inheritable() && !received => {
            let mut text = format!("'{prop}' property cannot be inherited");
            if native.name.ends_with("quota") || native.name.ends_with("reservation") {
                text.push_str(&format!(
                    "\nuse 'zfs set {prop}=none' to clear\n\
                     use 'zfs inherit -S {prop}' to revert to received value"
                ));
            }
            return Err(Fail::Exit(text, 1));
        }
        Some(native) if received && matches!(native.name, "volsize" | "version") => {
            let text = format!("'{prop}' property cannot be reverted to a received value");
            return Err(Fail::Exit(text, 1));
        }
        _ => {}
    }
    let mut zfs = Zfs::open(root)?;
    if !recursive {
        return each(&mut zfs, names, |zfs, name| {
            open(zfs, name)?;
            zfs.inherit(name, prop, received)
        });
    }
    let all = Walk { types: FS | VOL | SNAP, recursive, depth: None, snapshots_below: true };
    let (rows, failed) = walk(&zfs, names, all);
    let applies = |types: u8| proptable::find(prop).is_none_or(|n| n.applies_to(types));
    let targets: Vec<String> =
        rows.into_iter().filter(|r| applies(r.item.types())).map(|r| r.name).collect();
    for name in targets {
        zfs.inherit(&name, prop, received)?;
    }
    zfs.commit()?;
    Ok(i32::from(failed))
}

pub fn snapshot(root: &Path, args: &[String]) -> Outcome {
    let parsed = options(args, "ro:")?;
    let mut pairs = Vec::new();
    let mut recursive = false;
    for (option, value) in parsed.options {
        match option {
            'r' => recursive = true,
            _ => parse_property(&mut pairs, &value).map_err(|why| Fail::Exit(why, 1))?,
        }
    }
    if parsed.rest.is_empty() {
        return usage_error("missing snapshot argument");
    }
    let mut zfs = Zfs::open(root)?;
    let mut names = Vec::new();
    for arg in &parsed.rest {
        let Some((ds, snap)) = arg.split_once('@') else { return usage_error("") };
        if let Err(e) = open(&zfs, ds) {
            return usage_error(e.to_string());
        }
        names.push(arg.clone());
        if recursive {
            let below = zfs.state.descendants(ds).filter(|(_, d)| !d.inconsistent);
            names.extend(below.map(|(n, _)| format!("{n}@{snap}")));
        }
    }
    let many = recursive || parsed.rest.len() > 1;
    let taken = zfs.snapshot_all(&names, &pairs).and_then(|()| zfs.commit());
    match taken {
        Ok(()) => Ok(0),
        Err(e) if many => Err(Fail::Exit(format!("{e}\nno snapshots were created"), 1)),
        Err(e) => Err(e.into()),
    }
}

pub fn rollback(root: &Path, args: &[String]) -> Outcome {
    let parsed = options(args, "rRf")?;
    let clones = parsed.options.iter().any(|(o, _)| *o == 'R');
    let recursive = clones || parsed.options.iter().any(|(o, _)| *o == 'r');
    let [name] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing dataset argument",
            _ => "too many arguments",
        });
    };
    change_one(root, |zfs| {
        names::check(name, Want::Snapshot, false)
            .map_err(|why| Error::cannot(Code::Refused, format_args!("open '{name}'"), why))?;
        zfs.rollback(name, recursive, clones)
    })
}

pub fn promote(root: &Path, args: &[String]) -> Outcome {
    if let Some(bad) = args.first().and_then(|a| a.strip_prefix('-')) {
        return usage_error(format!("invalid option '{}'", bad.chars().next().unwrap_or('-')));
    }
    let [name] = args else {
        return usage_error(match args.len() {
            0 => "missing clone filesystem argument",
            _ => "too many arguments",
        });
    };
    change_one(root, |zfs| {
        names::check(name, Want::Dataset, false)
            .map_err(|why| Error::cannot(Code::Refused, format_args!("open '{name}'"), why))?;
        zfs.promote(name)
    })
}

pub fn rename(root: &Path, args: &[String]) -> Outcome {
    let parsed = options(args, "prf")?;
    let parents = parsed.options.iter().any(|(o, _)| *o == 'p');
    let recursive = parsed.options.iter().any(|(o, _)| *o == 'r');
    let [from, to] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing source dataset argument",
            1 => "missing target dataset argument",
            _ => "too many arguments",
        });
    };
    if recursive && parents {
        return usage_error("-p and -r options are mutually exclusive");
    }
    if recursive && !from.contains('@') {
        return usage_error("source dataset for recursive rename must be a snapshot");
    }
    change_one(root, |zfs| {
        open(zfs, from)?;
        if from.contains('@') {
            return zfs.rename_snapshot(from, to, recursive);
        }
        if parents && names::check(to, Want::Dataset, true).is_ok() {
            zfs.create_ancestors(to)?;
        }
        zfs.rename(from, to)
    })
}

pub fn bookmark(root: &Path, args: &[String]) -> Outcome {
    let parsed = options(args, "")?;
    let [snap, mark] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing snapshot argument",
            _ => "missing bookmark argument",
        });
    };
    if !mark.contains('#') {
        return usage_error(format!("invalid bookmark name '{mark}' -- must contain a '#'"));
    }
    let snap = match snap.strip_prefix('@') {
        Some(short) => format!("{}@{short}", mark.split('#').next().unwrap_or_default()),
        None => snap.clone(),
    };
    let mut zfs = Zfs::open(root)?;
    if let Err(e) = open(&zfs, &snap) {
        return usage_error(e.to_string());
    }
    zfs.bookmark(&snap, mark)?;
    zfs.commit()?;
    Ok(0)
}

pub fn hold(root: &Path, args: &[String], holding: bool) -> Outcome {
    let parsed = options(args, if holding { "rt" } else { "r" })?;
    let recursive = parsed.options.iter().any(|(o, _)| *o == 'r');
    let Some((tag, names)) = parsed.rest.split_first().filter(|(_, n)| !n.is_empty()) else {
        return usage_error("");
    };
    if holding && tag.starts_with('.') {
        return usage_error("tag may not start with '.'");
    }
    let mut zfs = Zfs::open(root)?;
    each(&mut zfs, names, |zfs, name| {
        if !name.contains('@') {
            return Err(Error::new(Code::Refused, format!("'{name}' is not a snapshot")));
        }
        if holding { zfs.hold(tag, name, recursive) } else { zfs.release(tag, name, recursive) }
    })
}
