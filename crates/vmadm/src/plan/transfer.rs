//! What of a VM's datasets travels where the other side has some of it: which snapshots, and what each builds on.

use std::collections::BTreeSet;

use gz::plan::{Properties, Step};
use serde::{Deserialize, Serialize};

use super::snapshot;

/// The snapshot that a VM travels as.
pub const SENDING: &str = "sending";

/// A snapshot: what stands after the `@`, or its full name, and what tells it from all others, here or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub name: String,
    pub guid: String,
}

/// A dataset with its snapshots, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    pub name: String,
    /// The snapshot (full name) that it is a clone of.
    #[serde(default)]
    pub origin: Option<Snapshot>,
    pub snapshots: Vec<Snapshot>,
    /// How a receive that was cut off goes on.
    #[serde(default)]
    pub resume_token: Option<String>,
}

/// What one side has that a VM sent to it can build on: the answer of `vmadm receive --have`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    pub uuid: String,
    /// The pool that the VM is to go to; its own where absent.
    #[serde(default)]
    pub zpool: Option<String>,
    /// The VM's datasets.
    pub datasets: Vec<Dataset>,
    /// The `@final` snapshots of installed images, by full name.
    pub images: Vec<Snapshot>,
}

/// What is sent of one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The sender's name of it.
    pub dataset: String,
    /// The newest snapshot that the other side has.
    pub base: Option<Snapshot>,
    /// The snapshot (full name) that the first stream builds on where the dataset arrives as a clone.
    pub origin: Option<Snapshot>,
    /// The snapshots that come, one stream each.
    pub snapshots: Vec<Snapshot>,
    /// Whether the first stream is the rest of one that was cut off.
    pub resumed: bool,
    /// The properties that were set on the dataset.
    pub properties: Properties,
}

/// What the other side is known or said to have.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// The operator's snapshot of that name.
    Since(&'a str),
    /// The images that the VM's datasets are clones of.
    Images,
    /// As it says itself.
    Told(&'a Have),
}

/// The name of a dataset or snapshot on another pool.
pub fn on_pool(name: &str, pool: Option<&str>) -> String {
    match (pool, name.split_once('/')) {
        (Some(pool), Some((_, rest))) => format!("{pool}/{rest}"),
        _ => name.to_owned(),
    }
}

/// Works out what is sent of `datasets` (the sender's, parents before children), in an order in which it can be received.
pub fn parts(datasets: &[Dataset], known: Known<'_>) -> Result<Vec<Part>, String> {
    let own: BTreeSet<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
    let mut parts = Vec::new();
    for dataset in in_order(datasets)? {
        let told = match known {
            Known::Told(have) => {
                let name = on_pool(&dataset.name, have.zpool.as_deref());
                have.datasets.iter().find(|there| there.name == name)
            }
            _ => None,
        };
        let base = match known {
            Known::Since(name) => {
                let name = snapshot::full_name(name);
                dataset.snapshots.iter().rposition(|snapshot| snapshot.name == name)
            }
            Known::Images => None,
            Known::Told(_) => dataset.snapshots.iter().rposition(|snapshot| {
                told.is_some_and(|there| there.snapshots.iter().any(|s| s.guid == snapshot.guid))
            }),
        };
        let has_origin = |origin: &&Snapshot| {
            own.contains(dataset_of(&origin.name))
                || match known {
                    Known::Since(_) => false,
                    Known::Images => true,
                    Known::Told(have) => have.images.iter().any(|s| s.guid == origin.guid),
                }
        };
        parts.push(Part {
            dataset: dataset.name.clone(),
            origin: dataset.origin.as_ref().filter(has_origin).filter(|_| base.is_none()).cloned(),
            snapshots: dataset.snapshots[base.map_or(0, |at| at + 1)..].to_vec(),
            base: base.map(|at| dataset.snapshots[at].clone()),
            resumed: told.is_some_and(|there| there.resume_token.is_some()),
            properties: Properties::new(),
        });
    }
    if let Known::Since(name) = known
        && parts.first().is_none_or(|part| part.base.is_none())
    {
        return Err(format!("the VM has no snapshot \"{name}\" of its zone's dataset"));
    }
    Ok(parts)
}

/// What part of a full name stands before the `@`.
pub fn dataset_of(snapshot: &str) -> &str {
    snapshot.split('@').next().unwrap_or(snapshot)
}

/// The datasets in an order in which each comes after its parent and after what it is a clone of.
fn in_order(datasets: &[Dataset]) -> Result<Vec<&Dataset>, String> {
    let mut left: Vec<&Dataset> = datasets.iter().collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waits = |dataset: &Dataset| {
            let origin = dataset.origin.as_ref().map_or("", |origin| dataset_of(&origin.name));
            left.iter().any(|other| {
                other.name != dataset.name
                    && (other.name == origin
                        || dataset.name.starts_with(&format!("{}/", other.name)))
            })
        };
        let Some(next) = left.iter().position(|dataset| !waits(dataset)) else {
            let name = left.first().map_or("", |dataset| dataset.name.as_str());
            return Err(format!("{name} is a clone of a dataset below it: send the VM whole"));
        };
        ordered.push(left.remove(next));
    }
    Ok(ordered)
}

