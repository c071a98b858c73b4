//! The program `zpool`: list, get, set, status and what makes test systems (create, destroy).

use std::path::Path;

use super::number::{nice, parse};
use super::space::{Space, usable};
use super::{Code, Error, Zfs, no_pool};

/// A pool property: name, header, whether it is a number.
struct Row {
    name: &'static str,
    header: &'static str,
    number: bool,
}

const fn row(name: &'static str, header: &'static str, number: bool) -> Row {
    Row { name, header, number }
}

#[rustfmt::skip] // a table: one row a property
static PROPERTIES: &[Row] = &[
    row("name", "NAME", false),
    row("size", "SIZE", true),
    row("capacity", "CAP", true),
    row("altroot", "ALTROOT", false),
    row("health", "HEALTH", false),
    row("guid", "GUID", true),
    row("version", "VERSION", true),
    row("bootfs", "BOOTFS", false),
    row("delegation", "DELEGATION", false),
    row("autoreplace", "REPLACE", false),
    row("cachefile", "CACHEFILE", false),
    row("failmode", "FAILMODE", false),
    row("listsnapshots", "LISTSNAPS", false),
    row("autoexpand", "EXPAND", false),
    row("dedupditto", "DEDUPDITTO", true),
    row("dedupratio", "DEDUP", true),
    row("free", "FREE", true),
    row("allocated", "ALLOC", true),
    row("readonly", "RDONLY", false),
    row("ashift", "ASHIFT", true),
    row("comment", "COMMENT", false),
    row("expandsize", "EXPANDSZ", true),
    row("freeing", "FREEING", true),
    row("fragmentation", "FRAG", true),
    row("leaked", "LEAKED", true),
    row("checkpoint", "CKPOINT", true),
    row("bootsize", "BOOTSIZE", true),
    row("multihost", "MULTIHOST", false),
];

const DEFAULT_COLUMNS: &str = "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot";

const USAGE: &str = "usage: zpool command args ...\nwhere 'command' is one of the following:\n\n\
\tcreate <pool> <size>\n\tdestroy <pool>\n\n\
\tlist [-Hp] [-o property[,...]] [pool] ...\n\tstatus [-x] [pool] ...\n\n\
\tget [-Hp] [-o \"all\" | field[,...]] <\"all\" | property[,...]> <pool> ...\n\
\tset <property=value> <pool>\n";

enum Fail {
    Usage(String),
    Refused(Error),
}

impl From<Error> for Fail {
    fn from(e: Error) -> Self {
        Self::Refused(e)
    }
}

type Outcome = Result<(String, i32), Fail>;

/// Runs `zpool ARGS` on the pools below `root`. `create NAME SIZE` takes a size where the real program takes devices.
pub fn zpool_main(root: &Path, args: &[String]) -> i32 {
    let command = args.first().map_or("", String::as_str);
    let rest = args.get(1..).unwrap_or_default();
    let outcome = match command {
        "list" => list(root, rest),
        "get" => get(root, rest),
        "set" => set(root, rest),
        "status" => status(root, rest),
        "create" => create(root, rest),
        "destroy" => destroy(root, rest),
        "upgrade" => Ok((
            "This system supports ZFS pool feature flags.\n\nAll pools are formatted using feature flags.\n"
                .to_owned(),
            0,
        )),
        "" => Err(Fail::Usage("missing command".into())),
        other => Err(Fail::Usage(format!("unrecognized command '{other}'"))),
    };
    match outcome {
        Ok((text, code)) => {
            print!("{text}");
            code
        }
        Err(Fail::Usage(why)) => {
            eprint!("{why}\n{USAGE}");
            2
        }
        Err(Fail::Refused(e)) => {
            eprintln!("{e}");
            1
        }
    }
}

struct Options {
    scripted: bool,
    literal: bool,
    fields: Option<String>,
    rest: Vec<String>,
}

fn options(args: &[String]) -> Result<Options, Fail> {
    let mut parsed = Options { scripted: false, literal: false, fields: None, rest: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|_| parsed.rest.is_empty()) else {
            parsed.rest.push(arg.clone());
            continue;
        };
        for (i, c) in letters.char_indices() {
            match c {
                'H' => parsed.scripted = true,
                'p' => parsed.literal = true,
                'v' | 'L' | 'P' | 'x' | 'f' | 'd' => {}
                'o' => {
                    let joined = &letters[i + 1..];
                    let value = if joined.is_empty() {
                        args.next().cloned()
                    } else {
                        Some(joined.to_owned())
                    };
                    let missing = || Fail::Usage("missing argument for 'o' option".into());
                    parsed.fields = Some(value.ok_or_else(missing)?);
                    break;
                }
                other => return Err(Fail::Usage(format!("invalid option '{other}'"))),
            }
        }
    }
    Ok(parsed)
}

fn find(name: &str) -> Option<&'static Row> {
    PROPERTIES
        .iter()
        .find(|r| r.name == name)
        .or_else(|| PROPERTIES.iter().find(|r| r.header.eq_ignore_ascii_case(name)))
}

