//! `imgadm vacuum`: removes images that nothing is made from.

use std::io::{BufRead, IsTerminal};

use super::delete::delete;
use super::{Command, HELP, Run};
use crate::app::App;
use crate::cli::options::{Given, flag};
use crate::errors::{Error, Result};
use crate::out::{print, say};
use crate::rows::ImageInfo;
use crate::sources::label;
use crate::store;

pub const COMMAND: Command = Command {
    name: "vacuum",
    aliases: &[],
    options: &[
        HELP,
        flag(&["dry-run", "n"], "Only say what would be deleted."),
        flag(&["force", "f"], "Delete without asking."),
    ],
    help: "\
Removes unused images: those that no VM and no other image is made from, and
then those that are unused without them. One that cannot be deleted is named,
and the others are deleted all the same.

Usage:
    imgadm vacuum [<options>]

{{options}}
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    if !given.arguments.is_empty() {
        return Err(Error::usage(format!("unexpected arguments: {}", given.arguments.join(" "))));
    }
    let images = store::load(&app.root)?.images;
    let unused = unused(&images);
    if given.has("dry-run") {
        for image in &unused {
            say(format_args!("[dry-run] Deleted image {}", title(image)))?;
        }
        return Ok(());
    }
    if !given.has("force") && !unused.is_empty() && !confirmed(&unused)? {
        say("Aborting")?;
        return Err(Error::told());
    }
    let mut errors = Vec::new();
    for image in &unused {
        match delete(&app.root, image.pool(), image.text("uuid")) {
            Ok(()) => say(format_args!("Deleted image {}", title(image)))?,
            Err(error) => {
                say(format_args!(
                    "Error deleting image {}: {}: {error}",
                    title(image),
                    error.code()
                ))?;
                errors.push(error);
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::multiple(errors)) }
}

fn title(image: &ImageInfo) -> String {
    format!("{} ({})", image.text("uuid"), label(image.manifest()))
}

/// The images that can go, in an order in which they can: each comes after those made from it.
fn unused(images: &[ImageInfo]) -> Vec<&ImageInfo> {
    let dataset = |image: &ImageInfo| format!("{}/{}", image.pool(), image.text("uuid"));
    let clones = |image: &ImageInfo| -> Vec<String> {
        let names = image.record.get("cloneNames").and_then(|names| names.as_array());
        names.into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)).collect()
    };
    let mut left: Vec<(&ImageInfo, Vec<String>)> =
        images.iter().map(|image| (image, clones(image))).collect();
    let mut gone = Vec::new();
    loop {
        let (free, used): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(_, clones)| clones.is_empty());
        left = used;
        if free.is_empty() {
            return gone;
        }
        for (image, _) in free {
            let name = dataset(image);
            for (_, clones) in &mut left {
                clones.retain(|clone| *clone != name);
            }
            gone.push(image);
        }
    }
}

/// Asks the operator. Without a terminal there is nobody to ask.
fn confirmed(unused: &[&ImageInfo]) -> Result<bool> {
    let titles: Vec<String> = unused.iter().map(|image| title(image)).collect();
    say(format_args!("This will delete the following images:\n    {}", titles.join("\n    ")))?;
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Error::usage("there is no terminal to ask on: use -f to delete, -n to look"));
    }
    loop {
        match unused.len() {
            1 => print("Delete this image? [y/N] ")?,
            count => print(&format!("Delete these {count} images? [y/N] "))?,
        }
        let mut answer = String::new();
        let read = stdin
            .lock()
            .read_line(&mut answer)
            .map_err(|e| Error::file_system(format!("cannot read the answer: {e}")))?;
        match answer.trim().to_lowercase().as_str() {
            _ if read == 0 => return Ok(false),
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => say("Please enter \"y\", \"yes\", \"n\" or \"no\".")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn images_go_after_those_made_from_them() {
        let image = |uuid: &str, clones: &[&str]| {
            let mut image = ImageInfo::new(json!({"uuid": uuid}));
            image.record.insert("zpool".into(), "z".into());
            image.record.insert("cloneNames".into(), json!(clones));
            image
        };
        let images = [
            image("base", &["z/child"]),
            image("child", &["z/grandchild"]),
            image("grandchild", &[]),
            image("used", &["z/vm"]),
            image("free", &[]),
        ];
        let order: Vec<&str> = unused(&images).iter().map(|image| image.text("uuid")).collect();
        assert_eq!(order, ["grandchild", "free", "child", "base"]);
    }
}
