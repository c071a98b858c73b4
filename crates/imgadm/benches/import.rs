//! Import throughput: a gzip image from a server on loopback into a receiver that only reads, beside `gzip -dc` alone
//! on the same file, and beside each of our own stages alone: the download, the checksum, the decompression, and
//! handing what comes out of it to a program. And start-up.
//!
//! `cargo bench -p imgadm` prints ratios; `IMGADM_BENCH_MIB` sets the image's size, unpacked (256).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use imgadm::config::{Kind, SourceInfo};
use imgadm::import::spool::checksum_of;
use imgadm::pipeline::checksum::{Algorithm, Checksum};
use imgadm::pipeline::decode::{Compression, decoder};
use imgadm::pipeline::fetch::{CHUNK, Progress, fetch};
use imgadm::sources::http::Limits;
use imgadm::sources::{Image, Source};
use serde_json::json;

const IMGADM: &str = env!("CARGO_BIN_EXE_imgadm");
const UUID: &str = "1a000001-0000-4000-8000-000000000001";
const ROUNDS: usize = 5;

/// A zfs that receives by reading.
const ZFS: &str = r#"#!/bin/sh
case "$*" in
receive*) cat > /dev/null; : > "${0%/*}/received";;
"list -H -p -o name "*) exit 1;;
"list -t all"*) echo x; echo x@final;;
rename*) ;;
destroy*) ;;
"list -t filesystem,volume,snapshot"*) printf 'zones\t-\t/zones\t-\n';;
esac
"#;