fn properties(list: &str) -> Result<Vec<&'static Row>, Fail> {
    if list == "all" {
        return Ok(PROPERTIES.iter().skip(1).collect());
    }
    list.split(',')
        .map(|name| {
            find(name)
                .ok_or_else(|| Fail::Usage(format!("bad property list: invalid property '{name}'")))
        })
        .collect()
}

/// The pools that arguments name, or all; whether one was missing.
fn pools(zfs: &Zfs, names: &[String]) -> (Vec<String>, bool) {
    if names.is_empty() {
        return (zfs.pools(), false);
    }
    let mut failed = false;
    let mut found = Vec::new();
    for name in names {
        if zfs.state.pools.contains_key(name) {
            found.push(name.clone());
        } else {
            eprintln!("{}", no_pool(name));
            failed = true;
        }
    }
    (found, failed)
}

/// What is stored: reservations that nothing fills take no space of the pool.
fn allocated(zfs: &Zfs, pool: &str) -> u64 {
    let map = zfs.space(pool);
    let stored = |s: Space| s.by_dataset + s.by_snapshots;
    let below = zfs.state.descendants(pool).map(|(name, _)| stored(map.of(name)));
    below.sum::<u64>() + stored(map.of(pool))
}

fn value(zfs: &Zfs, pool: &str, prop: &Row, literal: bool) -> String {
    let Some(p) = zfs.state.pools.get(pool) else { return "-".into() };
    if let Some(set) = p.props.get(prop.name) {
        return set.clone();
    }
    let size = |n: u64| if literal { n.to_string() } else { nice(n) };
    let percent = |n: u64| if literal { n.to_string() } else { format!("{n}%") };
    match prop.name {
        "name" => pool.to_owned(),
        "size" => size(p.size),
        "allocated" => size(allocated(zfs, pool)),
        "free" => size(usable(p.size).saturating_sub(allocated(zfs, pool))),
        "capacity" => percent(allocated(zfs, pool).saturating_mul(100) / p.size.max(1)),
        "fragmentation" => percent(0),
        "dedupratio" if literal => "1.00".to_owned(),
        "dedupratio" => "1.00x".to_owned(),
        "health" => "ONLINE".to_owned(),
        "guid" => p.guid.to_string(),
        "ashift" => p.ashift.to_string(),
        "delegation" => "on".to_owned(),
        "failmode" => "wait".to_owned(),
        "autoreplace" | "listsnapshots" | "autoexpand" | "readonly" | "multihost" => {
            "off".to_owned()
        }
        "freeing" | "leaked" | "dedupditto" => "0".to_owned(),
        _ => "-".to_owned(),
    }
}

fn list(root: &Path, args: &[String]) -> Outcome {
    let o = options(args)?;
    let wanted = properties(o.fields.as_deref().unwrap_or(DEFAULT_COLUMNS))?;
    let zfs = Zfs::open_shared(root)?;
    let (names, failed) = pools(&zfs, &o.rest);
    if names.is_empty() {
        let text = if failed || o.scripted { "" } else { "no pools available\n" };
        return Ok((text.to_owned(), i32::from(failed)));
    }
    let cells: Vec<Vec<String>> = names
        .iter()
        .map(|n| wanted.iter().map(|p| value(&zfs, n, p, o.literal)).collect())
        .collect();
    let mut text = String::new();
    if o.scripted {
        for line in cells {
            text.push_str(&line.join("\t"));
            text.push('\n');
        }
        return Ok((text, i32::from(failed)));
    }
    let headers: Vec<String> = wanted.iter().map(|p| p.header.to_owned()).collect();
    let width = |i: usize| {
        let least = if wanted[i].number { 5 } else { 0 };
        cells.iter().map(|l| l[i].len()).max().unwrap_or(0).max(headers[i].len()).max(least)
    };
    let widths: Vec<usize> = (0..wanted.len()).map(width).collect();
    for line in std::iter::once(&headers).chain(&cells) {
        let last = line.len() - 1;
        for (i, cell) in line.iter().enumerate() {
            let width = widths[i];
            let gap = if i == 0 { "" } else { "  " };
            text.push_str(&if wanted[i].number {
                format!("{gap}{cell:>width$}")
            } else if i == last {
                format!("{gap}{cell}")
            } else {
                format!("{gap}{cell:<width$}")
            });
        }
        text.push('\n');
    }
    Ok((text, i32::from(failed)))
}

