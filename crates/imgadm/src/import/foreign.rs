//! Images made of what other systems have: disk images and archives of root filesystems, from a file or a URL.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gz::zfs;
use serde_json::{Value, json};

use super::bars::Bars;
use super::bound::Bound;
use super::install::Target;
use super::{Options, size, spool};
use crate::app::App;
use crate::create::output::{Output, file_name};
use crate::disk::{Disk, Format, HEAD, head};
use crate::errors::{Error, Result};
use crate::out::say;
use crate::pipeline::decode::{Compression, decoder};
use crate::pipeline::fetch::{self, LocalFile, Opened, Origin, SharedOrigin, Wanted};
use crate::pipeline::file::Download;
use crate::sources::http::{Client, Request};
use crate::sources::{Content, Image, opened};
use crate::watch::check_interrupt;
use crate::{image_manifest, layer, time};

const MIB: u64 = 1 << 20;

/// What the operator says of the image.
pub struct About<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub os: &'a str,
    /// A directory that the image and its manifest are written out to, for a server.
    pub save: Option<&'a Path>,
}

/// Whether an argument of `import` names a file or a URL rather than an image of a source.
pub fn is_file_or_url(argument: &str) -> bool {
    is_url(argument) || (argument.contains(['/', '.']) && Path::new(argument).is_file())
}

fn is_url(argument: &str) -> bool {
    argument.starts_with("http://") || argument.starts_with("https://")
}

