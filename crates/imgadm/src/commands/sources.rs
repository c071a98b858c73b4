//! `imgadm sources`: lists and changes where images come from.

use std::io::Write;

use serde_json::{Map, Value};

use super::{Command, HELP, Run};
use crate::app::App;
use crate::cli::options::{Given, Opt, Row, flag, value};
use crate::config::{Config, SourceInfo};
use crate::errors::{Error, Result};
use crate::out::{print, say, warn};
use crate::sources::Source;
use crate::table::{self, Column};

pub const COMMAND: Command = Command {
    name: "sources",
    aliases: &[],
    options: &[
        HELP,
        flag(&["verbose", "v"], "List type and settings of each source too."),
        flag(&["json", "j"], "List sources as JSON."),
        Row::Gap,
        value(&["a"], "<source>", "Add a source at the end of the list."),
        Row::Hidden(Opt {
            names: &["add-docker-hub"],
            argument: None,
            help: "Short for \"-t docker -a https://docker.io\".",
        }),
        value(&["d"], "<source>", "Delete a source."),
        flag(&["e"], "Edit the list in an editor ($VISUAL, $EDITOR or vi)."),
        flag(&["check", "c"], "Ask every source whether it is there."),
        Row::Gap,
        value(
            &["type", "t"],
            "<type>",
            "What the added source is: \"imgapi\" (the default), \"docker\" (a registry) or \"dsapi\".",
        ),
        flag(&["insecure", "k"], "Do not check the certificate of the added source."),
        flag(&["force", "f"], "Add the source without asking whether it is there."),
    ],
    help: "\
Lists and changes the image sources: the servers that images come from.
The default source is https://images.smartos.org

Usage:
    imgadm sources [--verbose|-v] [--json|-j]  # list sources
    imgadm sources -a <url> [-t <type>]        # add a source
    imgadm sources -d <url>                    # delete a source
    imgadm sources -e                          # edit sources
    imgadm sources -c                          # check current sources

{{options}}
Examples:
    imgadm sources -a https://images.smartos.org
    imgadm sources -a 'https://updates.example.com?channel=dev'
    imgadm sources -a https://registry.example.com -t docker
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    if !given.arguments.is_empty() {
        return Err(Error::usage(format!("unexpected args: {}", given.arguments.join(" "))));
    }
    let hub = given.has("add-docker-hub");
    let to_add = if hub { Some("https://docker.io") } else { given.get("a") };
    let actions = [to_add.is_some(), given.get("d").is_some(), given.has("e"), given.has("check")];
    if actions.iter().filter(|asked| **asked).count() > 1 {
        return Err(Error::usage(
            "cannot specify more than one of \"-a\", \"-d\", \"-e\", and \"-c\"",
        ));
    }
    if let Some(url) = to_add {
        let kind = if hub { Some("docker") } else { given.get("type") };
        let mut info = SourceInfo::parse(url, kind)?;
        info.insecure = given.has("insecure").then_some(true);
        add(app, &info, given.has("force"))
    } else if let Some(url) = given.get("d") {
        delete(app, url)
    } else if given.has("e") {
        edit(app, given.has("force"))
    } else if given.has("check") {
        check(app)
    } else {
        list(app, given)
    }
}

fn list(app: &App, given: &Given) -> Result<()> {
    let sources = app.config.sources()?;
    if !given.has("json") && !given.has("verbose") {
        let lines: Vec<&str> =
            sources.iter().flat_map(|source| [source.url.as_str(), "\n"]).collect();
        return print(&lines.concat());
    }
    let rows: Vec<Map<String, Value>> = sources
        .iter()
        .map(|source| {
            let mut row = Map::new();
            row.insert("url".into(), source.url.clone().into());
            row.insert("type".into(), source.kind.as_str().into());
            if let Some(insecure) = source.insecure {
                row.insert("insecure".into(), insecure.into());
            }
            row
        })
        .collect();
    if given.has("json") {
        let list = Value::Array(rows.into_iter().map(Value::Object).collect());
        return print(&format!("{}\n", manifest::json::pretty(&list)));
    }
    print(&table::render(&rows, &Column::list("url,type,insecure"), false))
}

