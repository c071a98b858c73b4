//! `imgadm create`: an image of a VM.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Command, HELP, Run, handle_interrupts, publish};
use crate::app::App;
use crate::cli::options::{Given, Row, flag, value};
use crate::config::{Kind, SourceInfo};
use crate::create::output::{Created, file_name};
use crate::create::{Request, create};
use crate::errors::{Error, Result};
use crate::out::warn;
use crate::pipeline::decode::Compression;
use crate::store;

pub const COMMAND: Command = Command {
    name: "create",
    aliases: &[],
    options: &[
        HELP,
        value(&["m"], "<manifest>", "A file of manifest fields, as JSON; \"-\" is standard input."),
        value(
            &["output-template", "o"],
            "<path>",
            "Where to save: a directory, or the beginning of the names of both files. Default is \
             NAME-VERSION in the current directory.",
        ),
        value(
            &["compression", "c"],
            "<comp>",
            "How to compress the file: \"none\" (the default), \"gzip\", \"bzip2\", \"xz\" or \
             \"zstd\".",
        ),
        flag(&["incremental", "i"], "Make an image of the differences to the VM's own image."),
        Row::Gap,
        value(
            &["max-origin-depth"],
            "<num>",
            "Refuse an incremental image with more than so many images below it.",
        ),
        Row::Gap,
        value(
            &["s"],
            "<prepare-image-path>",
            "A script that is run in the VM to prepare it. The VM is snapshotted before and \
             rolled back afterwards. See imgadm(8).",
        ),
        Row::Gap,
        value(
            &["publish", "p"],
            "<url>",
            "Publish the image on this server instead of keeping the files. Not with \"-o\".",
        ),
        flag(&["quiet", "q"], "Disable progress bar in upload."),
    ],
    help: "\
Makes an image of a VM: NAME-VERSION.imgmanifest and NAME-VERSION.zfs, or .zvol
where the VM has disks.

The VM has to be stopped and prepared (no SSH keys, no host name, …), or -s
names a script that prepares it.

Usage:
    imgadm create [<options>] <vm-uuid> [<manifest-field>=<value> ...]

{{options}}
Manifest fields are JSON where that can be read as such, and text otherwise:
`disabled=true` is a boolean, `os=linux` a string. Name, version, description,
homepage and eula always are text: `version=1.0`.

Examples:
    imgadm create -c gzip 5f7a53e9-fc4d-d94b-9205-9ff110742aaf \\
        name=foo version=1.0.0
    imgadm create -i -s prepare.sh -p https://images.example.com \\
        5f7a53e9-fc4d-d94b-9205-9ff110742aaf name=foo version=1.0.1
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let [vm_uuid, fields @ ..] = given.arguments.as_slice() else {
        return Err(Error::wrong_arguments(&given.arguments));
    };
    store::check_uuid(vm_uuid)?;
    let compression = compression(given)?;
    if given.has("output-template") && given.has("publish") {
        return Err(Error::usage("cannot specify both -o,--output-template and -p,--publish"));
    }
    let max_origin_depth = max_origin_depth(given)?;
    let manifest = manifest_fields(given, fields)?;
    let save_prefix = save_prefix(app, given, &manifest)?;
    let prepare_script = given.get("s").map(read_text).transpose()?;
    if let Some(url) = given.get("publish") {
        // Not only once the image is made, which takes long: it would be lost.
        app.source(SourceInfo::new(Kind::Imgapi, url))?.ping()?;
        publish::check_token(app, url)?;
    }
    handle_interrupts()?;
    let request = Request {
        vm_uuid,
        manifest,
        compression,
        incremental: given.has("incremental"),
        max_origin_depth,
        prepare_script,
        save_prefix,
    };
    let created = create(&app.root, &request)?;
    match given.get("publish") {
        Some(url) => publish_and_remove(app, &created, url, given.has("quiet")),
        None => Ok(()),
    }
}

fn compression(given: &Given) -> Result<Compression> {
    let Some(name) = given.get("compression") else { return Ok(Compression::None) };
    Compression::parse(name).ok_or_else(|| {
        let known = Compression::ALL.map(Compression::as_str).join("\", \"");
        Error::usage(format!("invalid -c,--compression \"{name}\": must be one of \"{known}\""))
    })
}

