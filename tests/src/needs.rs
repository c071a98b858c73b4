//! What a test needs that not every place to run it in has. A test says so in its first line, `needs!(…)`, and is
//! skipped where it is not there: by name on stderr, and in the file that [`SKIPPED`] names, for a summary at the end.
//!
//! A test that says too little fails wherever it runs: its global zones check what is done with them against
//! [`Declared`].

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::gz::REAL_ROOT;
use crate::pool;

/// Environment variable that names a file to which each skipped test is added, one a line with what it lacks.
pub const SKIPPED: &str = "ZONEKIT_E2E_SKIPPED";

/// Environment variable that, when set, asks for the long tests too on a real ZFS, where each zfs command takes a
/// fraction of a second (`ci/real-zfs.sh --all`).
pub const ALL: &str = "ZONEKIT_E2E_ALL";

/// Environment variable with the names of tests, separated by blanks, that fail where they would be skipped: a run in which
/// none of them could run says nothing.
pub const REQUIRED: &str = "ZONEKIT_E2E_REQUIRED";

/// Something that a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The tools of gzsim: faults, the log of tool runs, its settings, its fixture.
    Simulation,
    /// gzsim's own zfs: space accounting, pools of a given size, contents where the simulation keeps them.
    SimulatedZfs,
    /// A real zfs(8) with pools that may be wiped.
    RealZfs,
    /// A second global zone at the same time, with a pool of its own.
    TwoRoots,
    /// More time than a real ZFS should take in every CI run.
    Time,
    /// A zone brand that is installed.
    Brand(&'static str),
    /// An image that is installed, by UUID.
    Image(&'static str),
    /// A NIC tag.
    NicTag(&'static str),
    /// A program of the machine that the tests run on, by its path.
    Program(&'static str),
    /// Hardware virtualisation: bhyve's or KVM's module in the kernel.
    Virtualisation,
    /// A real illumos kernel with zones.
    Kernel,
    /// OmniOS: the machine's own, or a simulated one.
    OmniOs,
}

impl Need {
    /// Whether it is met only where the tools are simulated.
    fn is_simulated(self) -> bool {
        matches!(self, Self::Simulation | Self::SimulatedZfs | Self::RealZfs | Self::TwoRoots)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulation => f.write_str("the simulated tools"),
            Self::SimulatedZfs => f.write_str("the simulated zfs"),
            Self::RealZfs => write!(f, "a real zfs ({})", pool::REAL_ZFS),
            Self::TwoRoots => f.write_str("two global zones with pools of their own"),
            Self::Time => write!(f, "more time ({ALL})"),
            Self::Brand(brand) => write!(f, "the zone brand {brand}"),
            Self::Image(uuid) => write!(f, "the image {uuid}"),
            Self::NicTag(tag) => write!(f, "the NIC tag {tag}"),
            Self::Program(path) => f.write_str(path),
            Self::Virtualisation => f.write_str("hardware virtualisation"),
            Self::Kernel => write!(f, "a real global zone ({REAL_ROOT})"),
            Self::OmniOs => f.write_str("OmniOS"),
        }
    }
}

/// Where the tests run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The root of a real global zone.
    root: Option<PathBuf>,
    real_zfs: bool,
    all: bool,
}

impl Place {
    fn here() -> Self {
        Self {
            root: env::var_os(REAL_ROOT).map(PathBuf::from),
            real_zfs: pool::real_zfs().is_some(),
            all: env::var_os(ALL).is_some(),
        }
    }

    fn has(&self, need: Need) -> bool {
        if let Need::Program(path) = need {
            return Path::new(path).exists();
        }
        let Some(root) = &self.root else {
            return match need {
                Need::SimulatedZfs | Need::TwoRoots => !self.real_zfs,
                Need::RealZfs => self.real_zfs,
                Need::Time => self.all || !self.real_zfs,
                Need::Kernel => false,
                _ => true,
            };
        };
        match need {
            // The pool of a real global zone is nobody's to wipe.
            Need::Simulation | Need::SimulatedZfs | Need::RealZfs | Need::TwoRoots => false,
            Need::Time => self.all,
            Need::Brand(brand) => root.join("usr/lib/brand").join(brand).is_dir(),
            Need::Image(uuid) => is_installed(root, uuid),
            Need::NicTag(tag) => has_tag(root, tag),
            Need::Virtualisation => {
                ["dev/vmmctl", "dev/vmm/ctl", "dev/kvm"].iter().any(|path| root.join(path).exists())
            }
            Need::OmniOs => std::fs::read_to_string(root.join("etc/release"))
                .is_ok_and(|text| text.contains("OmniOS")),
            Need::Kernel | Need::Program(_) => true,
        }
    }
}

/// Whether there is time for everything: always but on a real ZFS, where it has to be asked for.
pub fn have_time() -> bool {
    Place::here().has(Need::Time)
}

fn is_installed(root: &Path, uuid: &str) -> bool {
    let records = root.join("var/imgadm/images").read_dir();
    let wanted = format!("-{uuid}.json");
    records
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().ends_with(&wanted))
}