/// What the receiver knows of itself when parts are announced.
#[derive(Debug, Clone, Default)]
pub struct Here {
    /// The VM's datasets, under the names they have here.
    pub datasets: Vec<Dataset>,
    /// Guids of the snapshots that clones can build on.
    pub origins: BTreeSet<String>,
}

/// Refuses parts that cannot be received here, before anything is changed. `pool` is where the VM goes, if not to the pool
/// it came from.
pub fn check(parts: &[Part], here: &Here, pool: Option<&str>) -> Result<(), String> {
    let coming: BTreeSet<&str> = parts.iter().map(|part| part.dataset.as_str()).collect();
    for part in parts {
        let name = on_pool(&part.dataset, pool);
        let present = here.datasets.iter().find(|dataset| dataset.name == name);
        match (&part.base, present) {
            (Some(base), Some(present)) => check_base(base, present)?,
            (Some(base), None) => {
                return Err(format!(
                    "there is no dataset {name} here, of whose snapshot {} the stream tells the rest: \
                     send the VM whole, or with --have",
                    base.name
                ));
            }
            (None, Some(present)) if !part.resumed || !present.snapshots.is_empty() => {
                return Err(format!("dataset {name} already exists"));
            }
            (None, _) => {}
        }
        if let Some(origin) = part.origin.as_ref().filter(|_| part.base.is_none() && !part.resumed)
            && !coming.contains(dataset_of(&origin.name))
            && !here.origins.contains(&origin.guid)
        {
            let image = dataset_of(&origin.name).rsplit('/').next().unwrap_or_default();
            return Err(format!(
                "{} is sent as a clone of {}, which is not here: import image {image}, or send the VM \
                 with --have",
                part.dataset, origin.name
            ));
        }
    }
    let names: BTreeSet<String> = parts.iter().map(|part| on_pool(&part.dataset, pool)).collect();
    match here.datasets.iter().find(|dataset| !names.contains(&dataset.name)) {
        Some(dataset) => Err(format!("the VM as it is sent has no dataset {}", dataset.name)),
        None => Ok(()),
    }
}

fn check_base(base: &Snapshot, present: &Dataset) -> Result<(), String> {
    let at = present.snapshots.iter().rposition(|snapshot| snapshot.guid == base.guid);
    let newer = match at {
        None => return Err(format!("{} here has not the snapshot {}", present.name, base.name)),
        Some(at) => &present.snapshots[at + 1..],
    };
    if newer.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = newer.iter().map(|snapshot| snapshot.name.as_str()).collect();
    Err(format!(
        "{} here has snapshots that are newer than {}, which would be lost: {}",
        present.name,
        base.name,
        names.join(", ")
    ))
}

