//! `zfs destroy`.

use std::path::Path;

use super::super::destroy::Scope;
use super::super::number::nice;
use super::super::state::State;
use super::super::{Error, Zfs};
use super::{Fail, Outcome, getopt, print, usage_error};

pub fn destroy(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options(args, &getopt::of_system(root, "vpndfFrR"))?;
    let given = |c: char| parsed.options.iter().any(|(o, _)| *o == c);
    // SmartOS's -F waits until a busy dataset is not busy any more. Nothing here becomes free by waiting,
    // so it is refused at once.
    let scope =
        Scope { recursive: given('r') || given('R'), clones: given('R'), defer: given('d') };
    let (dry_run, parsable) = (given('n'), given('p'));
    let verbose = given('v') || parsable;
    let [name] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing dataset argument",
            _ => "too many arguments",
        });
    };
    let mut zfs = Zfs::open(root)?;
    if name.contains('#') {
        return bookmark(&mut zfs, name, scope, dry_run);
    }
    let snapshots = name.contains('@');
    let plan = if snapshots {
        zfs.plan_snapshots(name, scope)?
    } else {
        if scope.defer {
            let why = "operation not applicable to datasets of this type";
            return Err(Fail::Exit(format!("cannot open '{name}': {why}"), 1));
        }
        zfs.plan_destroy(name, scope)?
    };
    if verbose {
        let mut text = String::new();
        for gone in &plan {
            text.push_str(&match (parsable, dry_run) {
                (true, _) => format!("destroy\t{gone}\n"),
                (false, true) => format!("would destroy {gone}\n"),
                (false, false) => format!("will destroy {gone}\n"),
            });
        }
        if snapshots {
            let bytes = reclaimed(&zfs.state, &plan);
            text.push_str(&match (parsable, dry_run) {
                (true, _) => format!("reclaim\t{bytes}\n"),
                (false, true) => format!("would reclaim {}\n", nice(bytes)),
                (false, false) => format!("will reclaim {}\n", nice(bytes)),
            });
        }
        print(&text)?;
    }
    if dry_run {
        return Ok(0);
    }
    if snapshots {
        zfs.destroy_snapshots(&plan, scope)?;
    } else {
        zfs.destroy_planned(&plan)?;
    }
    zfs.commit()?;
    Ok(0)
}

fn reclaimed(state: &State, plan: &[String]) -> u64 {
    plan.iter().filter_map(|n| state.snap(n)).map(|(_, s)| s.unique).sum()
}

fn bookmark(zfs: &mut Zfs, name: &str, scope: Scope, dry_run: bool) -> Outcome {
    // exits with -1 on illumos
    let refuse =
        |what: &str| Err(Fail::Exit(format!("{what} is not supported with bookmark"), 255));
    if dry_run {
        return refuse("dryrun");
    }
    if scope.defer {
        return refuse("defer destroy");
    }
    if scope.recursive {
        return refuse("recursive");
    }
    if !zfs.exists(name) {
        return Err(Fail::Exit(format!("bookmark '{name}' does not exist."), 1));
    }
    zfs.destroy_bookmark(name).map_err(|e: Error| Fail::from(e))?;
    zfs.commit()?;
    Ok(0)
}
