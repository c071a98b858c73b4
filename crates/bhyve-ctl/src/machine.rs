//! Control of a virtual machine that runs.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use gz::Root;
use manifest::Flavour;
use serde_json::{Value, json};

use crate::monitor::{self, Monitor};
use crate::qmp::Client;
use crate::screen::{self, Screen};
use crate::screenshot::Picture;
use crate::smartos::arguments_file;
use crate::uefi_variables::{BootOptions, Variables};
use crate::usage;
use crate::zone::HvmZone;

/// How long qemu may take to answer a command.
const ANSWER: Duration = Duration::from_secs(10);
/// How often the state of a zone is looked at while waiting for it.
const PAUSE: Duration = Duration::from_millis(250);

/// Where qemu leaves a picture of the screen, in the zone.
const SCREENDUMP: &str = "/tmp/vm.ppm";

/// A virtual machine of this system.
#[derive(Debug)]
pub struct Machine<'a> {
    root: &'a Root,
    zone: HvmZone,
    flavour: Flavour,
    uuid: String,
}

/// What an operator can do to a machine from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send a non-maskable interrupt.
    Nmi,
    /// Press the reset button.
    Reset,
    /// Press the power button.
    PowerDown,
    /// Pull the plug.
    PowerOff,
}

impl<'a> Machine<'a> {
    /// The machine of a zone. `uuid` is what zoneadm knows it by.
    pub fn new(root: &'a Root, zone: HvmZone, flavour: Flavour, uuid: String) -> Self {
        Self { root, zone, flavour, uuid }
    }

    /// The machine's zone.
    pub fn zone(&self) -> &HvmZone {
        &self.zone
    }

    /// Name under which bhyve runs it.
    pub fn bhyve_name(&self) -> String {
        match (self.flavour, &self.zone.debugid) {
            (Flavour::OmniOs, _) => self.zone.name.clone(),
            (Flavour::SmartOs, Some(debugid)) => format!("SYSbhyve-{debugid}"),
            (Flavour::SmartOs, None) => "SYSbhyve-unknown".to_owned(),
        }
    }

    /// Where its screen is offered; `None` where it is not.
    pub fn screen(&self) -> Option<Screen> {
        screen::of_zone(&self.zone, self.flavour)
    }

    fn is_kvm(&self) -> bool {
        self.zone.brand == "kvm"
    }

    /// State of the zone: `running`, `installed`, ….
    ///
    /// # Errors
    /// zoneadm fails or does not know the zone.
    pub fn state(&self) -> anyhow::Result<String> {
        let zone = gz::zoneadm::find(self.root, &self.uuid)?;
        Ok(zone.with_context(|| format!("{}: there is no such zone", self.uuid))?.state)
    }

    /// Checks that the machine runs.
    ///
    /// # Errors
    /// It does not, or that cannot be found out.
    pub fn check_running(&self) -> anyhow::Result<()> {
        match self.state()?.as_str() {
            "running" => Ok(()),
            state => bail!("{} does not run: its zone is {state}", self.uuid),
        }
    }

    /// A connection to qemu.
    ///
    /// # Errors
    /// The machine is no kvm machine of SmartOS, or does not run.
    pub fn qmp(&self) -> anyhow::Result<Client> {
        if !self.is_kvm() {
            bail!("{} is of brand {}: only kvm machines speak QMP", self.uuid, self.zone.brand);
        }
        if self.has_monitor() {
            bail!("OmniOS's kvm brand gives qemu no QMP socket");
        }
        self.check_running()?;
        let stream = gz::hvm::connect(self.root, &self.zone.zonepath, "/tmp/vm.qmp")?;
        Ok(Client::connect(stream, ANSWER)?)
    }

    /// Whether the machine is one of OmniOS's kvm brand, whose qemu has a monitor for humans alone.
    fn has_monitor(&self) -> bool {
        self.is_kvm() && self.flavour == Flavour::OmniOs
    }

    fn monitor(&self) -> anyhow::Result<Monitor<UnixStream>> {
        self.check_running()?;
        let stream = gz::hvm::connect(self.root, &self.zone.zonepath, "/tmp/vm.monitor")?;
        Ok(Monitor::new(monitor::limited(stream, ANSWER)?)?)
    }