fn add(app: &App, info: &SourceInfo, force: bool) -> Result<()> {
    let there = |config: &Config| -> Result<Option<SourceInfo>> {
        Ok(config.sources()?.into_iter().find(|source| source.same_as(info)))
    };
    let known = |there: SourceInfo| say(format_args!("Already have {there}, no change"));
    if let Some(there) = there(&app.config)? {
        return known(there);
    }
    if !force {
        app.source(info.clone())?.ping()?;
    }
    let (_lock, mut config) = Config::lock(&app.root)?;
    if let Some(there) = there(&config)? {
        return known(there);
    }
    let mut sources = config.sources()?;
    sources.push(info.clone());
    config.set_sources(&sources);
    config.save()?;
    say(format_args!("Added {info}"))
}

fn delete(app: &App, url: &str) -> Result<()> {
    let normal = crate::config::normal_url(url);
    let (_lock, mut config) = Config::lock(&app.root)?;
    let (deleted, kept): (Vec<SourceInfo>, Vec<SourceInfo>) =
        config.sources()?.into_iter().partition(|source| source.normal_url() == normal);
    if deleted.is_empty() {
        say(format_args!("Do not have image source \"{url}\", no change"))?;
        return Ok(());
    }
    config.set_sources(&kept);
    config.save()?;
    for source in deleted {
        say(format_args!("Deleted {source}"))?;
    }
    Ok(())
}

/// Asks every source at once; a row each, in their order.
fn check(app: &App) -> Result<()> {
    let infos = app.config.sources()?;
    let asked: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = infos
            .iter()
            .map(|info| scope.spawn(|| app.source(info.clone()).and_then(|s: Source| s.ping())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::internal("a thread failed"))))
            .collect()
    });
    let rows: Vec<Map<String, Value>> = infos
        .iter()
        .zip(&asked)
        .map(|(info, answer)| {
            let mut row = Map::new();
            row.insert("url".into(), info.url.clone().into());
            row.insert("type".into(), info.kind.as_str().into());
            row.insert("ok".into(), answer.is_ok().into());
            if let Err(error) = answer {
                // One line a source; the rest of a long message is for `-a`.
                let line = error.message().lines().next().unwrap_or_default();
                row.insert("error".into(), line.into());
            }
            row
        })
        .collect();
    print(&table::render(&rows, &Column::list("url,type,ok,error"), false))?;
    match asked.iter().filter(|answer| answer.is_err()).count() {
        0 => Ok(()),
        count => Err(Error::new(
            "SourcePing",
            format!("{count} of {} image sources did not answer as they should", asked.len()),
        )),
    }
}

const EDIT_HELP: &str = "
#
# One source a line: URL TYPE [OPTIONS]
#
# TYPE is imgapi (the default), docker or dsapi. OPTIONS may be \"insecure\": the
# server's certificate is not checked. What follows a \"#\" is a comment.
#
";