/// The steps that receive the parts.
pub fn receive(parts: &[Part], pool: Option<&str>, resumable: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in parts {
        let dataset = on_pool(&part.dataset, pool);
        let mut base = part.base.as_ref().map(|base| format!("{dataset}@{}", base.name));
        for snapshot in &part.snapshots {
            let into = format!("{dataset}@{}", snapshot.name);
            let chunk = format!("{}@{}", part.dataset, snapshot.name);
            steps.push(Step::Receive {
                chunk,
                into: into.clone(),
                base: base.replace(into),
                resumable,
            });
        }
    }
    for part in parts.iter().filter(|part| !part.properties.is_empty()) {
        let dataset = on_pool(&part.dataset, pool);
        steps.push(Step::SetProperties { dataset, properties: part.properties.clone() });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(guids: &str) -> Vec<Snapshot> {
        guids
            .split_whitespace()
            .map(|guid| Snapshot { name: format!("vmsnap-{guid}"), guid: guid.to_owned() })
            .collect()
    }

    fn dataset(name: &str, origin: &str, guids: &str) -> Dataset {
        let origin = (!origin.is_empty())
            .then(|| Snapshot { name: origin.to_owned(), guid: origin.to_owned() });
        Dataset { name: name.into(), origin, snapshots: snapshots(guids), resume_token: None }
    }

    /// `dataset base origin first…` of each part.
    fn shown(parts: &[Part]) -> Vec<String> {
        let guid = |snapshot: &Option<Snapshot>| {
            snapshot.as_ref().map_or_else(|| "-".to_owned(), |snapshot| snapshot.guid.clone())
        };
        parts
            .iter()
            .map(|part| {
                let sent: Vec<&str> = part.snapshots.iter().map(|s| s.guid.as_str()).collect();
                let (base, origin) = (guid(&part.base), guid(&part.origin));
                format!("{} {base} {origin} {}", part.dataset, sent.join(","))
            })
            .collect()
    }

    fn vm() -> Vec<Dataset> {
        vec![
            dataset("zones/u", "zones/i@final", "a b c"),
            dataset("zones/u/data", "", "d e"),
            dataset("zones/u/data/a", "zones/u/data/b@d", "f"),
            dataset("zones/u/data/b", "", "g"),
        ]
    }

    #[test]
    fn since_a_snapshot_what_came_after_it_is_sent() {
        let parts = parts(&vm(), Known::Since("b")).unwrap();
        assert_eq!(
            shown(&parts),
            [
                "zones/u b - c",
                "zones/u/data - - d,e",
                "zones/u/data/b - - g",
                "zones/u/data/a - zones/u/data/b@d f"
            ]
        );
        assert!(super::parts(&vm(), Known::Since("x")).is_err());
    }

    #[test]
    fn what_the_other_side_has_is_not_sent() {
        let mut have = Have {
            datasets: vec![dataset("tank/u/data", "", "d")],
            images: vec![Snapshot { name: "tank/i@final".into(), guid: "zones/i@final".into() }],
            zpool: Some("tank".into()),
            ..Have::default()
        };
        let sent = shown(&parts(&vm()[..2], Known::Told(&have)).unwrap());
        assert_eq!(sent, ["zones/u - zones/i@final a,b,c", "zones/u/data d - e"]);
        // Without the image the clone is sent whole.
        have.images.clear();
        let sent = shown(&parts(&vm()[..1], Known::Told(&have)).unwrap());
        assert_eq!(sent, ["zones/u - - a,b,c"]);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let refusal = |parts: &[Part], here: &Here| check(parts, here, None).unwrap_err();
        let sent = parts(&vm()[..1], Known::Since("b")).unwrap();
        let here =
            |guids: &str| Here { datasets: vec![dataset("zones/u", "", guids)], ..Here::default() };
        assert!(refusal(&sent, &Here::default()).contains("there is no dataset zones/u here"));
        assert!(refusal(&sent, &here("a")).contains("has not the snapshot vmsnap-b"));
        assert!(refusal(&sent, &here("a b x")).contains("newer than vmsnap-b"));
        check(&sent, &here("b"), None).unwrap();
        let mut more = here("b");
        more.datasets.push(dataset("zones/u/disk1", "", ""));
        assert!(refusal(&sent, &more).contains("has no dataset zones/u/disk1"));
        let clone = parts(&vm()[..1], Known::Images).unwrap();
        assert!(refusal(&clone, &Here::default()).contains("import image i"));
        assert!(refusal(&clone, &here("a")).contains("already exists"));
    }

    #[test]
    fn each_stream_builds_on_the_one_before() {
        let sent = parts(&vm()[..1], Known::Since("a")).unwrap();
        let steps: Vec<Step> = receive(&sent, Some("tank"), false);
        let receive = |snapshot: &str, base: &str| Step::Receive {
            chunk: format!("zones/u@vmsnap-{snapshot}"),
            into: format!("tank/u@vmsnap-{snapshot}"),
            base: Some(format!("tank/u@vmsnap-{base}")),
            resumable: false,
        };
        assert_eq!(steps, [receive("b", "a"), receive("c", "b")]);
    }
}