    /// What qemu's monitor answers to `info TOPIC`, as text; for kvm machines of OmniOS.
    ///
    /// # Errors
    /// The machine does not run or has no such monitor, or qemu does not know the topic.
    pub fn monitor_info(&self, topic: &str) -> anyhow::Result<String> {
        if !self.has_monitor() {
            bail!("{} is no kvm machine of OmniOS", self.uuid);
        }
        Ok(self.monitor()?.command(&format!("info {topic}"))?)
    }

    /// State of the zone and, where its hypervisor says more, of the guest.
    ///
    /// # Errors
    /// The state cannot be found out.
    pub fn status(&self) -> anyhow::Result<Value> {
        let state = self.state()?;
        let mut status = json!({
            "uuid": self.uuid,
            "zonename": self.zone.name,
            "brand": self.zone.brand,
            "state": state,
        });
        if state == "running" && self.has_monitor() {
            let answer = self.monitor_info("status")?;
            let guest = answer.strip_prefix("VM status: ").unwrap_or(&answer);
            status["guest"] = json!({"status": guest, "running": guest.starts_with("running")});
        } else if state == "running" && self.is_kvm() {
            status["guest"] = serde_json::to_value(self.qmp()?.status()?)?;
        }
        Ok(status)
    }

    /// Counters: of bhyve's first processor, or of qemu's disks.
    ///
    /// # Errors
    /// The machine does not run, or its hypervisor does not answer.
    pub fn stats(&self) -> anyhow::Result<Value> {
        if self.has_monitor() {
            return Ok(block_stats(&self.monitor_info("blockstats")?));
        }
        if self.is_kvm() {
            return Ok(self.qmp()?.block_stats()?);
        }
        self.check_running()?;
        let text = gz::hvm::bhyvectl(self.root, &self.bhyve_name(), "--get-stats")?.text();
        Ok(parse_stats(&text))
    }

    /// The arguments that a running bhyve was started with, where its brand leaves them: configuration that has changed
    /// since is not in them.
    ///
    /// # Errors
    /// The file that holds them cannot be read.
    pub fn arguments_in_use(&self) -> anyhow::Result<Option<Vec<String>>> {
        if self.is_kvm() || self.flavour == Flavour::OmniOs || self.state()? != "running" {
            return Ok(None);
        }
        let file = self.file(arguments_file::PATH)?;
        Ok(file.map(|bytes| arguments_file::parse(&bytes)).transpose()?)
    }

