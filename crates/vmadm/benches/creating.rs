//! Whole runs of `vmadm create` in a simulated global zone, divided into the time of the tools it runs and its own.
//!
//! A tool's time is what `create -d` says it took, to the microsecond: from before its process is created until all of
//! its output is read. All else is vmadm's own: starting up, reading and checking the payload and the other VMs,
//! planning, writing files and waiting until the disk has them, and the log lines themselves. No VM is booted, for then
//! the time would be that of waiting for it. With `TMPDIR` on a file system in memory the disk is out of the picture.
//!
//! The tools are gzsim's: the share shows what becomes of vmadm, not what it is on illumos.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

/// Creations of each VM, every one in a global zone of its own; the median counts.
const ROUNDS: usize = 21;

/// One creation.
struct Creation {
    total: Duration,
    tools: Duration,
    /// Tools that were run.
    count: usize,
    /// One start of `/bin/true` right before.
    start: Duration,
}

fn main() {
    needs!(Need::Simulation);
    println!("vmadm create, median of {ROUNDS} runs");
    println!(
        "{:<8} {:>6} {:>10} {:>10} {:>10} {:>10} {:>14}",
        "brand", "tools", "total", "in tools", "own", "own/total", "own/(true run)"
    );
    for payload in [joyent(), bhyve()] {
        let runs: Vec<Creation> = (0..ROUNDS).map(|_| create(&payload)).collect();
        let of = |value: &dyn Fn(&Creation) -> f64| median(runs.iter().map(value).collect());
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let own = |run: &Creation| run.total.saturating_sub(run.tools);
        println!(
            "{:<8} {:>6} {:>8.1}ms {:>8.1}ms {:>8.1}ms {:>10.3} {:>14.1}",
            payload["brand"].as_str().unwrap_or_default(),
            runs[0].count,
            of(&|run| milliseconds(run.total)),
            of(&|run| milliseconds(run.tools)),
            of(&|run| milliseconds(own(run))),
            of(&|run| own(run).as_secs_f64() / run.total.as_secs_f64()),
            of(&|run| own(run).as_secs_f64() / run.start.as_secs_f64()),
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A zone from an image, with all that makes files and datasets.
fn joyent() -> Value {
    json!({
        "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822", "alias": "j1",
        "autoboot": false, "max_physical_memory": 256, "quota": 5, "delegate_dataset": true,
        "customer_metadata": {"k": "v"}, "tags": {"role": "web"},
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "gateways": ["10.88.88.2"]}]
    })
}

/// A machine with one disk from an image and one of its own.
fn bhyve() -> Value {
    json!({
        "brand": "bhyve", "alias": "b1", "autoboot": false, "ram": 512, "vcpus": 1,
        "bootrom": "uefi", "quota": 1, "disks": [
            {"boot": true, "model": "virtio", "image_uuid": "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b"},
            {"model": "virtio", "size": 64}],
        "nics": [{"nic_tag": "admin", "ips": ["dhcp"], "model": "virtio"}]
    })
}

fn create(payload: &Value) -> Creation {
    let gz = Gz::init(&["--fixture", "spec"]);
    let path = gz.path("/payload.json");
    fs::write(&path, payload.to_string()).expect("the payload can be written");
    let start = start_true();
    let path = path.display().to_string();
    let mut command = gz.command("vmadm", &["create", "-d", "-f", &path]);
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("vmadm can be run");
    let total = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "vmadm create: {said}");
    let times: Vec<Duration> = said.lines().filter_map(tool_time).collect();
    let started = said.lines().filter(|line| line.starts_with("vmadm: debug: running ")).count();
    assert_eq!(times.len(), started, "the log says of every tool how long it took");
    // Tools are run one after the other, so that no time counts twice.
    Creation { total, tools: times.iter().sum(), count: started, start }
}

/// The time in a line `vmadm: debug: COMMAND took N ms`; none in other lines.
fn tool_time(line: &str) -> Option<Duration> {
    let (_, time) = line.strip_prefix("vmadm: debug: ")?.rsplit_once(" took ")?;
    let milliseconds: f64 = time.strip_suffix(" ms")?.parse().ok()?;
    Some(Duration::from_secs_f64(milliseconds / 1e3))
}

fn start_true() -> Duration {
    let begun = Instant::now();
    let status = Command::new("/bin/true").status().expect("/bin/true can be run");
    assert!(status.success());
    begun.elapsed()
}
