//! Memory sizes that follow from one another. All are MiB.

use serde_json::Value;

use crate::brand::Brand;
use crate::fields::Fields;
use crate::js;
use crate::payload::Payload;
use crate::vm_object::VmObject;

/// No VM can start with less virtual memory.
const MIN_SWAP: f64 = 256.0;
const MAX_IPC_IDS: i64 = 4096;

/// Fills in and limits memory sizes after `ram`, `max_physical_memory` and what `vm` has.
pub(super) fn complete(payload: &mut Payload, vm: Option<&VmObject>, brand: Brand) {
    let features = brand.features();
    let old = |key: &str| vm.and_then(|vm| vm.number(key));
    let old_physical = old("max_physical_memory");

    if payload.has("ram") && !payload.has("max_physical_memory") {
        let overhead = features.default_memory_overhead.unwrap_or(0) as f64;
        store(payload, "max_physical_memory", get(payload, "ram") + overhead);
    }

    default_unset(payload, old_physical);

    if payload.has("max_physical_memory") {
        let physical = get(payload, "max_physical_memory");
        if !payload.has("max_locked_memory") {
            // An existing difference is kept.
            let below = old_physical.zip(old("max_locked_memory"));
            let locked = below
                .map_or(physical, |(physical_then, locked)| physical - (physical_then - locked));
            store(payload, "max_locked_memory", locked);
        }
        if !payload.has("max_swap") {
            let swap = match old_physical.zip(old("max_swap")) {
                // It had been raised to the minimum; now it follows the memory again.
                Some((_, swap)) if swap.total_cmp(&MIN_SWAP).is_eq() && physical >= MIN_SWAP => {
                    physical
                }
                Some((physical_then, swap)) => physical + (swap - physical_then),
                None => physical,
            };
            store(payload, "max_swap", if swap < MIN_SWAP { MIN_SWAP } else { swap });
        }
    }

    if payload.has("tmpfs") {
        let limit = if payload.has("max_physical_memory") {
            Some(get(payload, "max_physical_memory"))
        } else {
            old_physical
        };
        if let Some(limit) = limit.filter(|limit| get(payload, "tmpfs") > *limit) {
            store(payload, "tmpfs", limit);
        }
    } else if payload.has("max_physical_memory") && features.use_tmpfs {
        let physical = get(payload, "max_physical_memory");
        let tmpfs = match old_physical.zip(old("tmpfs")) {
            // An existing proportion is kept.
            Some((physical_then, tmpfs)) => (tmpfs / physical_then * physical).round(),
            None => physical,
        };
        store(payload, "tmpfs", tmpfs);
    }

    if payload.has("max_physical_memory") {
        let missing = |key: &str| vm.is_none_or(|vm| !vm.has(key));
        if missing("max_shm_memory") {
            let physical = payload.value("max_physical_memory").cloned().unwrap_or_default();
            payload.set_default("max_shm_memory", physical);
        }
        for key in ["max_msg_ids", "max_sem_ids", "max_shm_ids"] {
            if missing(key) {
                payload.set_default(key, MAX_IPC_IDS);
            }
        }
    }

    keep_above_ram(payload, vm, brand);
    keep_in_order(payload, old_physical);
}

/// Who unsets the locked memory or the swap of a VM that has physical memory asks for what a new VM gets.
fn default_unset(payload: &mut Payload, old_physical: Option<f64>) {
    let Some(physical) = payload.number("max_physical_memory").or(old_physical) else { return };
    for (key, least) in [("max_locked_memory", 0.0), ("max_swap", MIN_SWAP)] {
        if payload.object().get(key).is_some_and(Value::is_null) {
            store(payload, key, physical.max(least));
        }
    }
}

/// A guest's memory must fit into the limits of its zone.
fn keep_above_ram(payload: &mut Payload, vm: Option<&VmObject>, brand: Brand) {
    let Some(overhead) = brand.features().min_memory_overhead else { return };
    let effective = |payload: &Payload, key: &str| {
        if payload.has(key) {
            get(payload, key)
        } else {
            vm.and_then(|vm| vm.number(key)).unwrap_or(f64::NAN)
        }
    };
    let least = effective(payload, "ram") + overhead as f64;
    for key in ["max_physical_memory", "max_locked_memory"] {
        if least > effective(payload, key) {
            store(payload, key, least);
        }
    }
}

