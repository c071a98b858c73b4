//! `vmadm start`.

use std::collections::VecDeque;

use gz::inventory::Fields;
use gz::{Root, zone_files::ZoneRoot};
use manifest::{Brand, VmType};

use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::start::{self, Extra};
use crate::plan::{Object, omnios};
use crate::{change, damage, facts};

pub const COMMAND: Command = Command { names: &["start", "boot"], syntax: Syntax::NONE, run };

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let extra = parse_extra(std::mem::take(&mut call.operands))?;
    start(&call.root, &uuid, extra)
        .map_err(|error| change::prefixed(error, &format!("Unable to start VM {uuid}: ")))
}

fn start(root: &Root, uuid: &str, mut extra: Extra) -> Outcome {
    let _lock = change::begin(root, uuid)?;
    let (mut vm, brand) = change::load(root, uuid, &Fields::all())?
        // Observed, and matched on by scripts: the answer of the service that knows the VMs.
        .ok_or_else(|| Failure::new("bad statusCode: 404"))?;
    let text = |key: &str| vm.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let (state, zone_state) = (text("state").to_owned(), text("zone_state").to_owned());
    if state == "running" {
        return Ok(Some(format!("Unable to start VM {uuid}: VM {uuid} is already 'running'")));
    }
    // A failed VM may be given another chance, where its zone is all there.
    let startable = matches!(state.as_str(), "stopped" | "provisioning" | "failed");
    if !startable || zone_state != "installed" {
        return Err(Failure::new(format!(
            "Cannot start vm from state \"{state}\", must be \"stopped\"."
        )));
    }
    change::check_nic_tags(root, &vm)?;
    check_disks(root, &vm, brand, &extra)?;
    vm.insert("state".into(), "stopped".into());
    let plan = if change::is_omnios(root) {
        let (real, place) = (facts::zone(root, uuid)?, facts::names(root)?);
        omnios::boot_once(&vm, brand, &extra, &real, &place)
            .map(|once| omnios::start(&vm, brand, &once))
    } else {
        extra.disk_uuids = facts::disk_uuids(&vm);
        start::plan(&vm, brand, &extra)
    };
    let plan = plan.map_err(Failure::new)?;
    damage::check(root, &vm, &plan)?;
    change::execute(root, &plan)?;
    Ok(Some(format!("Successfully started VM {uuid}")))
}

/// The `order=…`, `cdrom=…`, `disk=…` that may follow the UUID.
fn parse_extra(operands: VecDeque<String>) -> Result<Extra, Failure> {
    let mut extra = Extra::default();
    for operand in operands {
        let (key, value) = operand.split_once('=').unwrap_or((&operand, ""));
        match key {
            "order" if extra.boot.is_some() => {
                return Err(Failure::usage("You can only specify 'order' once when starting a VM"));
            }
            "order" => extra.boot = Some(format!("order={value}")),
            "once" => {
                let order = extra.boot.take().map(|order| order + ",").unwrap_or_default();
                extra.boot = Some(format!("{order}once={value}"));
            }
            "disk" | "cdrom" => {
                let mut words = value.split(',');
                match (words.next(), words.next()) {
                    (Some(path), Some(model)) if !path.is_empty() && !model.is_empty() => {
                        extra.disks.push((path.into(), model.into(), key.into()));
                    }
                    _ => {
                        return Err(Failure::usage(format!(
                            "Parameter to {key} must be: path,model"
                        )));
                    }
                }
            }
            _ => return Err(Failure::usage(format!("Invalid argument to start: {key}"))),
        }
    }
    Ok(extra)
}

/// Disks for this start are the VM's own or files in its zone, on OmniOS files of the global zone as its brands mount
/// these; of a model that its brand has.
fn check_disks(root: &Root, vm: &Object, brand: Brand, extra: &Extra) -> Result<(), Failure> {
    let zonepath = vm.get("zonepath").and_then(|path| path.as_str()).unwrap_or_default();
    let zone = ZoneRoot::new(root, &format!("{zonepath}/root"));
    let on_omnios = change::is_omnios(root);
    for (path, model, _) in &extra.disks {
        let own = vm.get("disks").and_then(|disks| disks.as_array()).is_some_and(|disks| {
            disks.iter().any(|disk| disk.get("path").is_some_and(|own| own == path))
        });
        let exists = || {
            if on_omnios {
                return Ok(path.starts_with('/') && root.path(path).exists());
            }
            zone.exists(path)
        };
        if !own && !exists()? {
            return Err(Failure::new(format!("Cannot find disk: {path}")));
        }
        let features = brand.features();
        if matches!(features.vm_type, VmType::Kvm | VmType::Bhyve)
            && !features.disk_models.contains(&model.as_str())
        {
            return Err(Failure::new(format!(
                "\"{model}\" is not a valid disk model for {brand} brand. Valid are: {}",
                features.disk_models.join(",")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(operands: &[&str]) -> Result<Extra, Failure> {
        parse_extra(operands.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn boot_orders_and_disks() {
        let extra = parse(&["order=d,once=c", "cdrom=/x.iso,ide"]).unwrap();
        assert_eq!(extra.boot.as_deref(), Some("order=d,once=c"));
        assert_eq!(extra.disks, [("/x.iso".into(), "ide".into(), "cdrom".into())]);
        assert_eq!(parse(&["order=d", "once=c"]).unwrap().boot.as_deref(), Some("order=d,once=c"));
        assert!(
            matches!(parse(&["foo=bar"]), Err(Failure::Usage(Some(m))) if m == "Invalid argument to start: foo")
        );
        assert!(
            matches!(parse(&["disk=/x"]), Err(Failure::Usage(Some(m))) if m.contains("path,model"))
        );
        assert!(parse(&["order=c", "order=d"]).is_err());
    }
}
