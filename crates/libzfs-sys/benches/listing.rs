//! The rows that vmadm reads of VMs' datasets, from libzfs and from the zfs program in turns, over 5, 500 and 5,000
//! datasets; numbers as arguments choose among these. `ZONEKIT_BENCH_DATASET` names a dataset that is not there: it is
//! made, filled, and destroyed in the end.
//!
//! Both are timed as `gz` would use them: the library from opening it, the program from starting it, until the rows are
//! in memory. The ratios are those of pairs, one run of each right after the other, the program first in every second
//! pair: what else the machine does meanwhile strikes both.

use std::env;
use std::ffi::{CString, c_char, c_int, c_void};
use std::process::Command;
use std::ptr::null_mut;
use std::thread;
use std::time::{Duration, Instant};

use libloading::Library;
use libzfs_sys::{Libzfs, Types};

const DATASET: &str = "ZONEKIT_BENCH_DATASET";

/// Numbers of datasets with the pairs measured of each.
const SIZES: [(usize, usize); 3] = [(5, 101), (500, 21), (5_000, 9)];

/// What `vmadm list` asks for (`gz::inventory`).
const PROPERTIES: [&str; 17] = [
    "compression",
    "creation",
    "filesystem_limit",
    "mountpoint",
    "name",
    "quota",
    "recsize",
    "refquota",
    "refreservation",
    "snapshot_limit",
    "type",
    "usedbysnapshots",
    "userrefs",
    "volblocksize",
    "volsize",
    "written",
    "zoned",
];

type Rows = Vec<Vec<String>>;

fn main() {
    let Ok(top) = env::var(DATASET) else {
        println!("skipped: {DATASET} names no dataset to make");
        return;
    };
    if let Err(error) = Libzfs::load() {
        println!("skipped: needs a real ZFS ({error})");
        return;
    }
    let maker = Maker::load();
    maker.create(&top);
    let mut names: Vec<String> = Vec::new();
    println!("time of the zfs program / time of libzfs");
    println!(
        "{:>8} {:>8} {:>6} {:>8} {:>17} {:>15}",
        "datasets", "asked", "pairs", "median", "middle half", "all"
    );
    let chosen: Vec<usize> = env::args().filter_map(|word| word.parse().ok()).collect();
    for (count, pairs) in SIZES {
        if !chosen.is_empty() && !chosen.contains(&count) {
            continue;
        }
        let more: Vec<String> = (names.len()..count).map(|at| format!("{top}/{at}")).collect();
        let begun = Instant::now();
        many(&more, |name| maker.create(name));
        names.extend(more);
        eprintln!("{count} datasets there after {:.0?}", begun.elapsed());
        // As VMs of SmartOS are found, and as those of OmniOS are.
        measure("by name", pairs, &names, Some(1));
        measure("below", pairs, std::slice::from_ref(&top), None);
    }
    many(&names, |name| maker.destroy(name));
    maker.destroy(&top);
}

/// Does something with each name, with many at once: what waits for the same transaction waits once.
fn many(names: &[String], work: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(100).max(1)) {
            scope.spawn(|| part.iter().for_each(|name| work(name)));
        }
    });
}

fn measure(how: &str, pairs: usize, below: &[String], depth: Option<u32>) {
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    let mut ratios = Vec::new();
    let mut rows = 0;
    for pair in 0..pairs {
        let ((theirs, program), (ours, library)) = if pair % 2 == 0 {
            let program = timed(|| by_program(&below, depth));
            (program, timed(|| by_library(&below, depth)))
        } else {
            let library = timed(|| by_library(&below, depth));
            (timed(|| by_program(&below, depth)), library)
        };
        assert!(theirs == ours, "{how}: the answers differ");
        rows = ours.len();
        eprintln!("{how}, {rows} rows: {program:.1?} and {library:.1?}");
        ratios.push(program.as_secs_f64() / library.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let at = |part: usize| ratios[(ratios.len() - 1) * part / 4];
    println!(
        "{rows:>8} {how:>8} {pairs:>6} {:>8.2} {:>8.2} to {:.2} {:>8.2} to {:.2}",
        at(2),
        at(1),
        at(3),
        at(0),
        at(4)
    );
}

fn timed(list: impl FnOnce() -> Rows) -> (Rows, Duration) {
    let begun = Instant::now();
    let mut rows = list();
    let time = begun.elapsed();
    rows.sort();
    (rows, time)
}

fn by_library(below: &[&str], depth: Option<u32>) -> Rows {
    let all = Types { filesystems: true, volumes: true };
    Libzfs::load()
        .and_then(|library| library.list(all, &PROPERTIES, below, depth))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn by_program(below: &[&str], depth: Option<u32>) -> Rows {
    let depth = depth.map(|depth| format!("-d{depth}"));
    let output = Command::new("zfs")
        .args(["list", "-H", "-p", "-t", "filesystem,volume", "-o", &PROPERTIES.join(",")])
        .arg(depth.as_deref().unwrap_or("-r"))
        .args(below)
        .output()
        .expect("zfs runs where libzfs loads");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Makes and destroys filesystems that are not mounted, through libzfs_core: 5,000 runs of `zfs` take too long.
struct Maker(Library);

impl Maker {
    fn load() -> Self {
        // SAFETY: a library of the system, whose `libzfs_core_init` takes nothing.
        unsafe {
            let library = ["libzfs_core.so.1", "libzfs_core.so.3"]
                .into_iter()
                .find_map(|name| Library::new(name).ok())
                .expect("libzfs_core is where libzfs is");
            let init = library.get::<unsafe extern "C" fn() -> c_int>(c"libzfs_core_init");
            assert_eq!(init.expect("libzfs_core has it")(), 0, "libzfs_core_init");
            Self(library)
        }
    }

    fn create(&self, name: &str) {
        /// Name, type, properties, and OpenZFS's key and its length, which illumos does not look at.
        type Create =
            unsafe extern "C" fn(*const c_char, c_int, *mut c_void, *mut u8, u32) -> c_int;
        /// `LZC_DATSET_TYPE_ZFS`.
        const FILESYSTEM: c_int = 2;
        let text = CString::new(name).expect("no NUL byte");
        // SAFETY: the arguments are those of libzfs_core.h; null pointers mean none.
        let code = unsafe {
            let create = self.0.get::<Create>(c"lzc_create").expect("libzfs_core has it");
            create(text.as_ptr(), FILESYSTEM, null_mut(), null_mut(), 0)
        };
        assert_eq!(code, 0, "{name} cannot be created");
    }

    fn destroy(&self, name: &str) {
        type Destroy = unsafe extern "C" fn(*const c_char) -> c_int;
        let text = CString::new(name).expect("no NUL byte");
        // SAFETY: the argument is that of libzfs_core.h.
        let code = unsafe {
            let destroy = self.0.get::<Destroy>(c"lzc_destroy").expect("libzfs_core has it");
            destroy(text.as_ptr())
        };
        assert_eq!(code, 0, "{name} cannot be destroyed");
    }
}
