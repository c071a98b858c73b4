//! Receiving one image into a pool: under a temporary name until everything about it has been checked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gz::interrupt::Shield;
use gz::{Root, images, zfs};

use super::bound::Bound;
use crate::errors::{Error, Result};
use crate::layer;
use crate::out::warn;
use crate::pipeline::decode::Compression;
use crate::pipeline::fetch::{Failure, LocalFile, Progress, SharedOrigin};
use crate::pipeline::{self, Outcome};
use crate::sources::{Content, Image};
use crate::store;
use crate::watch::check_interrupt;

/// What an image's dataset is called until it is whole.
pub(super) fn partial_name(dataset: &str) -> String {
    format!("{dataset}-partial")
}

/// Where and how an image is installed.
pub struct Target<'a> {
    pub root: &'a Root,
    pub pool: &'a str,
    /// The file is a plain ZFS stream of unknown size, whatever the manifest says.
    pub zstream: bool,
}

/// The temporary dataset of an image; destroyed when dropped, unless it was given its own name.
pub(super) struct Partial<'a> {
    root: &'a Root,
    pub(super) name: String,
    kept: bool,
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let _shield = Shield::new();
        // It may never have come to be; then there is nothing to say.
        if store::dataset_exists(self.root, &self.name).unwrap_or(true)
            && let Err(error) = zfs::destroy(self.root, &["-r"], &self.name)
        {
            warn(format_args!("imgadm: warning: {error}"));
        }
    }
}

/// What is told while an image is received.
pub trait Watch {
    /// The download is whole and right.
    fn downloaded(&mut self, bytes: u64) -> Result<()>;
    /// Called some twenty times a second.
    fn tick(&mut self, progress: &Progress) -> Result<()>;
}

