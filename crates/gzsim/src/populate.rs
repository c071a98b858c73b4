//! `gzsim populate`: many VMs at once, for tests and measurements of how listing scales.

use std::fs;

use anyhow::{Context as _, Result};
use zonecfg::Zone;
use zonecfg::index::{Index, IndexEntry, ZoneState};
use zonecfg::model::{Attr, IpType, Net, Property, Rctl, RctlValue, Resource};
use zonecfg::xml;

use crate::ctx::Ctx;
use crate::zfs::{self, Zfs};
use crate::zones::live;

/// The image that the VMs are of; it need not be there.
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";

/// GiB of 2^30 bytes, as ZFS takes them.
const QUOTA: &str = "10g";

/// Adds `count` joyent VMs to the root: configuration, datasets and configuration files. Every second one runs; these
/// share one process as their init and have no datalinks.
pub fn run(ctx: &Ctx, count: u32) -> Result<()> {
    let pool = Zfs::open_shared(ctx.root()).map_err(failed)?.pools().into_iter().next();
    let pool = pool.context("the root has no pool")?;
    let index_path = ctx.path("/etc/zones/index");
    let mut index = Index::parse(&fs::read_to_string(&index_path)?);
    let first = u32::try_from(index.entries().count())?;
    let zones: Vec<Zone> =
        (first..first + count).map(|number| zone(&pool, number)).collect::<Result<_>>()?;
    for zone in &zones {
        let path = ctx.path(format!("/etc/zones/{}.xml", zone.name()));
        fs::write(&path, xml::write(zone))
            .with_context(|| format!("cannot write {}", path.display()))?;
        index.add(&IndexEntry {
            name: zone.name().to_owned(),
            state: ZoneState::Installed,
            path: zone.zonepath().to_owned(),
            uuid: zone.name().parse().ok(),
            brand: "joyent".to_owned(),
            iptype: IpType::Exclusive,
            debugid: zone.debugid(),
        })?;
    }
    fs::write(&index_path, index.print())?;

    let mut zfs = Zfs::open(ctx.root()).map_err(failed)?;
    for zone in &zones {
        let dataset = zone.zonepath().trim_start_matches('/');
        zfs.create_fs(dataset, &[("quota", QUOTA)]).map_err(failed)?;
        let cores = format!("{pool}/cores/{}", zone.name());
        let mountpoint = format!("{}/cores", zone.zonepath());
        zfs.create_fs(&cores, &[("mountpoint", &mountpoint)]).map_err(failed)?;
    }
    zfs.commit().map_err(failed)?;
    for zone in &zones {
        let path = ctx.path(zone.zonepath());
        fs::create_dir_all(path.join("root"))?;
        fs::create_dir_all(path.join("config"))?;
        for name in ["metadata", "routes", "tags"] {
            fs::write(path.join(format!("config/{name}.json")), "{}\n")?;
        }
    }
    live::change(ctx, |all| {
        let mut shared = None;
        for zone in zones.iter().step_by(2) {
            live::enter(all, zone);
            match &shared {
                None => live::start_init(ctx, all, zone.name())?,
                Some(init) => live::share_init(all, zone.name(), init),
            }
            shared = shared.or_else(|| all.live.get(zone.name()).cloned());
        }
        Ok(())
    })
}

fn zone(pool: &str, number: u32) -> Result<Zone> {
    let uuid = format!("b{number:07x}-0000-4000-8000-{number:012x}");
    let mut zone = Zone::new(&uuid, "joyent");
    zone.set("zonepath", &format!("/{pool}/{uuid}"));
    zone.set_ip_type(IpType::Exclusive);
    zone.set("limitpriv", "default");
    zone.set("debugid", &(1000 + number).to_string());
    let attributes = [
        ("vm-version", "1".to_owned()),
        ("create-timestamp", "2026-01-01T00:00:00.000Z".to_owned()),
        ("dataset-uuid", IMAGE.to_owned()),
        ("billing-id", "00000000-0000-0000-0000-000000000000".to_owned()),
        ("owner-uuid", "00000000-0000-0000-0000-000000000000".to_owned()),
        ("tmpfs", "512".to_owned()),
        ("hostname", format!("vm{number}")),
        ("dns-domain", "local".to_owned()),
    ];
    for (name, value) in attributes {
        zone.add(Resource::Attr(Attr {
            name: name.to_owned(),
            attr_type: "string".to_owned(),
            value,
        }));
    }
    let memory = 536_870_912;
    for (name, limit, action) in [
        ("zone.cpu-shares", 100, "none"),
        ("zone.max-lwps", 2000, "deny"),
        ("zone.max-physical-memory", memory, "deny"),
        ("zone.max-locked-memory", memory, "deny"),
        ("zone.max-swap", memory, "deny"),
        ("zone.zfs-io-priority", 100, "none"),
    ] {
        zone.add(Resource::Rctl(Rctl {
            name: name.to_owned(),
            values: vec![RctlValue::privileged(limit, action)],
        }));
    }
    let [_, high, middle, low] = number.to_be_bytes();
    zone.add(Resource::Net(Net {
        physical: "net0".to_owned(),
        mac_addr: Some(format!("02:08:20:{high:02x}:{middle:02x}:{low:02x}")),
        global_nic: Some("admin".to_owned()),
        properties: [
            ("ip", format!("10.{high}.{middle}.{low}")),
            ("ips", format!("10.{high}.{middle}.{low}/8")),
            ("netmask", "255.0.0.0".to_owned()),
            ("primary", "true".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| Property { name: name.to_owned(), value })
        .collect(),
        ..Net::default()
    }));
    Ok(zone)
}

fn failed(error: zfs::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
