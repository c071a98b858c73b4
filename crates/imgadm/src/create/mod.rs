//! Making an image of a VM.

pub mod encode;
pub mod environment;
pub mod output;
pub mod prepare;
pub mod vm;

use gz::{Root, zfs};
use serde_json::{Map, Value, json};

use self::output::{Created, Output};
use self::prepare::Prepared;
use self::vm::Vm;
use crate::errors::{Error, Result};
use crate::image_manifest;
use crate::out::{say, warn};
use crate::pipeline::decode::Compression;
use crate::rows::ImageInfo;
use crate::{import, store};

/// How an image is to be made.
pub struct Request<'a> {
    pub vm_uuid: &'a str,
    /// What the operator wants in the manifest.
    pub manifest: Map<String, Value>,
    pub compression: Compression,
    pub incremental: bool,
    pub max_origin_depth: Option<u64>,
    /// A script that prepares the VM; the VM is rolled back afterwards.
    pub prepare_script: Option<String>,
    /// The path of the files without their endings.
    pub save_prefix: String,
}

/// The fields that an image takes over from the one it is made from.
const INHERITED: [&str; 12] = [
    "type",
    "os",
    "requirements",
    "users",
    "billing_tags",
    "traits",
    "generate_passwords",
    "inherited_directories",
    "nic_driver",
    "disk_driver",
    "cpu_type",
    "image_size",
];

/// Makes an image of a VM: a manifest and a file. The VM is as before, whatever happens.
pub fn create(root: &Root, request: &Request<'_>) -> Result<Created> {
    let vm = Vm::get(root, request.vm_uuid)?;
    if request.prepare_script.is_none() && vm.state() != "stopped" {
        return Err(Error::new(
            "VmNotStopped",
            format!("vm \"{}\" is not stopped", request.vm_uuid),
        ));
    }
    let origin = match vm.origin() {
        Some((pool, uuid)) => store::get(root, &pool, &uuid)?,
        None => None,
    };
    if let (Some(origin), Some(most)) = (&origin, request.max_origin_depth) {
        check_depth(root, origin, most)?;
    }
    let dataset = vm.dataset(root)?;
    let manifest = manifest(root, request, &vm, origin.as_ref())?;
    say(format_args!("Manifest:\n{}", indent(&manifest::json::pretty(&manifest))))?;
    image_manifest::validate_minimal(&manifest)?;
    let base = match &origin {
        Some(origin) if request.incremental => {
            let base = final_snapshot(root, origin)?;
            check_base(root, &dataset, &base)?;
            Some(base)
        }
        _ => None,
    };
    let had_final = store::snapshots(root, &dataset)?.contains(&format!("{dataset}@final"));
    let _quota = prepare::lift_quota(root, &vm)?;
    let _prepared = match &request.prepare_script {
        Some(script) => Some(Prepared::new(root, &vm, &dataset, script)?),
        None => None,
    };
    let snapshot = Snapshot::take(root, &dataset, had_final)?;
    Output {
        root,
        prefix: &request.save_prefix,
        compression: request.compression,
        snapshot: &snapshot.name,
        base: base.as_deref(),
    }
    .write(manifest)
}

/// Refuses an image whose chain of origins is as long as allowed.
fn check_depth(root: &Root, origin: &ImageInfo, most: u64) -> Result<()> {
    let mut depth = 1;
    let mut next = origin.text("origin").to_owned();
    while !next.is_empty() && depth <= most {
        depth += 1;
        next = match store::get(root, origin.pool(), &next)? {
            Some(image) => image.text("origin").to_owned(),
            None => String::new(),
        };
    }
    if depth > most {
        return Err(Error::new(
            "MaxOriginDepth",
            format!("cannot create image: maximum origin depth \"{most}\" has been reached"),
        ));
    }
    Ok(())
}

fn manifest(
    root: &Root,
    request: &Request<'_>,
    vm: &Vm,
    origin: Option<&ImageInfo>,
) -> Result<Value> {
    let mut fields = Map::new();
    fields.insert("v".into(), image_manifest::VERSION.into());
    fields.insert("uuid".into(), uuid::Uuid::new_v4().to_string().into());
    for (name, value) in &request.manifest {
        fields.insert(name.clone(), value.clone());
    }
    if let Some(origin) = origin {
        say(format_args!(
            "Inheriting from origin image {} ({} {})",
            origin.text("uuid"),
            origin.text("name"),
            origin.text("version")
        ))?;
        for name in INHERITED {
            let inherited = origin.manifest().get(name);
            let inherited =
                inherited.filter(|value| value.as_array().is_none_or(|l| !l.is_empty()));
            if let (false, Some(value)) = (fields.contains_key(name), inherited) {
                fields.insert(name.into(), value.clone());
            }
        }
    }
    add_requirements(root, request, vm, &mut fields)?;
    if request.incremental {
        let origin = origin.ok_or_else(|| {
            Error::new(
                "VmHasNoOrigin",
                format!(
                    "cannot create an incremental image: vm \"{}\" has no origin",
                    request.vm_uuid
                ),
            )
        })?;
        fields.insert("origin".into(), origin.text("uuid").into());
    }
    Ok(fields.into())
}

