//! `zfs mount` and `zfs unmount`.

use std::path::Path;

use super::super::{Code, Error, Zfs};
use super::{Outcome, change_one, getopt, print, usage_error};

pub fn mount(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options_telling_missing(args, "alvo:O")?;
    let all = parsed.options.iter().any(|(o, _)| *o == 'a');
    if parsed.options.iter().any(|(o, v)| *o == 'o' && v.is_empty()) {
        return usage_error("empty mount options (-o) specified");
    }
    match (all, parsed.rest.as_slice()) {
        (true, []) => mount_all(root),
        (false, []) => {
            if parsed.options.iter().any(|(o, _)| *o == 'o') {
                return usage_error("missing filesystem argument (specify -a for all)");
            }
            let zfs = Zfs::open_shared(root)?;
            let mut text = String::new();
            for (mountpoint, name) in zfs.mounts() {
                text.push_str(&format!("{name:<30}  {mountpoint}\n"));
            }
            print(&text)?;
            Ok(0)
        }
        (false, [name]) => change_one(root, |zfs| zfs.mount(name)),
        _ => usage_error("too many arguments"),
    }
}

/// Mounts everything that may be and is not.
fn mount_all(root: &Path) -> Outcome {
    let mut zfs = Zfs::open(root)?;
    let mut wanted: Vec<(String, String)> = zfs
        .state
        .datasets
        .iter()
        .filter(|(name, ds)| !ds.mounted && zfs.state.mountable(name, ds))
        .map(|(name, _)| (zfs.state.mountpoint(name), name.clone()))
        .collect();
    wanted.sort();
    let mut code = 0;
    for (_, name) in wanted {
        match zfs.mount(&name) {
            Ok(()) => zfs.commit()?,
            Err(e) => {
                eprintln!("{e}");
                code = 1;
            }
        }
    }
    Ok(code)
}

pub fn unmount(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options(args, "af")?;
    let all = parsed.options.iter().any(|(o, _)| *o == 'a');
    match (all, parsed.rest.as_slice()) {
        (true, []) => change_one(root, |zfs| {
            let mut mounts = zfs.mounts();
            while let Some((_, name)) = mounts.pop() {
                if zfs.get(&name, "mounted")? == "yes" {
                    zfs.unmount(&name)?;
                }
            }
            Ok(())
        }),
        (false, []) => usage_error("missing filesystem argument"),
        (false, [path]) if path.starts_with('/') => {
            change_one(root, |zfs| unmount_path(zfs, root, path))
        }
        (false, [name]) => change_one(root, |zfs| {
            if zfs.get(name, "mountpoint")? == "legacy" {
                let why = "legacy mountpoint\nuse umount(8) to unmount this filesystem";
                return Err(Error::cannot(Code::Refused, format_args!("unmount '{name}'"), why));
            }
            zfs.unmount(name)
        }),
        _ => usage_error("too many arguments"),
    }
}

/// Unmounts the filesystem mounted at a path.
pub fn unmount_path(zfs: &mut Zfs, root: &Path, path: &str) -> super::super::Result<()> {
    let fail = |why: &str| Err(Error::cannot(Code::Refused, format_args!("unmount '{path}'"), why));
    if !root.join(path.trim_start_matches('/')).exists() {
        return fail("No such file or directory");
    }
    let path = path.trim_end_matches('/');
    let found = zfs.mounts().into_iter().find(|(mountpoint, _)| mountpoint == path);
    match found {
        Some((_, name)) => zfs.unmount(&name),
        None => fail("not a mountpoint"),
    }
}
