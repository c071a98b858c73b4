//! The images of the system that the observed cases ran on.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::init::datasets::Store;

/// One installed image.
struct Image {
    uuid: &'static str,
    name: &'static str,
    kind: &'static str,
    os: &'static str,
    /// MiB, for volumes.
    size: Option<u64>,
    /// Files below the mountpoint of the dataset.
    files: &'static [(&'static str, &'static str)],
    /// What the manifest says beyond the common fields.
    more: fn() -> Value,
}

/// What a zone image of SmartOS holds, as far as vmadm looks at it.
const ZONE_FILES: &[(&str, &str)] =
    &[("root/root/zoneinit.d/11-files.sh", "#11\n"), ("root/etc/release", "SmartOS x86_64\n")];

const LINUX_FILES: &[(&str, &str)] = &[
    ("root/etc/os-release", "ID=linux\n"),
    ("root/etc/hosts", "127.0.0.1\tlocalhost\n"),
    ("root/etc/resolv.conf", ""),
];

fn nothing() -> Value {
    json!({})
}

const IMAGES: &[Image] = &[
    Image {
        uuid: "01b2c898-945f-11e1-a523-af1afbe22822",
        name: "base",
        kind: "zone-dataset",
        os: "smartos",
        size: None,
        files: ZONE_FILES,
        more: nothing,
    },
    Image {
        uuid: "5917ca96-c888-11e5-8da0-e785a1ad1185",
        name: "debian",
        kind: "lx-dataset",
        os: "linux",
        size: None,
        files: LINUX_FILES,
        more: || json!({"requirements": {"brand": "lx"}}),
    },
    Image {
        uuid: "6a7c1b52-0d7a-11e9-8eb2-f2801f1b9fd1",
        name: "zone-linux",
        kind: "zone-dataset",
        os: "linux",
        size: None,
        files: LINUX_FILES,
        more: nothing,
    },
    Image {
        uuid: "1f538e99-dc58-40ce-b1e3-25a5226b3adc",
        name: "docker-layer",
        kind: "docker",
        os: "linux",
        size: None,
        files: LINUX_FILES,
        more: nothing,
    },
    Image {
        uuid: "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a",
        name: "kvm-linux",
        kind: "zvol",
        os: "linux",
        size: Some(10240),
        files: &[],
        more: || {
            json!({"nic_driver": "virtio", "disk_driver": "virtio", "cpu_type": "host",
                   "image_size": 10240})
        },
    },
    Image {
        uuid: "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b",
        name: "uefi-linux",
        kind: "zvol",
        os: "linux",
        size: Some(5120),
        files: &[],
        more: || {
            json!({"image_size": 5120, "requirements": {
                "bootrom": "uefi", "min_platform": {"7.0": "20180301T000000Z"}}})
        },
    },
    Image {
        uuid: "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb",
        name: "cloudinit-linux",
        kind: "zvol",
        os: "linux",
        size: Some(5120),
        files: &[],
        more: || json!({"image_size": 5120, "tags": {"org.smartos:cloudinit_datasource": "nocloud"}}),
    },
    // An image of no use for zones: payloads that name it are refused.
    Image {
        uuid: "cccccccc-1111-4222-8333-dddddddddddd",
        name: "other-image",
        kind: "other",
        os: "other",
        size: None,
        files: &[],
        more: nothing,
    },
];

/// Makes the images' datasets with their `@final` snapshots, and their manifests.
pub fn install_images(ctx: &Ctx, store: &mut Store<'_>, pool: &str) -> Result<()> {
    for image in IMAGES {
        let dataset = format!("{pool}/{}", image.uuid);
        if let Some(size) = image.size {
            store.volume(&dataset, size << 20)?;
        } else {
            store.filesystem(&dataset, &[])?;
            store.fill(&dataset, image.files)?;
        }
        store.snapshot(&format!("{dataset}@final"))?;
        let path = ctx.path(format!("/var/imgadm/images/{pool}-{}.json", image.uuid));
        let record = json!({
            "manifest": manifest(image),
            "zpool": pool,
            "source": "https://images.smartos.org",
        });
        let mut text = serde_json::to_string_pretty(&record)?;
        text.push('\n');
        fs::write(path, text)?;
    }
    Ok(())
}

fn manifest(image: &Image) -> Value {
    let mut manifest = json!({
        "v": 2,
        "uuid": image.uuid,
        "owner": "00000000-0000-0000-0000-000000000000",
        "name": image.name,
        "version": "1.0.0",
        "state": "active",
        "disabled": false,
        "public": true,
        "published_at": "2018-01-01T00:00:00Z",
        "type": image.kind,
        "os": image.os,
        "files": [{
            "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "size": 0,
            "compression": "gzip",
        }],
        "description": format!("image {}", image.name),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut manifest, (image.more)()) {
        all.extend(more);
    }
    manifest
}