/// SmartOS keeps its tags in the configuration of the node; OmniOS has those of `zonekit.toml`.
fn has_tag(root: &Path, tag: &str) -> bool {
    let words = [format!("{tag}_nic="), format!("{tag} = ")];
    ["usbkey/config", "tmp/node.config", "etc/zonekit.toml"].iter().any(|path| {
        std::fs::read_to_string(root.join(path)).is_ok_and(|text| {
            text.lines().any(|line| words.iter().any(|word| line.starts_with(word)))
        })
    })
}

thread_local! {
    /// What the test said that runs on this thread: every test has one of its own.
    static DECLARED: RefCell<Option<Declared>> = const { RefCell::new(None) };
}

/// What a test said it needs. Every global zone of the test has a copy.
#[derive(Debug, Clone)]
pub(crate) struct Declared(Arc<[Need]>);

impl Declared {
    /// For one more global zone of the test that runs on this thread.
    ///
    /// # Panics
    /// Where the test said nothing, and where it has a global zone and did not say that it needs two.
    pub(crate) fn of_this_test() -> Self {
        let declared = DECLARED.with_borrow(Clone::clone);
        let declared = declared.expect("a test begins with needs!(…), whatever it needs");
        // The thread's own, this one, and one of each global zone there is.
        if Arc::strong_count(&declared.0) > 2 {
            declared.check(Need::TwoRoots, "has two global zones at once");
        }
        declared
    }

    /// Checks that the test, which does what `why` says, declared that it needs this.
    ///
    /// # Panics
    /// Where it did not.
    pub(crate) fn check(&self, need: Need, why: &str) {
        // What is met only where the tools are simulated says that too.
        let is_declared =
            self.has(|known| known == need || need == Need::Simulation && known.is_simulated());
        assert!(is_declared, "the test {why}: it needs!(Need::{need:?})");
    }

    /// Checks that the test, which made a VM of `payload` (JSON as text), declared what that needs.
    ///
    /// # Panics
    /// Where it did not.
    pub(crate) fn check_created(&self, payload: &[u8]) {
        // Simulated systems have all brands, images and tags.
        if self.has(Need::is_simulated) {
            return;
        }
        let Ok(payload) = serde_json::from_slice::<Value>(payload) else { return };
        let check = |value: &Value, what: &str, named: fn(Need) -> Option<&'static str>| {
            let Some(text) = value.as_str() else { return };
            let is_declared = self.has(|need| named(need) == Some(text));
            assert!(is_declared, "the test makes a VM: it needs!(Need::{what}({text:?}))");
        };
        let list = |name: &str| payload[name].as_array().into_iter().flatten();
        check(&payload["brand"], "Brand", |need| match need {
            Need::Brand(brand) => Some(brand),
            _ => None,
        });
        if matches!(payload["brand"].as_str(), Some("bhyve" | "kvm")) {
            self.check(Need::Virtualisation, "makes a virtual machine");
        }
        for with_image in list("disks").chain([&payload]) {
            check(&with_image["image_uuid"], "Image", |need| match need {
                Need::Image(uuid) => Some(uuid),
                _ => None,
            });
        }
        for nic in list("nics") {
            check(&nic["nic_tag"], "NicTag", |need| match need {
                Need::NicTag(tag) => Some(tag),
                _ => None,
            });
        }
    }

    fn has(&self, need: impl Fn(Need) -> bool) -> bool {
        self.0.iter().any(|known| need(*known))
    }
}

/// Whether all that the test needs is there; where something is not, says and notes so. Called by [`crate::needs!`].
///
/// # Panics
/// Where the test may not be skipped ([`REQUIRED`]).
pub fn are_met(test: &str, needs: &[Need]) -> bool {
    DECLARED.set(Some(Declared(needs.into())));
    let place = Place::here();
    let test = test.trim_end_matches("::{{closure}}");
    let missing: Vec<String> =
        needs.iter().filter(|need| !place.has(**need)).map(|need| format!("{need}")).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(" and ");
    let required = env::var(REQUIRED).unwrap_or_default();
    assert!(!required.split_whitespace().any(|name| name == test), "{test} needs {missing}");
    // Not by eprintln!, which the test harness keeps to itself for tests that pass.
    let _ = writeln!(std::io::stderr(), "skipped: {test} needs {missing}");
    if let Some(path) = env::var_os(SKIPPED)
        && let Err(error) = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{test}\t{missing}\n").as_bytes()))
    {
        panic!("{}: {error}", Path::new(&path).display());
    }
    false
}

