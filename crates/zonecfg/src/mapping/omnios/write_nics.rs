//! Network interfaces.

use serde_json::Value;

use super::write::{Result, Writer, part, refused, shown};
use super::{NIC_PARTS, Object};
use crate::model::{Net, Property};

impl Writer {
    pub(super) fn nic(&mut self, index: usize, nic: &Object, uuid: &str) -> Result<()> {
        for (property, name, _) in NIC_PARTS {
            // A NIC without addresses has a list of one empty text; no attribute may be empty.
            let value = nic.get(property).map(shown).filter(|value| !value.is_empty());
            if let Some(value) = value {
                let of_nic = format!("nics.{index}.{property}");
                self.attr(&of_nic, &format!("net{index}-{name}"), &value)?;
            }
        }
        let filled = |name: &str| Some(part(nic, name)).filter(|value| !value.is_empty());
        let link = filled("link");
        if link.is_some() {
            self.attr(
                &format!("nics.{index}.nic_tag"),
                &format!("net{index}-nic-tag"),
                &part(nic, "nic_tag"),
            )?;
        }
        let mut allowed = self.allowed_addresses(index, nic)?.into_iter();
        let allowed_address = allowed.next();
        // Datalinks of all zones have to differ.
        let physical = filled("vnic").unwrap_or_else(|| vnic_name(uuid, index));
        let net = Net {
            physical: physical.clone(),
            global_nic: link.or_else(|| filled("nic_tag")),
            mac_addr: filled("mac"),
            vlan_id: filled("vlan_id").filter(|vlan| vlan != "0"),
            // A router needs an address of the zone's own.
            defrouter: filled("gateway").filter(|_| allowed_address.is_some()),
            allowed_address,
            address: None,
            properties: self.net_properties(index, nic)?,
        };
        self.zone.add(net);
        for address in allowed {
            // Nothing but its link: the brand makes it once.
            self.zone.add(Net {
                physical: physical.clone(),
                allowed_address: Some(address),
                ..Net::default()
            });
        }
        Ok(())
    }

    /// The addresses that the zone is held to. Native zones are given these addresses at boot; of other brands' VMs, which
    /// can be held to no more than one, those with several are held to none.
    fn allowed_addresses(&self, index: usize, nic: &Object) -> Result<Vec<String>> {
        let list = |name: &str| nic.get(name).and_then(Value::as_array).into_iter().flatten();
        let addresses: Vec<String> = list("ips")
            .filter_map(Value::as_str)
            .filter(|ip| ip.contains('/'))
            .map(str::to_owned)
            .collect();
        let allows = |name: &str| nic.get(name) == Some(&Value::Bool(true));
        let more = list("allowed_ips").next().is_some();
        if self.is_native() {
            if list("ips").any(|ip| ip == "dhcp" || ip == "addrconf") {
                let why = "OmniOS gives native zones fixed addresses only: leave it out, and use ipadm(8) in the zone";
                return refused(&format!("nics.{index}.ips"), why);
            }
            if more {
                let why = "OmniOS gives a zone every address that it may use";
                return refused(&format!("nics.{index}.allowed_ips"), why);
            }
            if allows("allow_ip_spoofing") && !addresses.is_empty() {
                let why = "OmniOS holds a zone to the addresses that it gives it";
                return refused(&format!("nics.{index}.allow_ip_spoofing"), why);
            }
            return Ok(addresses);
        }
        // A DHCP server sends from addresses of others.
        let free = ["allow_ip_spoofing", "allow_dhcp_spoofing", "dhcp_server"];
        let single = list("ips").count() == 1 && !more;
        let held = single && !free.into_iter().any(allows);
        Ok(if held { addresses } else { Vec::new() })
    }

    fn net_properties(&self, index: usize, nic: &Object) -> Result<Vec<Property>> {
        let mut properties = Vec::new();
        let mut add = |name: &str, value: String| {
            properties.push(Property { name: name.to_owned(), value });
        };
        let model = part(nic, "model");
        match self.brand().as_str() {
            "bhyve" => {
                if !matches!(model.as_str(), "" | "virtio") {
                    add("netif", model);
                }
                if nic.get("allow_unfiltered_promisc") == Some(&Value::Bool(true)) {
                    add("promiscphys", "on".to_owned());
                }
            }
            "kvm" if nic.get("allow_unfiltered_promisc") == Some(&Value::Bool(true)) => {
                let why = "OmniOS's kvm brand cannot switch the filter off";
                return refused(&format!("nics.{index}.allow_unfiltered_promisc"), why);
            }
            // The brand sets interfaces up inside the zone from these.
            "lx" => {
                if let Some(ips) = nic.get("ips").filter(|ips| !shown(ips).is_empty()) {
                    add("ips", shown(ips));
                }
                match part(nic, "gateway") {
                    gateway if gateway.is_empty() => {}
                    gateway => add("gateway", gateway),
                }
                if nic.get("primary") == Some(&Value::Bool(true)) {
                    add("primary", "true".to_owned());
                }
            }
            _ => {}
        }
        Ok(properties)
    }

    /// The kvm brand gives all interfaces one model.
    pub(super) fn kvm_nics(&mut self, nics: &[&Object]) -> Result<()> {
        let Some(first) = nics.first().map(|nic| part(nic, "model")) else { return Ok(()) };
        for (index, nic) in nics.iter().enumerate() {
            let model = part(nic, "model");
            let property = format!("nics.{index}.model");
            if !matches!(model.as_str(), "" | "virtio" | "e1000") {
                return refused(&property, "OmniOS's kvm brand knows virtio and e1000");
            }
            if model != first {
                let why =
                    format!("OmniOS's kvm brand gives all interfaces one model, here {first}");
                return refused(&property, &why);
            }
        }
        if first == "e1000" { self.attr("nics.0.model", "netif", &first) } else { Ok(()) }
    }
}

/// The name of a VM's own datalink with that number.
pub(super) fn vnic_name(uuid: &str, number: usize) -> String {
    format!("v{}n{number}", uuid.split('-').next().unwrap_or_default())
}
