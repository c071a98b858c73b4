//! libzfs against the zfs program over the datasets that the machine has; prints seconds and the ratio. Make many
//! datasets first: `for i in $(seq 5000); do zfs create zones/b$i; done`.

use std::process::{Command, Stdio};
use std::time::Instant;

use libzfs_sys::{Libzfs, Types};

const PROPERTIES: [&str; 6] = ["name", "type", "quota", "origin", "mountpoint", "used"];

fn main() {
    let library = match Libzfs::load() {
        Ok(library) => library,
        Err(error) => {
            println!("skipped: needs a real ZFS ({error})");
            return;
        }
    };
    let all = Types { filesystems: true, volumes: true };
    for round in 1..=5 {
        let begun = Instant::now();
        let rows = library.list(all, &PROPERTIES, &[], None).map_or(0, |rows| rows.len());
        let ours = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let status = Command::new("zfs")
            .args(["list", "-H", "-p", "-t", "filesystem,volume", "-o", &PROPERTIES.join(",")])
            .stdout(Stdio::null())
            .status();
        let theirs = begun.elapsed().as_secs_f64();
        println!(
            "round {round}: {rows} datasets, libzfs {ours:.3} s, zfs list {theirs:.3} s ({status:?}), ratio {:.2}",
            theirs / ours
        );
    }
}
