//! Files of the global zone: zone templates and index, release, network, sysinfo.

use std::fs;

use anyhow::Result;
use zonecfg::Zone;
use zonecfg::index::Index;
use zonecfg::model::Attr;
use zonecfg::xml;

use crate::ctx::Ctx;
use crate::init::{Fixture, Platform};
use crate::net::links::{self, Class, Link, Network, Tag};
use crate::tools::sysinfo;

/// Debug IDs in the observed cases begin after this one.
const LAST_DEBUGID: &str = "99\n";

/// NIC tags of the simulated machine, in the order of the links they are on.
const TAGS: [&str; 3] = ["admin", "external", "internal"];

/// Physical links of the simulated machine: name and MAC address.
const PHYSICAL: &[(&str, &str)] =
    &[("net0", "02:08:20:00:00:00"), ("net1", "02:08:20:00:00:01"), ("net2", "02:08:20:00:00:02")];

/// Zone templates: name, brand, and attributes.
type Template = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TEMPLATES: &[Template] = &[
    ("SUNWblank", "ipkg", &[]),
    ("SUNWlx", "lx", &[]),
    ("SUNWlx26", "lx", &[("kernel-version", "2.6")]),
    (
        "SYSbhyve",
        "bhyve",
        &[("bootrom", "/usr/share/bhyve/uefi-csm-rom.bin"), ("com1", "/dev/zconsole")],
    ),
];

/// Writes the files.
pub fn write(ctx: &Ctx, platform: Platform, fixture: Option<Fixture>) -> Result<()> {
    let zones = ctx.path("/etc/zones");
    fs::write(zones.join("index"), Index::default().print())?;
    let default_brand = if platform == Platform::SmartOs { "joyent" } else { "lipkg" };
    let own: [Template; 2] = [("SUNWdefault", default_brand, &[]), ("Joyent", "joyent", &[])];
    let own = if platform == Platform::SmartOs { &own[..] } else { &own[..1] };
    for (name, brand, attributes) in TEMPLATES.iter().chain(own) {
        let mut zone = Zone::new(name, brand);
        for (key, value) in *attributes {
            zone.add(zonecfg::model::Resource::Attr(Attr {
                name: (*key).to_owned(),
                attr_type: "string".to_owned(),
                value: (*value).to_owned(),
            }));
        }
        fs::write(zones.join(format!("{name}.xml")), xml::write(&zone))?;
    }
    if fixture == Some(Fixture::Spec) {
        fs::write(zones.join("did.txt"), LAST_DEBUGID)?;
    }
    fs::write(ctx.path("/etc/nodename"), "gz\n")?;
    let (release, version) = match platform {
        Platform::SmartOs => ("SmartOS 20260301T000000Z x86_64\n", "joyent_20260301T000000Z\n"),
        Platform::OmniOs => ("  OmniOS v11 r151054\n", "omnios-r151054-b6848f4455\n"),
    };
    fs::write(ctx.path("/etc/release"), release)?;
    fs::write(ctx.state("version"), version)?;
    if platform == Platform::SmartOs {
        fs::write(ctx.state(sysinfo::FILE), include_str!("data/sysinfo.json"))?;
    }
    links::change(ctx, |network| {
        *network = machine(platform);
        Ok(())
    })
}

/// `zonekit.toml` of a system that has no NIC tags of its own: manifests for SmartOS can be used as they are.
pub fn settings(dataset: &str) -> String {
    let mut text = format!("dataset = \"{dataset}\"\n\n[nic_tags]\n");
    for (tag, (link, _)) in TAGS.iter().zip(PHYSICAL) {
        text.push_str(&format!("{tag} = \"{link}\"\n"));
    }
    text
}

fn machine(platform: Platform) -> Network {
    let mut links: Vec<Link> =
        PHYSICAL.iter().map(|(name, mac)| Link::new(name, Class::Phys, Some(mac))).collect();
    links.push(Link::new("stub0", Class::Etherstub, None));
    let tags = match platform {
        Platform::OmniOs => Vec::new(),
        Platform::SmartOs => TAGS
            .iter()
            .zip(PHYSICAL)
            .map(|(tag, (_, mac))| Tag {
                name: (*tag).to_owned(),
                mac: (*mac).to_owned(),
                mtu: None,
            })
            .collect(),
    };
    Network { links, tags }
}