/// Makes an image of a file or of what is at a URL. On failure nothing is left.
pub fn import(app: &App, options: &Options<'_>, argument: &str, about: &About<'_>) -> Result<()> {
    // Not only after all the work.
    if let Some(directory) = about.save.filter(|directory| !directory.is_dir()) {
        return Err(Error::usage(format!("--save: {} is no directory", directory.display())));
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    let mut manifest = manifest(&uuid, about)?;
    let directory = options.root.path(spool::DIRECTORY);
    gz::files::make_directory(&directory)?;
    let scratch = tempfile::Builder::new()
        .prefix("import-")
        .tempdir_in(&directory)
        .map_err(|e| Error::file_system(format!("cannot write to {}: {e}", directory.display())))?;
    let mut bound = Bound::new(options.root, options.pool, &Value::Null);
    let file = if is_url(argument) {
        let path = scratch.path().join("download");
        let bars = Bars::with(std::iter::once((argument.to_owned(), None)), options.quiet);
        let bytes = download(app, argument, &path, &bars, &mut bound)?;
        say(format_args!("Downloaded {argument} ({})", size::human(bytes)))?;
        path
    } else {
        PathBuf::from(argument)
    };
    let unreadable =
        |e: std::io::Error| Error::file_system(format!("cannot read {}: {e}", file.display()));
    let compression = Compression::sniff(&head(&file).map_err(unreadable)?);
    let format = Format::sniff(&unpacked_head(&file, compression).map_err(unreadable)?);
    let target = Target { root: options.root, pool: options.pool, zstream: false };
    let partial = target.partial(&uuid);
    let (kind, more) = match format {
        Format::ZfsStream => {
            return Err(Error::usage(format!(
                "{argument} is a ZFS stream: install it with its manifest (imgadm install -m -f)"
            )));
        }
        Format::Tar => {
            let check = &mut |bytes| {
                check_interrupt()?;
                bound.check(bytes)
            };
            layer::install(options.root, options.pool, None, &partial.name, &file, check)?;
            let linux = about.os == "linux";
            (if linux { "lx-dataset" } else { "zone-dataset" }, json!({}))
        }
        Format::Raw | Format::Qcow2 | Format::Vmdk => {
            let disk = unpacked(&file, compression, scratch.path(), &mut bound)?;
            let mut disk = Disk::open(&disk, format).map_err(|e| unreadable_disk(argument, &e))?;
            let size = copy_disk(options, &mut disk, argument, format, &partial.name)?;
            let volume = json!({
                "image_size": size / MIB,
                "nic_driver": "virtio",
                "disk_driver": "virtio",
                "cpu_type": "host"
            });
            ("zvol", volume)
        }
    };
    manifest["type"] = kind.into();
    if let (Some(fields), Value::Object(more)) = (manifest.as_object_mut(), more) {
        fields.extend(more);
    }
    let image = Image {
        uuid: uuid.clone(),
        manifest,
        content: Content::ZfsStream(Compression::None),
        size: None,
        checksum: None,
        origin: Arc::new(LocalFile(file)),
        source: None,
    };
    target.finish(&image, partial)?;
    say(format_args!("Imported image {uuid} ({})", image.label()))
        .inspect_err(|_| target.remove(&uuid))?;
    match about.save {
        Some(directory) => save(&target, &image, directory),
        None => Ok(()),
    }
}

/// The manifest, but for what the file tells; what the operator says is checked.
fn manifest(uuid: &str, about: &About<'_>) -> Result<Value> {
    let manifest = json!({
        "v": image_manifest::VERSION,
        "uuid": uuid,
        "owner": "00000000-0000-0000-0000-000000000000",
        "name": about.name,
        "version": about.version,
        "state": "active",
        "disabled": false,
        "public": false,
        "published_at": time::iso(std::time::SystemTime::now()),
        "type": "other",
        "os": about.os,
    });
    image_manifest::validate_minimal(&manifest)?;
    Ok(manifest)
}

fn unpacked_head(file: &Path, compression: Compression) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    decoder(compression, BufReader::new(File::open(file)?))
        .take(HEAD as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

/// The file itself, or a scratch file with what comes out of its decompression: disk images are read here and there.
fn unpacked(
    file: &Path,
    compression: Compression,
    scratch: &Path,
    bound: &mut Bound<'_>,
) -> Result<PathBuf> {
    if compression == Compression::None {
        return Ok(file.to_owned());
    }
    let failed =
        |e: std::io::Error| Error::uncompression(format!("cannot unpack {}: {e}", file.display()));
    let path = scratch.join("unpacked");
    let input = BufReader::with_capacity(fetch::CHUNK, File::open(file).map_err(failed)?);
    let mut reader = decoder(compression, input);
    let mut out = File::create(&path).map_err(failed)?;
    let mut buffer = vec![0; MIB as usize];
    let mut length = 0;
    loop {
        check_interrupt()?;
        let count = reader.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            break;
        }
        // Holes stay holes.
        if is_zero(&buffer[..count]) {
            out.seek(SeekFrom::Current(count as i64)).map_err(failed)?;
        } else {
            out.write_all(&buffer[..count]).map_err(failed)?;
        }
        length += count as u64;
        bound.check(length)?;
    }
    out.set_len(length).map_err(failed)?;
    Ok(path)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn unreadable_disk(argument: &str, error: &std::io::Error) -> Error {
    Error::not_supported(format!("cannot read disk image {argument}: {error}"))
}

/// Makes a volume and writes a disk into it; its size in bytes, whole MiB.
fn copy_disk(
    options: &Options<'_>,
    disk: &mut Disk,
    argument: &str,
    format: Format,
    dataset: &str,
) -> Result<u64> {
    const SECTOR: u64 = 512;
    let size = disk.size();
    if size == 0 || (format == Format::Raw && !size.is_multiple_of(SECTOR)) {
        return Err(Error::not_supported(format!(
            "{argument} is no disk image: it has {size} bytes"
        )));
    }
    let volume = size.next_multiple_of(MIB);
    let root = options.root;
    zfs::tool(root).args(["create", "-V", &volume.to_string(), dataset]).run()?;
    let device = root.path(format!("/dev/zvol/rdsk/{dataset}"));
    let failed =
        |e: std::io::Error| Error::file_system(format!("cannot write {}: {e}", device.display()));
    let mut out = OpenOptions::new().write(true).open(&device).map_err(failed)?;
    let mut buffer = vec![0; MIB as usize];
    for offset in (0..size).step_by(MIB as usize) {
        check_interrupt()?;
        let count = (size - offset).min(MIB) as usize;
        // A new volume reads as zeros, so what the last piece lacks and what is empty need not be written.
        buffer.fill(0);
        let read = disk.read(&mut buffer[..count], offset);
        read.map_err(|e| unreadable_disk(argument, &e))?;
        if !is_zero(&buffer) {
            out.seek(SeekFrom::Start(offset)).map_err(failed)?;
            out.write_all(&buffer).map_err(failed)?;
        }
    }
    out.sync_all().map_err(failed)?;
    drop(out);
    zfs::tool(root).args(["snapshot", &format!("{dataset}@final")]).run()?;
    Ok(volume)
}

/// Writes an installed image and its manifest out, as `imgadm create` does.
fn save(target: &Target<'_>, image: &Image, directory: &Path) -> Result<()> {
    let name = image.manifest.as_object().map(file_name).unwrap_or_default();
    let prefix = directory.join(name);
    let output = Output {
        root: target.root,
        prefix: &prefix.to_string_lossy(),
        compression: Compression::Gzip,
        snapshot: &format!("{}@final", target.dataset(&image.uuid)),
        base: None,
    };
    output.write(image.manifest.clone()).map(drop)
}

/// What is at a URL.
struct UrlFile {
    client: Client,
    url: String,
}

impl Origin for UrlFile {
    fn open(&self, offset: u64, identity: Option<&str>) -> Result<Opened> {
        let mut request = Request::get(&self.url).header("accept-encoding", "identity");
        if offset > 0 {
            request = request.header("range", format!("bytes={offset}-"));
            if let Some(identity) = identity {
                request = request.header("if-range", identity);
            }
        }
        let response = self.client.get(&request);
        // One of many URLs an operator may have typed: the message says which.
        let opened = response.and_then(|response| opened(response, offset, &self.url));
        opened.map_err(|error| error.prefixed(&self.url))
    }

    fn address(&self) -> String {
        crate::sources::http::address(&self.url)
    }
}

fn download(app: &App, url: &str, path: &Path, bars: &Bars, bound: &mut Bound<'_>) -> Result<u64> {
    let origin: SharedOrigin = Arc::new(UrlFile {
        client: Client::new(url, false, &app.user_agent()?)?,
        url: url.to_owned(),
    });
    let wanted = Wanted { uuid: url.to_owned(), size: None, checksum: None, unchecked: false };
    let download = Download::new(&origin, wanted, path.to_owned())?;
    let fetched = download.run_watched(&mut |progress| {
        let bytes = progress.fetched.load(Ordering::Relaxed);
        bars.set(0, bytes);
        bound.check(bytes)
    });
    bars.finish(0);
    fetched.map_err(|failure| failure.error)
}
