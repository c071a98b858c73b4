//! Downloads beside the one that is being installed: into files, each in its own thread, until their turn comes.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gz::Root;

use crate::errors::{Error, Result};
use crate::pipeline::checksum::{Checksum, Hasher};
use crate::pipeline::fetch::{self, Failure, Progress};
use crate::pipeline::file::Download;
use crate::sources::Image;

/// Where downloads wait.
pub const DIRECTORY: &str = "/var/tmp/.imgadm-downloads";
/// How many run at once.
const AT_ONCE: usize = 4;

/// The file that an image's download becomes.
pub fn path(root: &Root, uuid: &str) -> PathBuf {
    root.path(DIRECTORY).join(format!("{uuid}.file"))
}

/// The size of a download of an earlier run that is whole and right; one that is not is removed.
pub fn ready_made(file: &Path, image: &Image) -> Option<u64> {
    let size = std::fs::metadata(file).ok()?.len();
    let right = image.size.is_none_or(|wanted| wanted == size)
        && image.checksum.as_ref().is_some_and(|sum| file_matches(file, sum));
    if right {
        return Some(size);
    }
    let _ = std::fs::remove_file(file);
    None
}

/// Removes what an import that was killed left of an image's download; for whoever holds the image's lock and does not
/// download it into a file.
pub fn discard_partial(root: &Root, uuid: &str) {
    let _ = std::fs::remove_file(partial(&path(root, uuid)));
}

fn file_matches(path: &Path, sum: &Checksum) -> bool {
    checksum_of(path, sum).is_ok_and(|hex| hex == sum.hex)
}

/// The checksum of a file, of the same kind as `sum`.
pub fn checksum_of(path: &Path, sum: &Checksum) -> std::io::Result<String> {
    use std::io::Read;
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new(Some(sum.algorithm));
    let mut buffer = vec![0; fetch::CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.hex()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Running downloads.
pub struct Spool {
    results: Receiver<(usize, Result<u64>)>,
    progress: Vec<Arc<Progress>>,
    files: Vec<PathBuf>,
}

impl Spool {
    /// Starts to download `images`; they are known by their place in it.
    pub fn start(root: &Root, images: &[Image], zstream: bool) -> Result<Self> {
        if !images.is_empty() {
            gz::files::make_directory(&root.path(DIRECTORY))?;
        }
        let (sender, results) = channel();
        let files: Vec<PathBuf> = images.iter().map(|image| path(root, &image.uuid)).collect();
        let progress: Vec<Arc<Progress>> = images.iter().map(|_| Arc::default()).collect();
        let jobs: VecDeque<usize> = (0..images.len()).collect();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..images.len().min(AT_ONCE) {
            let worker = Worker {
                jobs: Arc::clone(&jobs),
                images: images.to_vec(),
                files: files.clone(),
                progress: progress.clone(),
                sender: sender.clone(),
                zstream,
            };
            std::thread::spawn(move || worker.run());
        }
        Ok(Self { results, progress, files })
    }

    /// The next download that ended, if one did.
    pub fn poll(&self) -> Option<(usize, Result<u64>)> {
        self.results.try_recv().ok()
    }

    /// The same, but waits a moment for one.
    pub fn wait(&self, moment: Duration) -> Option<(usize, Result<u64>)> {
        self.results.recv_timeout(moment).ok()
    }

    pub fn file(&self, place: usize) -> &Path {
        &self.files[place]
    }

    pub fn progress(&self, place: usize) -> &Progress {
        &self.progress[place]
    }
}

impl Drop for Spool {
    /// Stops what still runs and takes the files away, whole or not.
    fn drop(&mut self) {
        for progress in &self.progress {
            progress.cancel();
        }
        for file in &self.files {
            let _ = std::fs::remove_file(file);
            let _ = std::fs::remove_file(partial(file));
        }
    }
}

fn partial(file: &Path) -> PathBuf {
    file.with_extension("file.partial")
}

struct Worker {
    jobs: Arc<Mutex<VecDeque<usize>>>,
    images: Vec<Image>,
    files: Vec<PathBuf>,
    progress: Vec<Arc<Progress>>,
    sender: Sender<(usize, Result<u64>)>,
    zstream: bool,
}

impl Worker {
    fn run(&self) {
        loop {
            let next = self.jobs.lock().ok().and_then(|mut jobs| jobs.pop_front());
            let Some(place) = next else { return };
            let result = self.download(place);
            if self.sender.send((place, result)).is_err() {
                return;
            }
        }
    }

    /// Downloads one image; once more where all of it came and was wrong.
    fn download(&self, place: usize) -> Result<u64> {
        if let Some(size) = ready_made(&self.files[place], &self.images[place]) {
            return Ok(size);
        }
        let first = self.attempt(place);
        match first {
            Err(Failure { wrong: true, .. }) => {
                self.attempt(place).map_err(|failure| failure.error)
            }
            other => other.map_err(|failure| failure.error),
        }
    }

    fn attempt(&self, place: usize) -> std::result::Result<u64, Failure> {
        let (image, file) = (&self.images[place], &self.files[place]);
        let partial = partial(file);
        let download = Download {
            progress: Arc::clone(&self.progress[place]),
            ..Download::new(&image.origin, image.wanted(self.zstream), partial.clone())?
        };
        let bytes = download.run()?;
        std::fs::rename(&partial, file)
            .map_err(|e| Error::file_system(format!("cannot write {}: {e}", file.display())))?;
        Ok(bytes)
    }
}