    /// What UEFI firmware will boot, where these arguments of bhyve give it a file to keep its variables in. `None`
    /// also where it has not been started yet.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn boot_options(&self, argv: &[String]) -> anyhow::Result<Option<BootOptions>> {
        let Some(path) = usage::uefi_variables(argv) else { return Ok(None) };
        let Some(bytes) = self.file(path)? else { return Ok(None) };
        let variables = Variables::parse(&bytes).with_context(|| path.to_owned())?;
        Ok(Some(variables.boot_options()))
    }

    /// A file in the zone, if it is there.
    fn file(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = gz::hvm::safe_zone_file(self.root, &self.zone.zonepath, path)?;
        Ok(gz::files::read_optional(&path)?)
    }

    /// PCI devices as qemu sees them.
    ///
    /// # Errors
    /// As [`Machine::qmp`].
    pub fn pci(&self) -> anyhow::Result<Value> {
        if self.has_monitor() {
            let text = self.monitor_info("pci")?;
            return Ok(text.lines().map(str::trim).collect());
        }
        Ok(self.qmp()?.pci()?)
    }

    /// Does something to the machine.
    ///
    /// # Errors
    /// The machine does not run, or its hypervisor refuses.
    pub fn act(&self, action: Action) -> anyhow::Result<()> {
        self.check_running()?;
        if self.has_monitor() {
            let mut monitor = self.monitor()?;
            match action {
                // This qemu asks for a processor.
                Action::Nmi => drop(monitor.command("nmi 0")?),
                Action::Reset => drop(monitor.command("system_reset")?),
                Action::PowerDown => drop(monitor.command("system_powerdown")?),
                Action::PowerOff => monitor.quit()?,
            }
            return Ok(());
        }
        if self.is_kvm() {
            let mut qmp = self.qmp()?;
            match action {
                Action::Nmi => qmp.nmi()?,
                Action::Reset => qmp.reset()?,
                Action::PowerDown => qmp.powerdown()?,
                Action::PowerOff => qmp.quit()?,
            }
            return Ok(());
        }
        self.check_running()?;
        let option = match action {
            Action::Nmi => "--inject-nmi",
            Action::Reset => "--force-reset",
            Action::PowerOff => "--force-poweroff",
            Action::PowerDown => {
                if !gz::hvm::terminate_init(self.root, &self.uuid)? {
                    bail!("{} has no process that could be asked to end", self.uuid);
                }
                return Ok(());
            }
        };
        gz::hvm::bhyvectl(self.root, &self.bhyve_name(), option)?;
        Ok(())
    }

    /// Presses the power button and waits. A guest that has not gone down when `limit` is over is powered off.
    /// True if it went by itself.
    ///
    /// # Errors
    /// As [`Machine::act`].
    pub fn shut_down(&self, limit: Duration) -> anyhow::Result<bool> {
        self.act(Action::PowerDown)?;
        if self.wait_until_down(limit)? {
            return Ok(true);
        }
        self.act(Action::PowerOff)?;
        Ok(false)
    }

    fn wait_until_down(&self, limit: Duration) -> anyhow::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            if self.state()? != "running" {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }

    /// Has qemu write what the screen shows to a file in the zone, whose path in the global zone this is.
    ///
    /// # Errors
    /// As [`Machine::qmp`]; qemu cannot write the picture.
    pub fn screendump(&self) -> anyhow::Result<PathBuf> {
        let file = gz::hvm::safe_zone_file(self.root, &self.zone.zonepath, SCREENDUMP)?;
        if self.has_monitor() {
            self.monitor()?.command(&format!("screendump {SCREENDUMP}"))?;
        } else {
            self.qmp()?.screendump(SCREENDUMP)?;
        }
        Ok(file)
    }

    /// What the screen shows.
    ///
    /// # Errors
    /// As [`Machine::qmp`]; qemu cannot write the picture, or it cannot be read.
    pub fn screenshot(&self) -> anyhow::Result<Picture> {
        let file = self.screendump()?;
        let bytes = gz::files::read_optional(&file)?
            .with_context(|| format!("qemu has not written {}", file.display()))?;
        gz::files::remove(&file)?;
        Ok(Picture::from_ppm(&bytes)?)
    }
}

/// Lines of a text and a number at their ends, as an object.
fn parse_stats(text: &str) -> Value {
    let counters = text.lines().filter_map(|line| {
        let (name, value) = line.trim().rsplit_once(char::is_whitespace)?;
        Some((name.trim_end().to_owned(), json!(value.parse::<u64>().ok()?)))
    });
    Value::Object(counters.collect())
}

/// The monitor's counters of disks: a line a disk, `NAME: key=number key=number …`.
fn block_stats(text: &str) -> Value {
    let lines = text.lines().filter_map(|line| line.trim().split_once(':'));
    lines
        .map(|(device, counters)| {
            let counters = counters.split_whitespace().filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((name.to_owned(), json!(value.parse::<u64>().ok()?)))
            });
            json!({"device": device, "stats": Value::Object(counters.collect())})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_counts_by_disk() {
        let text = "virtio0: rd_bytes=512 wr_bytes=0 rd_operations=1\r\nide0-cd0: rd_bytes=0";
        assert_eq!(
            block_stats(text),
            json!([
                {"device": "virtio0", "stats": {"rd_bytes": 512, "wr_bytes": 0, "rd_operations": 1}},
                {"device": "ide0-cd0", "stats": {"rd_bytes": 0}},
            ])
        );
    }

    #[test]
    fn counters_are_named_by_what_stands_before_the_number() {
        let text =
            "vcpu0 stats:\nvm exits due to nested page fault\t\t12\nnumber of NMIs delivered  3\n";
        assert_eq!(
            parse_stats(text),
            json!({"vm exits due to nested page fault": 12, "number of NMIs delivered": 3})
        );
    }
}