impl Target<'_> {
    /// The name the image gets: `POOL/UUID`.
    pub fn dataset(&self, uuid: &str) -> String {
        format!("{}/{uuid}", self.pool)
    }

    /// Downloads an image straight into the pool and installs it. Nothing is seen under its own name, or on record,
    /// before size and checksum have been found right; on failure nothing is left.
    pub fn install(
        &self,
        image: &Image,
        watch: &mut dyn Watch,
    ) -> std::result::Result<(), Failure> {
        let partial = self.partial(&image.uuid);
        match image.content {
            Content::Layer if !self.zstream => {
                return Err(Error::internal("a layer cannot be received as a stream").into());
            }
            Content::ZfsStream(compression) if !self.zstream => {
                self.receive(image, &image.origin, compression, &partial, watch)?;
            }
            _ => self.receive(image, &image.origin, Compression::None, &partial, watch)?,
        }
        Ok(self.finish(image, partial)?)
    }

    /// Installs an image whose file is at hand and has been checked.
    pub fn install_file(
        &self,
        image: &Image,
        file: &std::path::Path,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let partial = self.receive_file(image, file, watch)?;
        self.finish(image, partial)
    }

    /// Receives the file of an image under its temporary name.
    pub(super) fn receive_file(
        &self,
        image: &Image,
        file: &std::path::Path,
        watch: &mut dyn Watch,
    ) -> Result<Partial<'_>> {
        let partial = self.partial(&image.uuid);
        match image.content {
            Content::Layer if !self.zstream => {
                let progress = Progress::default();
                let mut bound = Bound::new(self.root, self.pool, &image.manifest);
                layer::install(
                    self.root,
                    self.pool,
                    image.parent(),
                    &partial.name,
                    file,
                    &mut |bytes| {
                        bound.check(bytes)?;
                        check_interrupt()?;
                        watch.tick(&progress)
                    },
                )?;
            }
            content => {
                let compression = match content {
                    Content::ZfsStream(compression) if !self.zstream => compression,
                    _ => Compression::None,
                };
                let origin: SharedOrigin = Arc::new(LocalFile(file.to_owned()));
                let mut plain = image.clone();
                plain.checksum = None;
                self.receive(&plain, &origin, compression, &partial, &mut Quiet(watch))
                    .map_err(|failure| failure.error)?;
            }
        }
        Ok(partial)
    }

    /// The dataset that an image is made in, before there is anything of it.
    pub(super) fn partial(&self, uuid: &str) -> Partial<'_> {
        Partial { root: self.root, name: partial_name(&self.dataset(uuid)), kept: false }
    }

    fn receive(
        &self,
        image: &Image,
        origin: &SharedOrigin,
        compression: Compression,
        partial: &Partial<'_>,
        watch: &mut dyn Watch,
    ) -> std::result::Result<(), Failure> {
        let receiver = zfs::receive(self.root, &[], &partial.name).map_err(Error::from)?;
        let progress = Arc::new(Progress::default());
        let mut bound = Bound::new(self.root, self.pool, &image.manifest);
        let wanted = image.wanted(self.zstream);
        let Outcome { fetched, received } = pipeline::stream(
            Arc::clone(origin),
            &wanted,
            compression,
            receiver,
            &progress,
            &mut |progress| {
                bound.check(progress.decoded.load(Ordering::Relaxed))?;
                watch.tick(progress)
            },
        )?;
        let bytes = fetched?;
        watch.downloaded(bytes)?;
        received.map_err(|failure| {
            if !failure.said.is_empty() {
                warn(format_args!("Stderr from zfs receive: {}\n", failure.said));
            }
            failure.error.into()
        })
    }

    /// Gives a complete image its name and its record.
    pub(super) fn finish(&self, image: &Image, mut partial: Partial<'_>) -> Result<()> {
        self.ensure_final_snapshot(&image.uuid, &partial.name)?;
        check_interrupt()?;
        // From here on it is two short steps, and both or neither. The record comes first, because it is the dataset
        // that makes an image exist: cut off between the two, there is a record that nobody looks at.
        let _shield = Shield::new();
        images::write(self.root, self.pool, &image.manifest, image.source.as_deref())?;
        if let Err(error) = zfs::rename(self.root, &partial.name, &self.dataset(&image.uuid)) {
            images::delete(self.root, self.pool, &image.uuid)?;
            warn(format_args!("imgadm: {error}"));
            return Err(Error::internal("error importing"));
        }
        partial.kept = true;
        Ok(())
    }

    /// An image has one snapshot, and its name is `@final`.
    fn ensure_final_snapshot(&self, uuid: &str, dataset: &str) -> Result<()> {
        let snapshots = store::snapshots(self.root, dataset)?;
        let short = |name: &String| format!("@{}", name.rsplit('@').next().unwrap_or_default());
        match snapshots.as_slice() {
            [only] if short(only) == "@final" => Ok(()),
            [only] => {
                let (of, _) = only.split_once('@').unwrap_or((only, ""));
                let run =
                    zfs::tool(self.root).args(["rename", "-r", only, &format!("{of}@final")]).run();
                run.map(drop).map_err(Error::from)
            }
            _ => {
                let names: Vec<String> = snapshots.iter().map(short).collect();
                Err(Error::unexpected_number_of_snapshots(uuid, &names))
            }
        }
    }

    /// Takes an image away again that this command installed.
    pub fn remove(&self, uuid: &str) {
        let _shield = Shield::new();
        let removed = zfs::destroy(self.root, &["-r"], &self.dataset(uuid))
            .and_then(|()| images::delete(self.root, self.pool, uuid));
        if let Err(error) = removed {
            warn(format_args!("imgadm: warning: {error}"));
        }
    }
}

/// Hears only the ticks: what is at hand has been announced before.
struct Quiet<'a>(&'a mut dyn Watch);

impl Watch for Quiet<'_> {
    fn downloaded(&mut self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn tick(&mut self, progress: &Progress) -> Result<()> {
        self.0.tick(progress)
    }
}
