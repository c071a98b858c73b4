//! Import: find the image and its origins, download them side by side, install them from the base up.

pub mod announce;
pub mod bars;
pub mod bound;
pub mod foreign;
pub mod install;
pub mod lock;
pub mod size;
pub mod spool;
pub mod there;

use std::sync::atomic::Ordering;
use std::time::Duration;

use gz::{Root, probes};
use serde_json::Value;

use self::announce::Announcer;
use self::bars::Bars;
use self::install::{Target, Watch};
use self::spool::Spool;
use self::there::There;
use crate::errors::{Error, Result};
use crate::image_manifest;
use crate::out::{mention, say};
use crate::pipeline::fetch::Progress;
use crate::sources::{Content, Found, Image, Source};
use crate::store;

/// How an import is done.
pub struct Options<'a> {
    pub root: &'a Root,
    pub pool: &'a str,
    /// The source sends plain ZFS streams of unknown size.
    pub zstream: bool,
    /// No progress bars, even on a terminal.
    pub quiet: bool,
}

/// Imports images that sources were found to have, and what they are made from.
pub fn import(options: &Options<'_>, wanted: &[(&Source, Found)]) -> Result<()> {
    for (source, found) in wanted {
        match &source.info.channel {
            Some(channel) => say(format_args!(
                "Importing {} from \"{}\", channel \"{channel}\"",
                found.title, source.info.url
            ))?,
            None => say(format_args!("Importing {} from \"{}\"", found.title, source.info.url))?,
        }
    }
    for (_, found) in wanted {
        say(format_args!("Gather image {} ancestry", found.uuid))?;
    }
    let installed = store::load(options.root)?;
    let mut images: Vec<Image> = Vec::new();
    for (source, found) in wanted {
        let mut fresh = Vec::new();
        for image in source.ancestry(found)? {
            if images.iter().any(|other| other.uuid == image.uuid) {
                continue;
            }
            if installed.find(options.pool, &image.uuid).is_some() {
                say(format_args!("Image {} already installed", image.uuid))?;
            } else {
                fresh.push(image);
            }
        }
        // Before those it shares with others: an image comes before what it is made from.
        images.splice(0..0, fresh);
    }
    // Topmost first. Held until the end, whatever it is.
    let uuids: Vec<&str> = images.iter().map(|image| image.uuid.as_str()).collect();
    let _locks = lock::acquire_all(options.root, uuids.iter().copied())?;
    let there = There::look(options.root, options.pool, &uuids)?;
    let images = not_imported_meanwhile(options, wanted, &there, images)?;
    if images.is_empty() {
        return Ok(());
    }
    let result = check(options.root, &images)
        .and_then(|()| there.destroy_leftovers(options.root))
        .and_then(|()| download_and_install(options, &images));
    if let Err(error) = &result {
        mention(format_args!("Aborting ({})", error.message()));
    }
    result
}

/// The images that nobody imported while this import waited for its locks.
fn not_imported_meanwhile(
    options: &Options<'_>,
    wanted: &[(&Source, Found)],
    there: &There,
    images: Vec<Image>,
) -> Result<Vec<Image>> {
    let (imported, left): (Vec<Image>, Vec<Image>) =
        images.into_iter().partition(|image| there.has(&image.uuid));
    for Image { uuid, .. } in imported {
        if wanted.iter().any(|(_, found)| found.uuid == uuid) {
            let record = store::record(options.root, options.pool, &uuid);
            let label = crate::sources::label(record.manifest());
            say(format_args!("Image {uuid} ({label}) was imported while waiting on lock"))?;
        }
    }
    Ok(left)
}

fn check(root: &Root, images: &[Image]) -> Result<()> {
    for image in images {
        let has_file = image.manifest.get("files").and_then(|files| files.get(0)).is_some();
        if !has_file && image.checksum.is_none() {
            return Err(Error::invalid_manifest(format_args!("image {} has no files", image.uuid)));
        }
    }
    if images.iter().any(|image| image_manifest::names_platforms(&image.manifest)) {
        let sysinfo = sysinfo(root)?;
        for image in images {
            image_manifest::check_platform(&image.manifest, &sysinfo)?;
        }
    }
    Ok(())
}

/// What `sysinfo` says of this system.
pub fn sysinfo(root: &Root) -> Result<Value> {
    Ok(Value::Object(gz::sysinfo::read(root)?))
}

fn download_and_install(options: &Options<'_>, images: &[Image]) -> Result<()> {
    let plural = if images.len() == 1 { "" } else { "s" };
    let sizes: Option<Vec<u64>> =
        images.iter().map(|image| image.size.filter(|n| *n > 0)).collect();
    match sizes.filter(|_| !options.zstream) {
        Some(sizes) => {
            let total = size::human(sizes.iter().sum());
            say(format_args!(
                "Must download and install {} image{plural} ({total})",
                images.len()
            ))?;
        }
        None => say(format_args!("Must download and install {} image{plural}", images.len()))?,
    }
    let target = Target { root: options.root, pool: options.pool, zstream: options.zstream };
    let mut done = Vec::new();
    let result = Work::start(options, &target, images)?.all(&mut done);
    if result.is_err() {
        // What a failed command began it takes back: topmost first, as the others are clones' origins.
        for uuid in done.iter().rev() {
            target.remove(uuid);
        }
    }
    result
}