/// What an image of this VM needs where it is to be used, unless the operator said so, be it that it needs nothing.
fn add_requirements(
    root: &Root,
    request: &Request<'_>,
    vm: &Vm,
    fields: &mut Map<String, Value>,
) -> Result<()> {
    let asked = |name: &str| request.manifest.get("requirements").and_then(|r| r.get(name));
    let mut set = |name: &str, value: Value| {
        let requirements = fields.entry("requirements").or_insert_with(|| json!({}));
        if let Some(requirements) = requirements.as_object_mut() {
            requirements.insert(name.into(), value);
        }
    };
    let brand = vm.brand();
    // Programs built on a platform are only known to run on that and later ones.
    let empty = |value: &Value| value.is_null() || value == false;
    if ["joyent", "joyent-minimal"].contains(&brand) && asked("min_platform").is_none_or(empty) {
        let sysinfo = import::sysinfo(root)?;
        let text = |field: &str| sysinfo.get(field).and_then(Value::as_str).unwrap_or_default();
        set("min_platform", json!({text("SDC Version"): text("Live Image")}));
    }
    if ["bhyve", "kvm", "lx"].contains(&brand) && asked("brand").is_none() {
        set("brand", brand.into());
    }
    if brand == "bhyve"
        && asked("bootrom").is_none()
        && let Some(bootrom) = vm.field("bootrom")
    {
        set("bootrom", bootrom.into());
    }
    Ok(())
}

/// The snapshot that an incremental image is based on.
fn final_snapshot(root: &Root, origin: &ImageInfo) -> Result<String> {
    let uuid = origin.text("uuid");
    let name = format!("{}/{uuid}@final", origin.pool());
    if store::dataset_exists(root, &name)? {
        return Ok(name);
    }
    Err(Error::new(
        "OriginHasNoFinalSnapshot",
        format!(
            "cannot create an incremental image: origin image \"{uuid}\" has no \"@final\" \
             snapshot (sometimes this can be fixed by \"imgadm update\")"
        ),
    ))
}

/// Refuses an incremental image of a dataset that is no clone of its base: zfs cannot send the difference.
fn check_base(root: &Root, dataset: &str, base: &str) -> Result<()> {
    let origin = zfs::get(root, dataset, &["origin"])?.remove("origin").unwrap_or_default();
    if origin == base {
        return Ok(());
    }
    let actual = if origin.is_empty() || origin == "-" { "no clone" } else { &origin };
    Err(Error::new(
        "VmHasNoOrigin",
        format!("cannot create an incremental image: {dataset} is not made from {base} ({actual})"),
    ))
}

/// The snapshot that the image is made of; destroyed with the value.
struct Snapshot<'a> {
    root: &'a Root,
    name: String,
}

impl<'a> Snapshot<'a> {
    /// Takes `@final`; one that is there is moved out of the way.
    fn take(root: &'a Root, dataset: &str, had_final: bool) -> Result<Self> {
        let name = format!("{dataset}@final");
        if had_final {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let aside = format!("{name}-{}", now.unwrap_or_default().as_millis());
            say(format_args!("Moving existing @final snapshot out of the way to \"{aside}\""))?;
            zfs::tool(root).args(["rename", "-r", &name, &aside]).run()?;
        }
        say(format_args!("Snapshotting to \"{name}\""))?;
        zfs::tool(root).args(["snapshot", &name]).run().map_err(|error| {
            log::error!("{error}");
            Error::internal(format!("error creating final snapshot: {error}"))
        })?;
        Ok(Self { root, name })
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let _shield = gz::interrupt::Shield::new();
        if let Err(error) = zfs::destroy(self.root, &["-r"], &self.name) {
            warn(format_args!("imgadm: warning: {error}"));
        }
    }
}

/// A text with four blanks before each line.
pub fn indent(text: &str) -> String {
    format!("    {}", text.replace('\n', "\n    "))
}
