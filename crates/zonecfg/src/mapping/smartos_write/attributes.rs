//! The `attr` resources: everything a VM has that zones do not know of.

use std::fmt::Write as _;

use serde_json::Value;

use super::quote::{Unmappable, quoted, text};
use super::{Object, uses_vm_autoboot};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes the attributes in their fixed order.
pub(super) struct Attributes<'a> {
    pub vm: &'a Object,
    pub payload: &'a Object,
    pub brand: &'a str,
}

impl Attributes<'_> {
    pub(super) fn write(&self, out: &mut String) -> Result<(), Unmappable> {
        const FIRST: [&str; 8] = [
            "billing_id",
            "owner_uuid",
            "package_name",
            "package_version",
            "tmpfs",
            "hostname",
            "dns_domain",
            "default_gateway",
        ];
        for property in FIRST {
            self.plain(out, property)?;
        }
        // False is the default of these and is stored by their absence; true that of restart_init.
        for property in ["do_not_inventory", "docker", "archive_on_delete", "firewall_enabled"] {
            self.flag(out, property, true)?;
        }
        self.flag(out, "restart_init", false)?;
        for property in ["init_name", "disk_driver", "nic_driver"] {
            self.plain(out, property)?;
        }
        self.flag(out, "maintain_resolvers", true)?;
        for property in
            ["kernel_version", "zlog_max_size", "resolvers", "internal_metadata_namespaces"]
        {
            self.plain(out, property)?;
        }
        self.docker_log(out)?;
        self.encoded(out, "alias")?;
        if uses_vm_autoboot(self.brand)
            && let Some(autoboot) = self.payload.get("autoboot")
        {
            self.set(out, "vm-autoboot", "autoboot", &text(autoboot))?;
        }
        if matches!(self.brand, "bhyve" | "kvm") {
            self.plain(out, "ram")?;
        }
        if self.brand == "bhyve" {
            self.bhyve(out)?;
        }
        const LAST: [&str; 9] = [
            "vcpus",
            "boot",
            "cpu_type",
            "vga",
            "vnc_port",
            "spice_port",
            "virtio_txtimer",
            "virtio_txburst",
            "flexible_disk_size",
        ];
        for property in LAST {
            self.plain(out, property)?;
        }
        for property in
            ["vnc_password", "spice_password", "spice_opts", "qemu_opts", "qemu_extra_opts"]
        {
            self.encoded(out, property)?;
        }
        Ok(())
    }

    /// Console ports and zone log of bhyve: written with every change, as the original does, so that older zones get
    /// them too.
    fn bhyve(&self, out: &mut String) -> Result<(), Unmappable> {
        if self.payload.contains_key("com1") || self.payload.contains_key("com2") {
            self.plain(out, "com1")?;
            self.plain(out, "com2")?;
        } else {
            self.set(out, "com1", "com1", "/dev/zconsole")?;
            self.set(out, "com2", "com2", "socket,/tmp/vm.ttyb")?;
        }
        self.plain(out, "bootrom")?;
        self.plain(out, "bhyve_extra_opts")?;
        self.set(out, "zlog-mode", "zlog_mode", "g--")?;
        self.set(out, "zlog-name", "zlog_name", "platform.log")
    }

    /// An attribute named as the property, underscores as hyphens.
    fn plain(&self, out: &mut String, property: &str) -> Result<(), Unmappable> {
        let Some(value) = self.payload.get(property) else { return Ok(()) };
        let value = if is_empty(property, value) { String::new() } else { text(value) };
        self.set(out, &property.replace('_', "-"), property, &value)
    }

    /// A boolean that is stored only where it is `stored`.
    fn flag(&self, out: &mut String, property: &str, stored: bool) -> Result<(), Unmappable> {
        let Some(value) = self.payload.get(property) else { return Ok(()) };
        let kept = if stored { value == &Value::Bool(true) } else { value != &Value::Bool(true) };
        let value = if kept { text(value) } else { String::new() };
        self.set(out, &property.replace('_', "-"), property, &value)
    }

    /// Free text: base64, because it may hold what zonecfg cannot quote.
    fn encoded(&self, out: &mut String, property: &str) -> Result<(), Unmappable> {
        let Some(value) = self.payload.get(property) else { return Ok(()) };
        let value = if is_empty(property, value) && !value.is_string() {
            String::new()
        } else {
            STANDARD.encode(text(value))
        };
        self.set(out, &property.replace('_', "-"), property, &value)
    }

    /// Adds, changes or (with an empty value) removes an attribute.
    fn set(
        &self,
        out: &mut String,
        attribute: &str,
        property: &str,
        value: &str,
    ) -> Result<(), Unmappable> {
        let old = self.vm.get(property);
        if value.trim().is_empty() {
            if old.is_some() {
                let _ = write!(out, "remove -F attr name={attribute};");
            }
            return Ok(());
        }
        // VM objects always have these two, also where the zone has no attribute.
        let absent = match (property, old) {
            (_, None) => true,
            ("resolvers", Some(old)) => old.as_array().is_some_and(Vec::is_empty),
            ("firewall_enabled", Some(old)) => old != &Value::Bool(true),
            _ => false,
        };
        if absent {
            let _ = write!(out, "add attr; set name=\"{attribute}\"; set type=string; ");
        } else {
            let _ = write!(out, "select attr name={attribute}; ");
        }
        let _ = writeln!(out, "set value={}; end", quoted(property, value)?);
        Ok(())
    }

    /// Where a docker zone's output goes. `zlog-mode` is three letters: the global zone's log, a terminal, a logger in
    /// the zone; with a logger the zone's init ends when the logger does.
    fn docker_log(&self, out: &mut String) -> Result<(), Unmappable> {
        let docker = |object: &Object| object.get("docker") == Some(&Value::Bool(true));
        if !docker(self.payload) && !docker(self.vm) {
            return Ok(());
        }
        let terminal = self.docker_metadata("docker:tty").is_some_and(is_true);
        let removed = self
            .payload
            .get("remove_internal_metadata")
            .and_then(Value::as_array)
            .is_some_and(|keys| keys.iter().any(|key| key == "docker:logdriver"));
        let given = self.payload_metadata("docker:logdriver");
        let driver = match given {
            Some(driver) => text(driver),
            None if removed => "json-file".to_owned(),
            None => self.docker_metadata("docker:logdriver").map_or("json-file".to_owned(), text),
        };
        let global = driver != "none";
        let logger = !matches!(driver.as_str(), "json-file" | "none");
        let letter = |on: bool, letter: char| if on { letter } else { '-' };
        let mode: String =
            [letter(global, 'g'), letter(terminal, 't'), letter(logger, 'n')].into_iter().collect();
        if self.vm.get("zlog_mode").and_then(Value::as_str) == Some(mode.as_str()) {
            return Ok(());
        }
        out.push_str("remove -F attr name=zlog-mode;\n");
        super::add_attr(out, "zlog-mode", &mode)?;
        out.push_str("remove -F attr name=app-svc-dependent;\n");
        if logger {
            super::add_attr(out, "app-svc-dependent", "true")?;
        }
        Ok(())
    }

    fn docker_metadata(&self, key: &str) -> Option<&Value> {
        self.payload_metadata(key).or_else(|| self.vm.get("internal_metadata")?.get(key))
    }

    fn payload_metadata(&self, key: &str) -> Option<&Value> {
        ["set_internal_metadata", "internal_metadata"]
            .into_iter()
            .find_map(|property| self.payload.get(property)?.get(key))
    }
}

/// Values that are stored by absence: null, empty text and zero, but for tmpfs where zero means "none".
fn is_empty(property: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Number(number) => property != "tmpfs" && number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// JavaScript's notion of true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null => false,
        _ => true,
    }
}
