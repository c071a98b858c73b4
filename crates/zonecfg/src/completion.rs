//! What a line that is being typed can become.

use crate::lang::{PropertyName, ResourceType, Verb};

/// Whole lines that begin with what is typed; `scope` is the open resource.
pub fn candidates(typed: &str, scope: Option<ResourceType>) -> Vec<String> {
    let all = match scope {
        Some(resource) => resource_commands(resource),
        None => zone_commands(typed),
    };
    all.into_iter().filter(|line| line.starts_with(typed)).collect()
}

/// Commands of the zone: the command words first, what follows them once they stand there.
fn zone_commands(typed: &str) -> Vec<String> {
    let resources = |verb: &str| ResourceType::ALL.iter().map(|r| format!("{verb} {r}")).collect();
    let Some((verb, _)) = typed.split_once(' ') else {
        let in_resources_only = [Verb::Cancel, Verb::End];
        let verbs = Verb::ALL.iter().filter(|verb| !in_resources_only.contains(verb));
        return verbs.map(std::string::ToString::to_string).collect();
    };
    let properties = |end: &str| {
        PropertyName::GLOBAL.iter().map(|name| format!("{verb} {name}{end}")).collect::<Vec<_>>()
    };
    match Verb::parse(verb) {
        Some(Verb::Add | Verb::Select | Verb::Remove) => resources(verb),
        Some(Verb::Clear) => properties(""),
        Some(Verb::Set) => properties("="),
        Some(Verb::Info) => {
            let mut all: Vec<String> = resources(verb);
            all.extend(properties(""));
            all
        }
        Some(Verb::Help) => Verb::ALL.iter().map(|topic| format!("{verb} {topic}")).collect(),
        _ => Vec::new(),
    }
}

fn resource_commands(resource: ResourceType) -> Vec<String> {
    let (adds, sets, clears): (&[&str], &[&str], &[&str]) = match resource {
        ResourceType::Fs => (&["options"], &["dir", "raw", "special", "type"], &["raw"]),
        ResourceType::Net => (
            &["property"],
            &[
                "address",
                "allowed-address",
                "defrouter",
                "global-nic",
                "mac-addr",
                "physical",
                "vlan-id",
            ],
            &["allowed-address", "defrouter", "global-nic", "mac-addr", "vlan-id"],
        ),
        ResourceType::Device => (&["property"], &["match"], &[]),
        ResourceType::Rctl => (&["value"], &["name"], &[]),
        ResourceType::Attr => (&[], &["name", "type", "value"], &[]),
        ResourceType::Dataset => (&[], &["name"], &[]),
        ResourceType::DedicatedCpu => (&[], &["ncpus", "importance"], &["importance"]),
        ResourceType::CappedCpu => (&[], &["ncpus"], &[]),
        ResourceType::CappedMemory => {
            (&[], &["physical", "swap", "locked"], &["physical", "swap", "locked"])
        }
        ResourceType::Admin => (&[], &["user", "auths"], &[]),
        ResourceType::SecurityFlags => {
            (&[], &["default", "lower", "upper"], &["default", "lower", "upper"])
        }
    };
    let mut all: Vec<String> =
        ["cancel", "end", "exit", "help", "info"].map(str::to_owned).to_vec();
    for name in adds {
        all.push(format!("add {name} "));
        all.push(format!("remove {name} "));
    }
    all.extend(clears.iter().map(|name| format!("clear {name}")));
    all.extend(sets.iter().map(|name| format!("set {name}=")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_completed_by_scope() {
        assert_eq!(candidates("re", None), ["remove", "revert"]);
        assert_eq!(candidates("add capped", None), ["add capped-cpu", "add capped-memory"]);
        assert_eq!(candidates("set zone", None), ["set zonename=", "set zonepath="]);
        assert_eq!(candidates("set m", Some(ResourceType::Net)), ["set mac-addr="]);
        assert_eq!(candidates("create", Some(ResourceType::Net)), Vec::<String>::new());
    }
}