fn edit(app: &App, force: bool) -> Result<()> {
    let before = app.config.sources()?;
    let width = before.iter().map(|source| source.url.len()).max().unwrap_or(0).min(50);
    let mut text = String::new();
    for source in &before {
        let options = if source.insecure == Some(true) { "insecure" } else { "" };
        let line = format!("{:width$}  {:6}  {options}", source.url, source.kind.as_str());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(EDIT_HELP);
    let Some(edited) = run_editor(&text)? else { return Ok(()) };
    let after = parse_edited(&edited)?;
    if edited == text || after == before {
        say("Image sources unchanged")?;
        return Ok(());
    }
    let deleted: Vec<&SourceInfo> =
        before.iter().filter(|source| !after.contains(source)).collect();
    let added: Vec<&SourceInfo> = after.iter().filter(|source| !before.contains(source)).collect();
    if !force {
        for source in &added {
            app.source((*source).clone())?.ping()?;
        }
    }
    let (_lock, mut config) = Config::lock(&app.root)?;
    config.set_sources(&merged(&before, &after, &config.sources()?));
    config.save()?;
    for source in &deleted {
        say(format_args!("Deleted {source}"))?;
    }
    if deleted.is_empty() && added.is_empty() {
        say("Reordered image sources")?;
    }
    for source in added {
        say(format_args!("Added {source}"))?;
    }
    Ok(())
}

/// The list as the operator left it, with what others did to it while it was in the editor: `before` is what it was
/// then, `now` what it is.
fn merged(before: &[SourceInfo], after: &[SourceInfo], now: &[SourceInfo]) -> Vec<SourceInfo> {
    let kept = after.iter().filter(|source| now.contains(source) || !before.contains(source));
    let added = now.iter().filter(|source| !before.contains(source) && !after.contains(source));
    kept.chain(added).cloned().collect()
}

/// The sources of an edited list; one that is on several lines counts once.
fn parse_edited(text: &str) -> Result<Vec<SourceInfo>> {
    let mut sources: Vec<SourceInfo> = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let mut words = line.split_whitespace();
        let Some(url) = words.next() else { continue };
        let mut info = SourceInfo::parse(url, words.next())?;
        for option in words.flat_map(|word| word.split(',')) {
            if option != "insecure" {
                return Err(Error::usage(format!("unknown source option: {option}")));
            }
            info.insecure = Some(true);
        }
        if !sources.iter().any(|source| source.same_as(&info)) {
            sources.push(info);
        }
    }
    Ok(sources)
}

/// Lets the operator edit a text; `None` where the editor says that it failed, which is told. The editor is the operator's own program with the operator's own environment, not
/// one of the system's tools.
fn run_editor(text: &str) -> Result<Option<String>> {
    let failed = |e: std::io::Error| Error::file_system(format!("cannot edit the sources: {e}"));
    let mut file = tempfile::Builder::new()
        .prefix("imgadm-sources-")
        .suffix(".txt")
        .tempfile()
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let set = |name| std::env::var(name).ok().filter(|command| !command.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "/usr/bin/vi".into());
    // A command with options, as in `vim -n`, is customary.
    let mut words = editor.split_whitespace();
    let status = std::process::Command::new(words.next().unwrap_or_default())
        .args(words)
        .arg(file.path())
        .status()
        .map_err(|e| Error::file_system(format!("cannot run the editor \"{editor}\": {e}")))?;
    match status.code() {
        Some(0) => std::fs::read_to_string(file.path()).map(Some).map_err(failed),
        Some(code) => {
            warn(format_args!("Error editing image sources: {code} (ignoring)"));
            Ok(None)
        }
        None => Err(Error::internal(format!("the editor \"{editor}\" failed: {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kind;

    #[test]
    fn edited_lines_are_sources() {
        let sources =
            parse_edited("https://a\nhttps://b docker insecure # why\n\n# https://c\n").unwrap();
        assert_eq!(sources.len(), 2);
        assert_eq!((sources[1].kind, sources[1].insecure), (Kind::Docker, Some(true)));
        assert_eq!(parse_edited("https://a imgapi what").unwrap_err().code(), "Usage");
        assert_eq!(parse_edited("https://a nosuch").unwrap_err().code(), "ConfigError");
    }

    #[test]
    fn what_others_changed_meanwhile_stays_changed() {
        let list = |text: &str| -> Vec<SourceInfo> {
            text.split_whitespace().map(|url| SourceInfo::new(Kind::Imgapi, url)).collect()
        };
        for (before, after, now, expected) in [
            ("a b", "b a", "a b", "b a"),
            ("a b", "b a c", "a b d", "b a c d"),
            ("a b", "a", "a b d", "a d"),
            ("a b", "a b c", "b", "b c"),
            ("a", "a c", "a c", "a c"),
        ] {
            assert_eq!(merged(&list(before), &list(after), &list(now)), list(expected));
        }
    }
}
