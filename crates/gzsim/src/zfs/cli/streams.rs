//! `zfs send` and `zfs receive`.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;

use super::super::names::{self, Want};
use super::super::rest::Rest;
use super::super::send::{Options as SendOptions, Part, SendPlan};
use super::super::{Code, Error, Zfs, receive as receiving};
use super::{Fail, Outcome, getopt, parse_property, print, usage_error};

const LONG: &[(&str, &str)] = &[
    ("--replicate", "-R"),
    ("--props", "-p"),
    ("--parsable", "-P"),
    ("--dedup", "-D"),
    ("--verbose", "-v"),
    ("--dryrun", "-n"),
    ("--large-block", "-L"),
    ("--embed", "-e"),
    ("--resume", "-t"),
    ("--compressed", "-c"),
    ("--raw", "-w"),
    ("--backup", "-b"),
    ("--holds", "-h"),
];

pub fn send(root: &Path, args: &[String]) -> Outcome {
    let args: Vec<String> = args
        .iter()
        .map(|a| {
            let short = LONG.iter().find(|(long, _)| long == a);
            short.map_or_else(|| a.clone(), |(_, s)| (*s).to_owned())
        })
        .collect();
    let parsed = getopt::options_telling_missing(&args, "i:I:RDpvnPLeht:cwb")?;
    let mut options = SendOptions::default();
    let mut from: Option<String> = None;
    let (mut dry_run, mut verbose, mut parsable, mut dedup) = (false, false, false, false);
    let mut token = None;
    for (option, value) in parsed.options {
        match option {
            'i' | 'I' => {
                if from.is_some() {
                    return usage_error("");
                }
                from = Some(value);
                options.all = option == 'I';
            }
            'R' => options.replicate = true,
            'p' | 'b' => options.props = true,
            'n' => dry_run = true,
            'v' => verbose = true,
            'P' => (verbose, parsable) = (true, true),
            'D' => dedup = true,
            't' => token = Some(value),
            _ => {}
        }
    }
    if !dry_run && io::stdout().is_terminal() {
        return Err(Fail::Exit(
            "Error: Stream can not be written to a terminal.\nYou must redirect standard output."
                .into(),
            1,
        ));
    }
    if let Some(token) = token {
        if from.is_some() || options.replicate || options.props || dedup {
            return usage_error("invalid flags combined with -t");
        }
        if !parsed.rest.is_empty() {
            return usage_error("no additional arguments are permitted with -t");
        }
        let zfs = Zfs::open_shared(root)?;
        let rest = Rest::read(&token)?;
        if verbose && dry_run {
            print(&rest.contents())?;
        } else if verbose {
            eprint!("{}", rest.contents());
        }
        let part = zfs.part_to_resume(&rest)?;
        if !dry_run {
            zfs.send_rest(&rest, &part, io::stdout().lock())?;
        }
        return Ok(0);
    }
    let [name] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing snapshot argument",
            _ => "too many arguments",
        });
    };
    let zfs = Zfs::open_shared(root)?;
    let plan = plan(&zfs, name, from, &mut options, verbose || dry_run || dedup)?;
    for warning in &plan.warnings {
        eprintln!("{warning}");
    }
    if verbose && !plan.parts.is_empty() {
        let text = zfs.describe(&plan, parsable);
        if dry_run {
            print(&text)?;
        } else {
            eprint!("{text}");
        }
    }
    let code = i32::from(!plan.warnings.is_empty() || plan.parts.is_empty());
    if dry_run {
        return Ok(code);
    }
    zfs.send(name, &plan, &options, io::stdout().lock())?;
    Ok(code)
}

fn plan(
    zfs: &Zfs,
    name: &str,
    from: Option<String>,
    options: &mut SendOptions,
    unsupported: bool,
) -> Result<SendPlan, Fail> {
    let one = |part: Part| SendPlan { parts: vec![part], warnings: Vec::new() };
    let bookmark = from.as_deref().is_some_and(|f| f.contains('#'));
    let Some((dataset, _)) = name.split_once('@').filter(|_| !bookmark) else {
        if options.replicate || options.all || options.props || unsupported {
            let why = "Error: Unsupported flag with filesystem or bookmark.";
            return Err(Fail::Exit(why.into(), 1));
        }
        open(zfs, name)?;
        if !name.contains('@') {
            let why = "target is busy; if a filesystem, it must not be mounted";
            let text = format!("warning: cannot send '{name}': {why}");
            return Err(Error::new(Code::Busy, text).into());
        }
        let from = from.unwrap_or_default();
        let of = name.split('@').next().unwrap_or_default();
        let from = if from.starts_with(['#', '@']) { format!("{of}{from}") } else { from };
        return Ok(one(zfs.plan_from(name, &from)?));
    };
    open(zfs, dataset)?;
    if let Some(from) = from {
        if from.is_empty() {
            let text = format!("cannot send '{dataset}': zero-length incremental source");
            return Err(Fail::Exit(text, 1));
        }
        let origin = zfs.state.datasets.get(dataset).and_then(|d| d.origin.as_deref());
        if origin == Some(from.as_str()) {
            options.from_origin = true;
        } else {
            match from.split_once('@') {
                Some((of, _)) if !of.is_empty() && of != dataset => {
                    return usage_error("incremental source must be in same filesystem");
                }
                Some((_, snap)) if snap.contains(['@', '/']) => {
                    return usage_error("invalid incremental source");
                }
                Some((_, snap)) => options.from = Some(snap.to_owned()),
                None => options.from = Some(from),
            }
        }
    }
    Ok(zfs.plan_send(name, options)?)
}

fn open(zfs: &Zfs, name: &str) -> Result<(), Error> {
    let want = if name.contains('@') { Want::Snapshot } else { Want::Dataset };
    names::check(name, want, false)
        .map_err(|why| Error::cannot(Code::Refused, format_args!("open '{name}'"), why))?;
    if zfs.exists(name) { Ok(()) } else { Err(Error::no_dataset(name)) }
}

pub fn receive(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options_telling_missing(args, "o:x:dehnuvFsA")?;
    let mut options = receiving::Options::default();
    let mut abort = false;
    for (option, value) in parsed.options {
        match option {
            'o' => parse_property(&mut options.set, &value).map_err(Fail::Usage)?,
            'x' if value.contains('=') => {
                return usage_error("invalid property name: '='");
            }
            'x' => options.exclude.push(value),
            'd' => options.prefix = true,
            'e' => (options.prefix, options.tail) = (true, true),
            'n' => options.dry_run = true,
            'u' => options.unmounted = true,
            'v' => options.verbose = true,
            's' => options.resumable = true,
            'F' => options.force = true,
            'A' => abort = true,
            _ => {}
        }
    }
    let [target] = parsed.rest.as_slice() else {
        return usage_error(match parsed.rest.len() {
            0 => "missing snapshot argument",
            _ => "too many arguments",
        });
    };
    if abort {
        if options.prefix || options.dry_run || options.resumable || options.unmounted {
            return usage_error("invalid option");
        }
        return super::change_one(root, |zfs| zfs.abort_receive(target));
    }
    if io::stdin().is_terminal() {
        return Err(Fail::Exit(
            "Error: Backup stream can not be read from a terminal.\nYou must redirect standard input."
                .into(),
            1,
        ));
    }
    // Not a byte is read beyond the stream: another one may follow.
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let (told, result) = receiving::receive(root, target, &options, File::from(input));
    print(&told)?;
    result?;
    Ok(0)
}