fn max_origin_depth(given: &Given) -> Result<Option<u64>> {
    let Some(text) = given.get("max-origin-depth") else { return Ok(None) };
    let number = text.parse::<u64>().map_err(|_| {
        Error::option(format!(
            "arg for \"--max-origin-depth\" is not a positive integer: \"{text}\""
        ))
    })?;
    if number < 2 {
        return Err(Error::usage(format!(
            "invalid max-origin-depth \"{number}\": must be greater than 1"
        )));
    }
    Ok(Some(number))
}

fn read_text(path: &str) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|e| Error::file_system(format!("cannot read {path}: {e}")))
}

/// The fields of `-m`, and over them those of the command line.
fn manifest_fields(given: &Given, arguments: &[String]) -> Result<Map<String, Value>> {
    let parse = |text: &str, from: &str| -> Result<Map<String, Value>> {
        let invalid = |why: String| Error::usage(format!("invalid manifest JSON {from}: {why}"));
        match serde_json::from_str(text).map_err(|e| invalid(e.to_string()))? {
            Value::Object(fields) => Ok(fields),
            _ => Err(invalid("it is not an object".into())),
        }
    };
    let mut manifest = match given.get("m") {
        None => Map::new(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|e| {
                Error::file_system(format!("cannot read manifest from standard input: {e}"))
            })?;
            parse(&text, "on stdin")?
        }
        Some(path) => parse(&read_text(path)?, &format!("in \"{path}\""))?,
    };
    for argument in arguments {
        let (key, value) = argument.split_once('=').ok_or_else(|| {
            Error::usage(format!(
                "invalid manifest field arg \"{argument}\": must match \"<field>=<value>\""
            ))
        })?;
        manifest.insert(key.to_owned(), field_value(key, value));
    }
    Ok(manifest)
}

/// The fields that are text, whatever it looks like: a version 1.0 is no number.
const TEXT: [&str; 5] = ["name", "version", "description", "homepage", "eula"];

fn field_value(key: &str, text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::String(_)) => value,
        Ok(value) if !TEXT.contains(&key) => value,
        _ => text.into(),
    }
}

/// The path of the files without their endings. It has to be one that can be written to: the rest takes long.
fn save_prefix(app: &App, given: &Given, manifest: &Map<String, Value>) -> Result<String> {
    let name = file_name(manifest);
    if given.has("publish") {
        let name = format!("/var/tmp/.imgadm-create-{}", uuid::Uuid::new_v4());
        return Ok(app.root.path(name).to_string_lossy().into_owned());
    }
    let Some(template) = given.get("output-template") else { return Ok(name) };
    let path = Path::new(template);
    if path.is_dir() {
        return Ok(path.join(name).to_string_lossy().into_owned());
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    match directory.filter(|directory| !directory.is_dir()) {
        Some(missing) => Err(Error::usage(format!(
            "-o,--output-template \"{template}\": {} is no directory",
            missing.display()
        ))),
        None => Ok(template.to_owned()),
    }
}

fn publish_and_remove(app: &App, created: &Created, url: &str, quiet: bool) -> Result<()> {
    let published = publish::publish(app, &created.manifest, &created.file_path, url, quiet);
    for path in [&created.manifest_path, &created.file_path] {
        if let Err(error) = std::fs::remove_file(path) {
            warn(format_args!("Error removing temporary created image file: {error}"));
        }
    }
    published
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_json_where_they_can_be() {
        let given = Given::default();
        let fields: Vec<String> =
            ["name=foo", "disabled=true", "n=1", "s=\"true\"", "version=1.0", "description=\"a\""]
                .map(str::to_owned)
                .into();
        let manifest = manifest_fields(&given, &fields).unwrap();
        assert_eq!(
            Value::Object(manifest),
            serde_json::json!({
                "name": "foo", "disabled": true, "n": 1, "s": "true", "version": "1.0",
                "description": "a"
            })
        );
        let error = manifest_fields(&given, &["nosuch".to_owned()]).unwrap_err();
        assert_eq!(
            error.message(),
            "invalid manifest field arg \"nosuch\": must match \"<field>=<value>\""
        );
    }
}
