//! `imgadm avail`: what the sources have.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{COLUMNS, Command, DEFAULT_COLUMNS, DEFAULT_SORT, HELP, JSON, NO_HEADER, Run, SORT};
use crate::app::App;
use crate::cli::options::Given;
use crate::config::Kind;
use crate::errors::{Error, Result};
use crate::out::print;
use crate::rows::{self, Filter, ImageInfo, filter};
use crate::sources::Source;
use crate::table::{self, Column, Row};

pub const COMMAND: Command = Command {
    name: "avail",
    aliases: &["available"],
    options: &[HELP, JSON, NO_HEADER, COLUMNS, SORT],
    help: "\
Lists the images of all sources. Docker sources have no list.

Usage:
    imgadm avail [<options>...] [<filters>]

{{options}}
Fields and filters are those of `imgadm list`.
",
    run: Run::WithApp(run),
};

/// How much of one source's images is kept until all is printed, in bytes, and what a row takes besides its values.
const MOST_KEPT: usize = 24 << 20;
const ROW: usize = 1 << 10;

/// One image as it is kept until it is printed. A source may have tens of thousands: what is not shown is not kept.
struct Kept {
    uuid: String,
    shown: Shown,
}

enum Shown {
    /// The record as compact JSON.
    Json(String),
    /// The fields that are printed or sorted by.
    Row(Row),
}

fn run(app: &App, given: &Given) -> Result<()> {
    let filters = Filter::parse_all(&given.arguments)?;
    let sources = app.sources(None)?;
    if sources.is_empty() {
        return Err(Error::no_sources());
    }
    let json = given.has("json");
    let columns = given.get("o").unwrap_or(DEFAULT_COLUMNS);
    let sort = table::split_fields(given.get("s").unwrap_or(DEFAULT_SORT));
    let mut wanted = table::split_fields(columns);
    wanted.extend(sort.iter().map(|field| field.trim_start_matches('-').to_owned()));
    let (kept, errors) = ask_all(&sources, &filters, (!json).then_some(wanted.as_slice()));
    // What the working sources have is shown, whatever became of the others.
    if json {
        print_json(&kept)?;
    } else {
        let rows = kept
            .into_iter()
            .filter_map(|kept| match kept.shown {
                Shown::Row(row) => Some(row),
                Shown::Json(_) => None,
            })
            .collect();
        let rows = table::sort(rows, &sort)?;
        print(&table::render(&rows, &Column::list(columns), given.has("H")))?;
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::multiple(errors)) }
}

/// Asks every source at once. An image that several have is the first one's.
fn ask_all(
    sources: &[Source],
    filters: &[Filter],
    fields: Option<&[String]>,
) -> (Vec<Kept>, Vec<Error>) {
    let answers: Vec<Result<Vec<Kept>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = sources
            .iter()
            .filter(|source| source.info.kind != Kind::Docker)
            .map(|source| scope.spawn(move || ask(source, filters, fields)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Err(Error::internal("a source's thread failed")))
            })
            .collect()
    });
    let (mut kept, mut errors) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for answer in answers {
        match answer {
            Ok(list) => {
                kept.extend(list.into_iter().filter(|image| seen.insert(image.uuid.clone())));
            }
            Err(error) => errors.push(error),
        }
    }
    (kept, errors)
}

fn ask(source: &Source, filters: &[Filter], fields: Option<&[String]>) -> Result<Vec<Kept>> {
    let mut kept = Vec::new();
    let mut cost = 0;
    source.list(&mut |manifest| {
        let uuid = manifest.get("uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut image = ImageInfo::new(manifest);
        image.record.insert("source".into(), source.info.url.clone().into());
        for image in filter(vec![image], filters) {
            let shown = match fields {
                None => Shown::Json(Value::Object(image.record).to_string()),
                Some(fields) => Shown::Row(only(&rows::row(&image), fields)),
            };
            cost += match &shown {
                Shown::Json(text) => text.len(),
                Shown::Row(row) => ROW + row.values().map(|v| v.to_string().len()).sum::<usize>(),
            };
            if cost > MOST_KEPT {
                return Err(Error::too_many_images());
            }
            kept.push(Kept { uuid: uuid.clone(), shown });
        }
        Ok(())
    })?;
    Ok(kept)
}

fn only(row: &Row, fields: &[String]) -> Row {
    let mut short = Map::new();
    for field in fields {
        if let Some(value) = row.get(field) {
            short.insert(field.clone(), value.clone());
        }
    }
    short
}

/// Prints the records as one JSON array, each made pretty only when its turn comes.
fn print_json(kept: &[Kept]) -> Result<()> {
    if kept.is_empty() {
        return print("[]\n");
    }
    let mut separator = "[\n";
    for image in kept {
        if let Shown::Json(text) = &image.shown {
            let value: Value = serde_json::from_str(text)
                .map_err(|e| Error::internal(format!("cannot read own JSON: {e}")))?;
            let pretty = manifest::json::pretty(&value).replace('\n', "\n  ");
            print(&format!("{separator}  {pretty}"))?;
            separator = ",\n";
        }
    }
    print("\n]\n")
}