/// Locked memory is at most, swap at least physical memory.
fn keep_in_order(payload: &mut Payload, old_physical: Option<f64>) {
    let physical = if payload.has("max_physical_memory") {
        get(payload, "max_physical_memory")
    } else if let Some(old) = old_physical {
        old
    } else {
        return;
    };
    if payload.has("max_locked_memory") && get(payload, "max_locked_memory") > physical {
        store(payload, "max_locked_memory", physical);
    }
    if payload.has("max_swap") && get(payload, "max_swap") < physical {
        store(payload, "max_swap", physical);
    }
}

/// A size of the payload; NaN, with which no comparison holds, if it is absent or unset.
fn get(payload: &Payload, key: &str) -> f64 {
    payload.number(key).unwrap_or(f64::NAN)
}

/// Sets a size. One that follows from an unset one is no number; validation names it then.
fn store(payload: &mut Payload, key: &str, size: f64) {
    let value = if size.is_nan() { Value::from("NaN") } else { js::number(size) };
    payload.set(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn completed(given: Value, vm: Option<Value>, brand: Brand) -> Value {
        let mut payload: Payload = serde_json::from_value(given).unwrap_or_default();
        let vm: Option<VmObject> = vm.and_then(|vm| serde_json::from_value(vm).ok());
        complete(&mut payload, vm.as_ref(), brand);
        for key in ["max_msg_ids", "max_sem_ids", "max_shm_ids", "max_shm_memory"] {
            payload.take(key);
        }
        payload.into_value()
    }

    #[test]
    fn everything_follows_physical_memory() {
        assert_eq!(
            completed(json!({"max_physical_memory": 512}), None, Brand::Joyent),
            json!({"max_physical_memory": 512, "max_locked_memory": 512, "max_swap": 512, "tmpfs": 512})
        );
        assert_eq!(
            completed(json!({"max_physical_memory": 128, "tmpfs": 1000}), None, Brand::Lx),
            json!({"max_physical_memory": 128, "tmpfs": 128, "max_locked_memory": 128, "max_swap": 256})
        );
    }

    #[test]
    fn guests_get_an_overhead() {
        assert_eq!(
            completed(json!({"ram": 1024}), None, Brand::Bhyve),
            json!({"ram": 1024, "max_physical_memory": 2304, "max_locked_memory": 2304, "max_swap": 2304})
        );
        assert_eq!(
            completed(json!({"ram": 1024, "max_physical_memory": 1024}), None, Brand::Kvm),
            json!({"ram": 1024, "max_physical_memory": 1280, "max_locked_memory": 1280, "max_swap": 1280})
        );
    }

    #[test]
    fn updates_keep_differences_and_proportions() {
        let vm = json!({"max_physical_memory": 1024, "max_locked_memory": 512, "max_swap": 2048, "tmpfs": 256});
        assert_eq!(
            completed(json!({"max_physical_memory": 2048}), Some(vm.clone()), Brand::Joyent),
            json!({"max_physical_memory": 2048, "max_locked_memory": 1536, "max_swap": 3072, "tmpfs": 512})
        );
        assert_eq!(
            completed(json!({"max_swap": 100, "max_locked_memory": 4096}), Some(vm), Brand::Joyent),
            json!({"max_swap": 1024, "max_locked_memory": 1024})
        );
    }

    #[test]
    fn an_unset_size_is_the_default() {
        let vm = json!({"max_physical_memory": 128, "max_locked_memory": 64, "max_swap": 2048});
        let unset = json!({"max_swap": null, "max_locked_memory": null});
        assert_eq!(
            completed(unset, Some(vm.clone()), Brand::Joyent),
            json!({"max_swap": 256, "max_locked_memory": 128})
        );
        let grown = json!({"max_swap": null, "max_physical_memory": 1024});
        let vm = completed(grown, Some(vm), Brand::Joyent);
        assert_eq!((&vm["max_swap"], &vm["max_locked_memory"]), (&json!(1024), &json!(960)));
    }

    #[test]
    fn swap_raised_to_the_minimum_falls_back_to_memory() {
        let vm = json!({"max_physical_memory": 128, "max_locked_memory": 128, "max_swap": 256});
        assert_eq!(
            completed(json!({"max_physical_memory": 512}), Some(vm), Brand::Kvm)["max_swap"],
            json!(512)
        );
    }
}
