//! A real zfs and a simulated one, side by side: what one answers, the other should.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::gz::Gz;
use crate::pool::{self, Pool};

/// The pool `zones` twice, simulated and real, both without anything in it but what `gzsim init` makes.
pub struct Both {
    /// The simulated one's root.
    pub gz: Gz,
    simulated: PathBuf,
    real: PathBuf,
    // Dropped last: it destroys what the test left in the real pool.
    _pool: Pool,
}

impl Default for Both {
    fn default() -> Self {
        Self::new()
    }
}

impl Both {
    /// Takes the real pool and makes a simulated one.
    ///
    /// # Panics
    /// Where there is no real ZFS: the test lacks its `needs!(Need::RealZfs)`.
    pub fn new() -> Self {
        let real = pool::real_zfs().expect("the test said needs!(Need::RealZfs)");
        let pool = Pool::take(&real, "zones", "both");
        let gz = Gz::simulated(&[]);
        let simulated = gz.path("/usr/sbin/zfs");
        Self { gz, simulated, real, _pool: pool }
    }

    /// Runs a command on both at once; gives what the simulated one said first.
    pub fn run(&self, arguments: &[&str], stdin: Option<&Path>) -> [Output; 2] {
        thread::scope(|scope| {
            let simulated = scope.spawn(|| self.run_simulated(arguments, stdin));
            let real = self.run_real(arguments, stdin);
            [simulated.join().expect("it was run"), real]
        })
    }

    /// Runs a command on the simulated one alone.
    pub fn run_simulated(&self, arguments: &[&str], stdin: Option<&Path>) -> Output {
        zfs(&self.simulated, arguments, stdin)
    }

    /// Runs a command on the real one alone.
    pub fn run_real(&self, arguments: &[&str], stdin: Option<&Path>) -> Output {
        zfs(&self.real, arguments, stdin)
    }

    /// Runs a command on both; it must work on both.
    ///
    /// # Panics
    /// Where it does not.
    pub fn succeed(&self, arguments: &[&str], stdin: Option<&Path>) {
        for output in self.run(arguments, stdin) {
            assert_success(arguments, &output);
        }
    }

    /// Runs a command on the real one alone; gives its standard output.
    ///
    /// # Panics
    /// Where it fails.
    pub fn real(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run_real(arguments, None);
        assert_success(arguments, &output);
        output.stdout
    }
}

fn assert_success(arguments: &[&str], output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "zfs {}: {stderr}", arguments.join(" "));
}

fn zfs(program: &Path, arguments: &[&str], stdin: Option<&Path>) -> Output {
    let stdin = stdin.map_or_else(Stdio::null, |path| {
        File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
    });
    Command::new(program)
        .args(arguments)
        .stdin(stdin)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}
