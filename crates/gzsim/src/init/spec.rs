//! The images of the system that the observed cases ran on.

use std::fs;

use anyhow::Result;
use serde_json::json;

use crate::ctx::Ctx;
use crate::image::{Image, nothing};
use crate::init::datasets::Store;

/// One installed image.
struct Installed {
    image: Image,
    /// MiB, for volumes.
    size: Option<u64>,
    /// Files below the mountpoint of the dataset.
    files: &'static [(&'static str, &'static str)],
}

/// Where the images' files came from nobody asks: they are said to have been empty.
const SHA1_OF_NOTHING: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// What a zone image of SmartOS holds, as far as vmadm looks at it.
const ZONE_FILES: &[(&str, &str)] = &[
    ("root/root/zoneinit.d/04-mdata.sh", "#04\n"),
    ("root/root/zoneinit.d/11-files.sh", "#11\n"),
    ("root/etc/release", "SmartOS x86_64\n"),
];

const LINUX_FILES: &[(&str, &str)] = &[
    ("root/etc/os-release", "ID=linux\n"),
    ("root/etc/hosts", "127.0.0.1\tlocalhost\n"),
    ("root/etc/resolv.conf", ""),
];

const IMAGES: &[Installed] = &[
    Installed {
        image: Image {
            uuid: "01b2c898-945f-11e1-a523-af1afbe22822",
            name: "base",
            kind: "zone-dataset",
            os: "smartos",
            more: nothing,
        },
        size: None,
        files: ZONE_FILES,
    },
    Installed {
        image: Image {
            uuid: "5917ca96-c888-11e5-8da0-e785a1ad1185",
            name: "debian",
            kind: "lx-dataset",
            os: "linux",
            more: || json!({"requirements": {"brand": "lx"}}),
        },
        size: None,
        files: LINUX_FILES,
    },
    Installed {
        image: Image {
            uuid: "6a7c1b52-0d7a-11e9-8eb2-f2801f1b9fd1",
            name: "zone-linux",
            kind: "zone-dataset",
            os: "linux",
            more: nothing,
        },
        size: None,
        files: LINUX_FILES,
    },
    Installed {
        image: Image {
            uuid: "1f538e99-dc58-40ce-b1e3-25a5226b3adc",
            name: "docker-layer",
            kind: "docker",
            os: "linux",
            more: nothing,
        },
        size: None,
        files: LINUX_FILES,
    },
    Installed {
        image: Image {
            uuid: "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a",
            name: "kvm-linux",
            kind: "zvol",
            os: "linux",
            more: || {
                json!({"nic_driver": "virtio", "disk_driver": "virtio", "cpu_type": "host",
                   "image_size": 10240})
            },
        },
        size: Some(10240),
        files: &[],
    },
    Installed {
        image: Image {
            uuid: "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b",
            name: "uefi-linux",
            kind: "zvol",
            os: "linux",
            more: || {
                json!({"image_size": 5120, "requirements": {
                "bootrom": "uefi", "min_platform": {"7.0": "20180301T000000Z"}}})
            },
        },
        size: Some(5120),
        files: &[],
    },
    Installed {
        image: Image {
            uuid: "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb",
            name: "cloudinit-linux",
            kind: "zvol",
            os: "linux",
            more: || json!({"image_size": 5120, "tags": {"org.smartos:cloudinit_datasource": "nocloud"}}),
        },
        size: Some(5120),
        files: &[],
    },
    // An image of no use for zones: payloads that name it are refused.
    Installed {
        image: Image {
            uuid: "cccccccc-1111-4222-8333-dddddddddddd",
            name: "other-image",
            kind: "other",
            os: "other",
            more: nothing,
        },
        size: None,
        files: &[],
    },
];

/// Makes the images' datasets with their `@final` snapshots, and their manifests.
pub fn install_images(ctx: &Ctx, store: &mut Store<'_>, pool: &str) -> Result<()> {
    for Installed { image, size, files } in IMAGES {
        let dataset = format!("{pool}/{}", image.uuid);
        if let Some(size) = size {
            store.volume(&dataset, size << 20)?;
        } else {
            store.filesystem(&dataset, &[])?;
            store.fill(&dataset, files)?;
        }
        store.snapshot(&format!("{dataset}@final"))?;
        let mut manifest = image.manifest("2018-01-01T00:00:00Z", SHA1_OF_NOTHING, 0);
        manifest["description"] = format!("image {}", image.name).into();
        let record = json!({
            "manifest": manifest,
            "zpool": pool,
            "source": "https://images.smartos.org",
        });
        let mut text = serde_json::to_string_pretty(&record)?;
        text.push('\n');
        fs::write(ctx.path(format!("/var/imgadm/images/{pool}-{}.json", image.uuid)), text)?;
    }
    Ok(())
}