/// The work on the images of one import. They are known by their place, topmost first; the last, the base, goes
/// straight into the pool while the others are downloaded into files.
struct Work<'a> {
    target: &'a Target<'a>,
    images: &'a [Image],
    spool: Spool,
    /// How many of the images, from the top, are downloaded into files.
    spooled: usize,
    arrived: Vec<bool>,
    announcer: Announcer,
    bars: Bars,
}

impl<'a> Work<'a> {
    fn start(options: &Options<'_>, target: &'a Target<'a>, images: &'a [Image]) -> Result<Self> {
        let bars = Bars::new(images, options.quiet);
        let above = bars.clone();
        let labels = images.iter().map(|image| (image.uuid.clone(), image.label())).collect();
        let announcer = Announcer::new(labels, Box::new(move |line| above.print(line)));
        // A layer is unpacked by paths, not received, so it has to be a file, as has what an earlier run left.
        let streams = images.last().is_some_and(|base| {
            (base.content != Content::Layer || target.zstream)
                && spool::ready_made(&spool::path(target.root, &base.uuid), base).is_none()
        });
        if streams && let Some(base) = images.last() {
            spool::discard_partial(target.root, &base.uuid);
        }
        let spooled = images.len() - usize::from(streams);
        let missing = &images[..spooled];
        Ok(Self {
            target,
            images,
            spool: Spool::start(target.root, missing, target.zstream)?,
            spooled,
            arrived: vec![false; images.len()],
            announcer,
            bars,
        })
    }

    fn all(&mut self, done: &mut Vec<String>) -> Result<()> {
        for place in (0..self.images.len()).rev() {
            let image = &self.images[place];
            if place >= self.spooled {
                probes::stage("stream", &image.uuid, || self.stream(place))?;
            } else {
                probes::stage("download", &image.uuid, || self.wait_for(place))?;
                let file = self.spool.file(place).to_owned();
                let mut watch = WatchOne { work: self, place };
                let target = watch.work.target;
                probes::stage("install", &image.uuid, || {
                    let partial = target.receive_file(image, &file, &mut watch)?;
                    // Before the image is there: cut off after that, nobody would come back for it.
                    let _ = std::fs::remove_file(&file);
                    target.finish(image, partial)
                })?;
            }
            done.push(image.uuid.clone());
            self.announcer.imported(place)?;
        }
        Ok(())
    }

    /// Downloads an image into the pool; once more where all of it came and was wrong.
    fn stream(&mut self, place: usize) -> Result<()> {
        let image = &self.images[place];
        let target = self.target;
        match target.install(image, &mut WatchOne { work: self, place }) {
            Err(failure) if failure.wrong => target
                .install(image, &mut WatchOne { work: self, place })
                .map_err(|failure| failure.error),
            other => other.map_err(|failure| failure.error),
        }
    }

    fn wait_for(&mut self, place: usize) -> Result<()> {
        while !self.arrived[place] {
            if gz::interrupt::requested() {
                return Err(gz::Error::Interrupted.into());
            }
            if let Some((arrived, result)) = self.spool.wait(Duration::from_millis(50)) {
                self.take(arrived, result)?;
            }
            self.draw_spooled();
        }
        Ok(())
    }

    fn take(&mut self, place: usize, result: Result<u64>) -> Result<()> {
        let bytes = result?;
        self.arrived[place] = true;
        self.bars.finish(place);
        self.announcer.downloaded(place, bytes)
    }

    fn draw_spooled(&self) {
        for place in 0..self.spooled {
            self.bars.set(place, self.spool.progress(place).fetched.load(Ordering::Relaxed));
        }
    }
}

/// Watches the image at one place, and with every tick the downloads beside it.
struct WatchOne<'w, 'a> {
    work: &'w mut Work<'a>,
    place: usize,
}

impl Watch for WatchOne<'_, '_> {
    fn downloaded(&mut self, bytes: u64) -> Result<()> {
        self.work.bars.finish(self.place);
        self.work.announcer.downloaded(self.place, bytes)
    }

    fn tick(&mut self, progress: &Progress) -> Result<()> {
        if self.place >= self.work.spooled {
            self.work.bars.set(self.place, progress.fetched.load(Ordering::Relaxed));
        }
        while let Some((place, result)) = self.work.spool.poll() {
            self.work.take(place, result)?;
        }
        self.work.draw_spooled();
        Ok(())
    }
}