/// Says what a test needs, in its first line; the test ends there where that is missing.
#[macro_export]
macro_rules! needs {
    ($($need:expr),* $(,)?) => {
        if !$crate::needs::are_met(::std::any::type_name_of_val(&|| ()), &[$($need),*]) {
            return;
        }
    };
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::Gz;

    fn place(root: Option<&Path>, real_zfs: bool, all: bool) -> Place {
        Place { root: root.map(Path::to_path_buf), real_zfs, all }
    }

    #[test]
    fn a_simulation_has_everything_but_a_kernel() {
        let simulated = place(None, false, false);
        assert!(simulated.has(Need::Simulation) && simulated.has(Need::TwoRoots));
        assert!(simulated.has(Need::Virtualisation) && simulated.has(Need::Brand("lx")));
        assert!(simulated.has(Need::Time));
        assert!(!simulated.has(Need::Kernel) && !simulated.has(Need::RealZfs));
    }

    #[test]
    fn a_real_zfs_is_one_and_takes_time() {
        let real = place(None, true, false);
        assert!(real.has(Need::Simulation) && real.has(Need::RealZfs));
        assert!(!real.has(Need::TwoRoots) && !real.has(Need::SimulatedZfs));
        assert!(!real.has(Need::Time) && place(None, true, true).has(Need::Time));
    }

    #[test]
    fn a_real_global_zone_has_what_is_installed() {
        const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
        let root = tempfile::tempdir().expect("a temporary directory");
        for directory in ["usr/lib/brand/lx", "var/imgadm/images", "usbkey"] {
            std::fs::create_dir_all(root.path().join(directory)).expect("a writable directory");
        }
        let record = root.path().join(format!("var/imgadm/images/zones-{IMAGE}.json"));
        std::fs::write(record, "{}").expect("a writable directory");
        std::fs::write(root.path().join("usbkey/config"), "admin_nic=02:08:20:00:00:00\n")
            .expect("a writable directory");
        let real = place(Some(root.path()), false, false);
        assert!(real.has(Need::Brand("lx")) && !real.has(Need::Brand("joyent")));
        assert!(real.has(Need::Image(IMAGE)) && !real.has(Need::Image("x")));
        assert!(real.has(Need::NicTag("admin")) && !real.has(Need::NicTag("external")));
        assert!(real.has(Need::Kernel) && !real.has(Need::Virtualisation));
        assert!(!real.has(Need::OmniOs));
        let release = root.path().join("etc/release");
        std::fs::create_dir_all(root.path().join("etc")).expect("a writable directory");
        std::fs::write(release, "  OmniOS v11 r151058\n").expect("a writable directory");
        assert!(real.has(Need::OmniOs));
        assert!(!real.has(Need::Simulation) && !real.has(Need::TwoRoots) && !real.has(Need::Time));
    }

    /// Whether the global zones of a test that declares `needs` let it do this.
    fn lets(needs: &[Need], test: fn()) -> bool {
        assert!(are_met("lets", needs));
        catch_unwind(test).is_ok()
    }

    #[test]
    fn a_test_that_says_too_little_fails_where_it_could_run() {
        crate::needs!(Need::Simulation, Need::TwoRoots);
        let tag = Need::NicTag("admin");
        let faulty = || Gz::new().set("GZSIM_FAULT", "*:1=exit 1 boom");
        assert!(!lets(&[], faulty) && !lets(&[tag], faulty));
        assert!(lets(&[Need::Simulation], faulty) && lets(&[Need::TwoRoots], faulty));
        let counting = || assert!(Gz::new().calls().is_empty());
        assert!(!lets(&[tag], counting) && lets(&[Need::Simulation], counting));
        let two = || drop((Gz::new(), Gz::new()));
        assert!(!lets(&[Need::Simulation], two) && lets(&[Need::TwoRoots], two));
        let one_after_the_other = || (0..2).for_each(|_| drop(Gz::new()));
        assert!(lets(&[], one_after_the_other));
        let small = || drop(Gz::init(&["--pool-size", "8589934592"]));
        assert!(!lets(&[Need::Simulation], small) && lets(&[Need::SimulatedZfs], small));
        assert!(!lets(&[], || drop(Gz::init(&[]))));
    }

    #[test]
    fn a_vm_needs_what_its_payload_names() {
        crate::needs!(Need::Simulation);
        let create = || {
            let vm = serde_json::json!({"brand": "bhyve", "vcpus": 1, "ram": 256, "autoboot": false,
                "nics": [{"nic_tag": "admin", "ips": ["dhcp"], "model": "virtio"}]});
            let _ = Gz::new().create(&vm).ok();
        };
        let all = [Need::Brand("bhyve"), Need::Virtualisation, Need::NicTag("admin")];
        assert!(!lets(&all[1..], create) && !lets(&all[..2], create));
        assert!(!lets(&[all[0], all[2]], create));
        assert!(lets(&all, create) && lets(&[Need::Simulation], create));
    }

    #[test]
    fn a_test_that_says_nothing_fails() {
        crate::needs!(Need::Simulation);
        let test = std::thread::spawn(|| drop(Gz::new()));
        assert!(test.join().is_err());
    }
}
