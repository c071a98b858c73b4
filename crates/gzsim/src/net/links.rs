//! Datalinks and NIC tags.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use zonecfg::Zone;

use crate::ctx::Ctx;
use crate::net::statechange;
use crate::state;

/// Name of the state file.
const NAME: &str = "network";

/// What a datalink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Phys,
    Etherstub,
    Vnic,
}

impl Class {
    /// The word that dladm prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phys => "phys",
            Self::Etherstub => "etherstub",
            Self::Vnic => "vnic",
        }
    }
}

/// One datalink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub name: String,
    pub class: Class,
    /// The zone it is in; none for the global zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// MAC address, groups padded to two digits; none for an etherstub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// What a VNIC is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    #[serde(default)]
    pub vlan: u16,
    pub mtu: u32,
    /// Link properties that were set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

impl Link {
    /// A link in the global zone.
    pub fn new(name: &str, class: Class, mac: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            class,
            zone: None,
            mac: mac.map(str::to_owned),
            over: None,
            vlan: 0,
            mtu: if class == Class::Etherstub { 9000 } else { 1500 },
            properties: BTreeMap::new(),
        }
    }
}

/// A tag on a physical link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub name: String,
    /// MAC address of the physical link.
    pub mac: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// The whole network. An etherstub is its own NIC tag.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Network {
    pub links: Vec<Link>,
    pub tags: Vec<Tag>,
}

impl Network {
    /// A link by name and zone (`None`: the global zone).
    pub fn link(&self, name: &str, zone: Option<&str>) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name && link.zone.as_deref() == zone)
    }

    /// The physical link with that MAC address.
    pub fn physical(&self, mac: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.class == Class::Phys && link.mac.as_deref() == Some(mac))
    }

    /// The link behind a NIC tag.
    pub fn over(&self, tag: &str) -> Option<&Link> {
        match self.tags.iter().find(|known| known.name == tag) {
            Some(tag) => self.physical(&tag.mac),
            None => self.links.iter().find(|link| link.name == tag && link.zone.is_none()),
        }
    }

    /// Names of the etherstubs, sorted.
    pub fn etherstubs(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .links
            .iter()
            .filter(|link| link.class == Class::Etherstub)
            .map(|link| link.name.as_str())
            .collect();
        names.sort_unstable();
        names
    }
}

/// The network as it is.
pub fn read(ctx: &Ctx) -> Result<Network> {
    state::read(ctx, NAME)
}

/// Changes the network under its lock.
pub fn change<R>(ctx: &Ctx, change: impl FnOnce(&mut Network) -> Result<R>) -> Result<R> {
    state::update(ctx, NAME, change)
}

/// Makes the VNICs of a zone that becomes ready.
pub fn add_zone(ctx: &Ctx, config: &Zone) -> Result<()> {
    if config.nets().next().is_none() {
        return Ok(());
    }
    change(ctx, |network| {
        for net in config.nets() {
            let over = net.global_nic.as_deref().and_then(|tag| network.over(tag));
            let mut link = Link::new(&net.physical, Class::Vnic, net.mac_addr.as_deref());
            link.zone = Some(config.name().to_owned());
            link.mtu = net
                .property("mtu")
                .and_then(|mtu| mtu.parse().ok())
                .or(over.map(|over| over.mtu))
                .unwrap_or(link.mtu);
            link.over = over.map(|over| over.name.clone()).or_else(|| net.global_nic.clone());
            link.vlan = net.vlan_id.as_deref().and_then(|vlan| vlan.parse().ok()).unwrap_or(0);
            link.properties = statechange::link_properties(net, config.brand().unwrap_or_default());
            network.links.push(link);
        }
        Ok(())
    })
}

/// Removes the links of a zone that goes down.
pub fn remove_zone(ctx: &Ctx, zone: &str) -> Result<()> {
    if !read(ctx)?.links.iter().any(|link| link.zone.as_deref() == Some(zone)) {
        return Ok(());
    }
    change(ctx, |network| {
        network.links.retain(|link| link.zone.as_deref() != Some(zone));
        Ok(())
    })
}