fn main() {
    let mib: u64 =
        std::env::var("IMGADM_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("root");
    for (path, text) in [
        ("usr/sbin/zfs", ZFS),
        ("usr/sbin/zoneadm", "#!/bin/sh\necho '0:global:running:/::liveimg:shared:0'\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let images = dir.path().join("images");
    let file = make_image(&images, mib);
    let packed = fs::metadata(&file).expect("a file").len();
    println!("{mib} MiB unpacked, {} MiB as gzip, {ROUNDS} rounds, best of each", packed >> 20);
    let server = Server::start(&images);
    let conf =
        json!({"upgradedToVer": "3.0.0", "sources": [{"type": "imgapi", "url": server.url}]});
    fs::create_dir_all(root.join("var/imgadm")).expect("a directory");
    fs::write(root.join("var/imgadm/imgadm.conf"), conf.to_string()).expect("a file");

    let image = find_image(&server.url);
    let stages: [(&str, &dyn Fn()); 4] = [
        ("download alone", &|| download(&image)),
        ("checksum alone", &|| checksum(&file)),
        ("decompression alone", &|| inflate(&file)),
        ("handing over alone", &|| hand_over(mib << 20)),
    ];
    let (mut import, mut gzip, mut peak) = (Duration::MAX, Duration::MAX, 0);
    let mut alone = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let (time, memory) = run_import(&root);
        import = import.min(time);
        peak = peak.max(memory);
        gzip = gzip.min(run(Command::new("gzip").arg("-dc").stdin(open(&file))));
        for ((_, stage), best) in stages.iter().zip(&mut alone) {
            let started = Instant::now();
            stage();
            *best = started.elapsed().min(*best);
        }
    }
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!("imgadm import / gzip -dc alone          {:.2}", ratio(import, gzip));
    for ((name, _), time) in stages.iter().zip(&alone) {
        println!("imgadm import / {name:23} {:.2}", ratio(import, *time));
    }
    println!("peak memory of imgadm                   {:.1} MiB", peak as f64 / 1024.0);

    for arguments in [&["--version"][..], &["list"][..]] {
        let best = (0..20)
            .map(|_| run(Command::new(IMGADM).args(arguments).env("ZONEKIT_ROOT", &root)))
            .min();
        let best = best.unwrap_or_default().as_secs_f64() * 1000.0;
        println!("imgadm {:24} {best:.1} ms", arguments.join(" "));
    }
}

/// The image as an import finds it.
fn find_image(url: &str) -> Image {
    let info = SourceInfo::new(Kind::Imgapi, url);
    let source = Source::new(info, "bench", true).expect("a source");
    let found = source.find(UUID, true).expect("an answer").expect("the image");
    source.ancestry(&found).expect("an answer").pop().expect("the image")
}

fn download(image: &Image) {
    let mut wanted = image.wanted(false);
    wanted.checksum = None;
    let limits = Limits::from_env();
    let progress = Progress::default();
    fetch(&*image.origin, &wanted, limits, &progress, &mut |_| true).expect("a download");
}

fn checksum(file: &Path) {
    let kind = Checksum { algorithm: Algorithm::Sha1, hex: String::new() };
    checksum_of(file, &kind).expect("a checksum");
}

fn inflate(file: &Path) {
    let input = BufReader::with_capacity(CHUNK, open(file));
    let mut reader = decoder(Compression::Gzip, input);
    let mut buffer = vec![0; CHUNK];
    while reader.read(&mut buffer).expect("data") > 0 {}
}

fn hand_over(bytes: u64) {
    let mut receiver =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
    let mut pipe = receiver.stdin.take().expect("its input");
    let buffer = vec![7; CHUNK];
    for _ in 0..bytes / CHUNK as u64 {
        pipe.write_all(&buffer).expect("a reader");
    }
    drop(pipe);
    assert!(receiver.wait().expect("cat").success());
}

fn open(path: &Path) -> File {
    File::open(path).expect("the image")
}

fn run(command: &mut Command) -> Duration {
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("a program");
    assert!(status.success(), "{command:?}: {status}");
    started.elapsed()
}

/// One import: how long, and the most memory it had, in KiB (where `/proc` tells).
fn run_import(root: &Path) -> (Duration, u64) {
    let started = Instant::now();
    let mut child = Command::new(IMGADM)
        .args(["import", UUID])
        .env("ZONEKIT_ROOT", root)
        .stdout(Stdio::null())
        .spawn()
        .expect("imgadm");
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("imgadm") {
            break status;
        }
        let text = fs::read_to_string(&status_file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success());
    (started.elapsed(), peak)
}

/// An image of text-like data, which compresses as system files do, and its manifest.
fn make_image(images: &Path, mib: u64) -> std::path::PathBuf {
    fs::create_dir_all(images).expect("a directory");
    let path = images.join(format!("{UUID}.file"));
    let mut out = flate2::write::GzEncoder::new(
        File::create(&path).expect("a file"),
        flate2::Compression::new(6),
    );
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    };
    let words: Vec<String> = (0..4096).map(|_| format!("{:x} ", random())).collect();
    let mut written = 0;
    while written < mib << 20 {
        let mut block = Vec::with_capacity(1 << 20);
        while block.len() < 1 << 20 {
            // A third cannot be compressed, as in programs and pictures.
            if random() % 3 == 0 {
                block.extend((0..4).flat_map(|_| random().to_le_bytes()));
            } else {
                block.extend(words[random() as usize % words.len()].as_bytes());
            }
        }
        out.write_all(&block).expect("room");
        written += block.len() as u64;
    }
    out.finish().expect("room");
    let sha1 = Command::new("sha1sum").stdin(open(&path)).output().expect("sha1sum");
    let sha1 = String::from_utf8_lossy(&sha1.stdout)[..40].to_owned();
    let size = fs::metadata(&path).expect("a file").len();
    let manifest = json!({
        "v": 2, "uuid": UUID, "name": "bench", "version": "1", "state": "active", "type": "other",
        "os": "other", "published_at": "2020-01-01T00:00:00Z",
        "files": [{"sha1": sha1, "size": size, "compression": "gzip"}]
    });
    fs::write(images.join(format!("{UUID}.json")), manifest.to_string()).expect("a file");
    path
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(images: &Path) -> Self {
        let mut child = Command::new(IMGADM)
            .args(["serve", "--port", "0"])
            .arg(images)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("imgadm serve");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        let url = line.trim().trim_start_matches("Listening on ").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