fn get(root: &Path, args: &[String]) -> Outcome {
    let o = options(args)?;
    let Some((list, names)) = o.rest.split_first() else {
        return Err(Fail::Usage("missing property argument".into()));
    };
    let wanted = properties(list)?;
    let fields = o.fields.unwrap_or_else(|| "name,property,value,source".to_owned());
    let fields = if fields == "all" { "name,property,value,source".to_owned() } else { fields };
    let zfs = Zfs::open_shared(root)?;
    let (names, failed) = pools(&zfs, names);
    let mut lines: Vec<Vec<String>> = Vec::new();
    if !o.scripted {
        lines.push(fields.split(',').map(str::to_ascii_uppercase).collect());
    }
    for name in &names {
        for prop in &wanted {
            let set = zfs.state.pools.get(name).is_some_and(|p| p.props.contains_key(prop.name));
            let fact = matches!(
                prop.name,
                "name"
                    | "size"
                    | "allocated"
                    | "free"
                    | "capacity"
                    | "health"
                    | "guid"
                    | "fragmentation"
                    | "dedupratio"
                    | "readonly"
                    | "freeing"
                    | "leaked"
                    | "expandsize"
                    | "checkpoint"
            );
            let source = if set {
                "local"
            } else if fact {
                "-"
            } else {
                "default"
            };
            let line: Result<Vec<String>, Fail> = fields
                .split(',')
                .map(|field| {
                    Ok(match field {
                        "name" => name.clone(),
                        "property" => prop.name.to_owned(),
                        "value" => value(&zfs, name, prop, o.literal),
                        "source" => source.to_owned(),
                        other => {
                            return Err(Fail::Usage(format!("invalid column name '{other}'")));
                        }
                    })
                })
                .collect();
            lines.push(line?);
        }
    }
    let mut text = String::new();
    for line in &lines {
        if o.scripted {
            text.push_str(&line.join("\t"));
        } else {
            for (i, cell) in line.iter().enumerate() {
                let width = lines.iter().map(|l| l[i].len()).max().unwrap_or(0);
                let last = i + 1 == line.len();
                text.push_str(&if last { cell.clone() } else { format!("{cell:<width$}  ") });
            }
        }
        text.push('\n');
    }
    Ok((text, i32::from(failed)))
}

fn set(root: &Path, args: &[String]) -> Outcome {
    let [setting, pool] = args else {
        return Err(Fail::Usage("missing property=value argument".into()));
    };
    let Some((name, new)) = setting.split_once('=') else {
        return Err(Fail::Usage("missing value in property=value argument".into()));
    };
    let mut zfs = Zfs::open(root)?;
    let fail =
        |why: String| Error::cannot(Code::Refused, format_args!("set property for '{pool}'"), why);
    let row = find(name).ok_or_else(|| fail(format!("invalid property '{name}'")))?;
    let settable = matches!(
        row.name,
        "comment"
            | "bootfs"
            | "failmode"
            | "autoreplace"
            | "listsnapshots"
            | "autoexpand"
            | "delegation"
            | "cachefile"
    );
    if !settable {
        return Err(fail(format!("property '{name}' is readonly")).into());
    }
    let found = zfs.state.pools.get_mut(pool).ok_or_else(|| no_pool(pool))?;
    found.props.insert(row.name.to_owned(), new.to_owned());
    zfs.commit()?;
    Ok((String::new(), 0))
}

fn status(root: &Path, args: &[String]) -> Outcome {
    let short = args.iter().any(|a| a.starts_with('-') && a.contains('x'));
    let o = options(args)?;
    let zfs = Zfs::open_shared(root)?;
    let (names, failed) = pools(&zfs, &o.rest);
    let code = i32::from(failed);
    if short {
        let text = match (o.rest.as_slice(), names.as_slice()) {
            (_, []) if failed => String::new(),
            (_, []) => "no pools available\n".to_owned(),
            ([_], [name]) => format!("pool '{name}' is healthy\n"),
            _ => "all pools are healthy\n".to_owned(),
        };
        return Ok((text, code));
    }
    if names.is_empty() && !failed {
        return Ok(("no pools available\n".to_owned(), code));
    }
    let blocks: Vec<String> = names
        .iter()
        .map(|name| {
            let width = name.len().max("c1t0d0".len() + 2).max("NAME".len());
            format!(
                "  pool: {name}\n state: ONLINE\n  scan: none requested\nconfig:\n\n\
                 \t{:<width$}  STATE     READ WRITE CKSUM\n\
                 \t{name:<width$}  ONLINE       0     0     0\n\
                 \t  {:<rest$}  ONLINE       0     0     0\n\n\
                 errors: No known data errors\n",
                "NAME",
                "c1t0d0",
                rest = width - 2
            )
        })
        .collect();
    Ok((blocks.join("\n"), code))
}

fn create(root: &Path, args: &[String]) -> Outcome {
    let o = options(args)?;
    let [name, size] = o.rest.as_slice() else {
        return Err(Fail::Usage("missing pool name or size argument".into()));
    };
    let bytes = parse(size)
        .map_err(|why| Error::cannot(Code::Refused, format_args!("create '{name}'"), why))?;
    let mut zfs = Zfs::open(root)?;
    zfs.create_pool(name, bytes)?;
    zfs.commit()?;
    Ok((String::new(), 0))
}

fn destroy(root: &Path, args: &[String]) -> Outcome {
    let o = options(args)?;
    let [name] = o.rest.as_slice() else {
        return Err(Fail::Usage("missing pool argument".into()));
    };
    let mut zfs = Zfs::open(root)?;
    zfs.destroy_pool(name)?;
    zfs.commit()?;
    Ok((String::new(), 0))
}
