//! Commands by name. Where newer versions of qemu renamed one, the newer name is tried first.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, Error, Result};

/// Whether a guest runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether its processors run.
    pub running: bool,
    /// `running`, `paused`, `shutdown`, …; SmartOS's qemu does not say.
    #[serde(default)]
    pub status: Option<String>,
}

/// A disk or cdrom drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Name of the drive.
    pub device: String,
    /// Whether its medium can be changed.
    #[serde(default)]
    pub removable: bool,
    /// The medium, as qemu describes it.
    #[serde(default)]
    pub inserted: Option<Value>,
}

/// A character device, such as a serial port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharDevice {
    /// Name.
    pub label: String,
    /// What it is connected to.
    pub filename: String,
}

/// A virtual processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Number.
    #[serde(alias = "CPU", alias = "cpu-index")]
    pub cpu: u32,
    /// Thread of the host.
    #[serde(default, alias = "thread_id", alias = "thread-id")]
    pub thread: Option<i64>,
}

/// The VNC server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vnc {
    /// Whether there is one.
    pub enabled: bool,
    /// Address, or path of its socket.
    #[serde(default)]
    pub host: Option<String>,
    /// Port.
    #[serde(default)]
    pub service: Option<String>,
    /// How clients are let in (`none`, `vnc`).
    #[serde(default)]
    pub auth: Option<String>,
    /// Clients that are connected.
    #[serde(default)]
    pub clients: Option<Value>,
}

impl Client {
    /// Whether the guest runs.
    ///
    /// # Errors
    /// See [`Client::execute`], here and below.
    pub fn status(&mut self) -> Result<Status> {
        self.query("query-status")
    }

    /// Disks and cdrom drives.
    pub fn block_devices(&mut self) -> Result<Vec<BlockDevice>> {
        self.query("query-block")
    }

    /// Character devices.
    pub fn char_devices(&mut self) -> Result<Vec<CharDevice>> {
        self.query("query-chardev")
    }

    /// Virtual processors.
    pub fn cpus(&mut self) -> Result<Vec<Cpu>> {
        match self.query("query-cpus-fast") {
            Err(error) if error.is_unknown_command() => self.query("query-cpus"),
            other => other,
        }
    }

    /// PCI buses with their devices, as qemu describes them.
    pub fn pci(&mut self) -> Result<Value> {
        self.execute("query-pci", &Value::Null)
    }

    /// The VNC server.
    pub fn vnc(&mut self) -> Result<Vnc> {
        self.query("query-vnc")
    }

    /// Counters of disks, as qemu gives them.
    pub fn block_stats(&mut self) -> Result<Value> {
        self.execute("query-blockstats", &Value::Null)
    }

    /// Sends a non-maskable interrupt to the guest.
    pub fn nmi(&mut self) -> Result<()> {
        match self.execute("inject-nmi", &Value::Null) {
            Err(error) if error.is_unknown_command() => {
                self.execute("human-monitor-command", &json!({"command-line": "nmi 0"})).map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Writes what the screen shows to a file (PPM), named as qemu sees the file system.
    pub fn screendump(&mut self, file: &str) -> Result<()> {
        self.execute("screendump", &json!({"filename": file})).map(drop)
    }

    /// Presses the power button. A guest may take its time, or not care.
    pub fn powerdown(&mut self) -> Result<()> {
        self.execute("system_powerdown", &Value::Null).map(drop)
    }

    /// Presses the reset button.
    pub fn reset(&mut self) -> Result<()> {
        self.execute("system_reset", &Value::Null).map(drop)
    }

    /// Sets the VNC password.
    pub fn set_vnc_password(&mut self, password: &str) -> Result<()> {
        let arguments = json!({"protocol": "vnc", "password": password});
        match self.execute("set_password", &arguments) {
            Err(error) if error.is_unknown_command() => self
                .execute("change", &json!({"device": "vnc", "target": "password", "arg": password}))
                .map(drop),
            other => other.map(drop),
        }
    }

    /// Ends qemu at once. It may be gone before it answers.
    pub fn quit(&mut self) -> Result<()> {
        match self.execute("quit", &Value::Null) {
            Ok(_) | Err(Error::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn query<T: for<'de> Deserialize<'de>>(&mut self, command: &str) -> Result<T> {
        let answer = self.execute(command, &Value::Null)?;
        serde_json::from_value(answer)
            .map_err(|error| Error::Protocol(format!("the answer to {command}: {error}")))
    }
}
