//! Requests and their answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::frame::Frame;
use super::store::{Change, Metadata, Store, Table};

/// Properties of a VM object that are asked for as JSON text.
const AS_JSON: [&str; 3] = ["nics", "resolvers", "tmpfs"];
/// Arrays of objects: `disks.0.path`. Objects: `tags.role`. Arrays of values: `resolvers.0`.
const OBJECT_LISTS: [&str; 3] = ["disks", "nics", "filesystems"];
const TABLES: [&str; 3] = ["customer_metadata", "internal_metadata", "tags"];
const LISTS: [&str; 2] = ["datasets", "resolvers"];

/// One conversation with a guest.
#[derive(Debug, Default)]
pub struct Session<S> {
    store: S,
}

/// What a request comes to.
enum Answer {
    Success(String),
    NotFound,
    Failure(String),
}

impl<S: Store> Session<S> {
    /// A conversation about what `store` keeps.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// The answer to a line, its end included; `None` for lines that get none.
    pub fn respond(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end();
        if line.starts_with("V2 ") {
            let request = match Frame::parse(line) {
                Ok(request) => request,
                Err(error) => {
                    log::debug!("a request is passed over: {error}");
                    return None;
                }
            };
            let answer = match String::from_utf8(request.payload) {
                Ok(argument) => self.answer(&request.code, &argument, true),
                Err(_) => Answer::Failure("The argument is not UTF-8 text".into()),
            };
            return Some(answer.frame(request.request_id).print());
        }
        let (command, argument) = match line.split_once(char::is_whitespace) {
            Some((command, argument)) => (command, argument),
            None => (line, ""),
        };
        Some(match (command, argument) {
            ("", _) | ("NEGOTIATE" | "GET", "") => "invalid command\n".to_owned(),
            ("NEGOTIATE", "V2") => "V2_OK\n".to_owned(),
            ("NEGOTIATE", _) => "FAILURE\n".to_owned(),
            _ => self.answer(command, argument, false).text(),
        })
    }

    fn answer(&mut self, command: &str, argument: &str, version_2: bool) -> Answer {
        let reads = matches!(command, "GET" | "KEYS");
        let writes = version_2 && matches!(command, "PUT" | "DELETE");
        if !reads && !writes {
            return Answer::Failure(format!("Unknown command {command}"));
        }
        let metadata = match self.store.load() {
            Ok(metadata) => metadata,
            Err(error) => {
                log::error!("cannot read the metadata: {error:#}");
                return Answer::Failure("The metadata cannot be read".into());
            }
        };
        match command {
            "GET" => get(&metadata, argument.trim()),
            "KEYS" => Answer::Success(metadata.keys().join("\n")),
            "PUT" => match put_arguments(argument) {
                Some((key, value)) => {
                    // An empty value removes, as in the original.
                    self.change(&metadata, &key, Some(value).filter(|value| !value.is_empty()))
                }
                None => Answer::Failure("Invalid PUT Request".into()),
            },
            _ => match argument.trim() {
                "" => Answer::Failure("Invalid DELETE Request".into()),
                key => self.change(&metadata, key, None),
            },
        }
    }

    fn change(&mut self, metadata: &Metadata, key: &str, value: Option<String>) -> Answer {
        let read_only =
            if key.starts_with("sdc:") { Some("sdc") } else { metadata.namespace_of(key) };
        if let Some(namespace) = read_only {
            return Answer::Failure(format!("Cannot update the \"{namespace}\" Namespace."));
        }
        let table = if key.ends_with("_pw") || key == "operator-script" {
            Table::Internal
        } else {
            Table::Customer
        };
        match self.store.change(&Change { table, key: key.to_owned(), value }) {
            Ok(()) => Answer::Success("OK".into()),
            Err(error) => {
                log::error!("cannot keep the change of {key}: {error:#}");
                Answer::Failure("The change cannot be kept".into())
            }
        }
    }
}

impl Answer {
    fn frame(self, request_id: String) -> Frame {
        let (code, payload) = match self {
            Self::Success(value) => ("SUCCESS", value),
            Self::NotFound => ("NOTFOUND", String::new()),
            Self::Failure(message) => ("FAILURE", message),
        };
        Frame { request_id, code: code.to_owned(), payload: payload.into_bytes() }
    }

    /// The answer in version 1: lines of a value, a dot at a line's start doubled, and a line with a dot.
    fn text(self) -> String {
        match self {
            Self::Success(value) => {
                let mut text = String::from("SUCCESS\n");
                for line in value.split('\n') {
                    if line.starts_with('.') {
                        text.push('.');
                    }
                    text.push_str(line);
                    text.push('\n');
                }
                text + ".\n"
            }
            Self::NotFound => "NOTFOUND\n".to_owned(),
            Self::Failure(_) => "FAILURE\n".to_owned(),
        }
    }
}

/// Key and value of a PUT, each in base64.
fn put_arguments(argument: &str) -> Option<(String, String)> {
    let (key, value) = argument.trim().split_once(' ')?;
    let decoded = |text: &str| String::from_utf8(STANDARD.decode(text).ok()?).ok();
    let key = decoded(key)?.trim().to_owned();
    if key.is_empty() { None } else { Some((key, decoded(value)?)) }
}

fn get(metadata: &Metadata, name: &str) -> Answer {
    if name.is_empty() {
        return Answer::Failure("Invalid GET Request".into());
    }
    let value = match name.strip_prefix("sdc:") {
        Some(name) => property(metadata, name),
        None => metadata.get(name).cloned(),
    };
    match value {
        None | Some(Value::Null) => Answer::NotFound,
        Some(Value::String(text)) => Answer::Success(text),
        Some(Value::Array(_) | Value::Object(_)) => Answer::Failure(String::new()),
        Some(scalar) => Answer::Success(scalar.to_string()),
    }
}

/// What an `sdc:` name stands for.
fn property(metadata: &Metadata, name: &str) -> Option<Value> {
    let vm = &metadata.vm;
    match name {
        "operator-script" => metadata.internal.get(name).cloned(),
        "volumes" => metadata.internal.get("sdc:volumes").cloned(),
        "routes" => {
            vm.get("routes").and_then(Value::as_object).map(|r| routes(vm, r).to_string().into())
        }
        _ if AS_JSON.contains(&name) && vm.get(name).is_some() => Some(vm[name].to_string().into()),
        _ => match name.split_once('.') {
            // A tag's name may itself have dots.
            Some(("tags", tag)) => vm["tags"].get(tag).cloned(),
            _ => flattened(vm, name),
        },
    }
}

fn flattened(vm: &Value, name: &str) -> Option<Value> {
    let parts: Vec<&str> = name.split('.').collect();
    let value = match parts[..] {
        [list, index, property] if OBJECT_LISTS.contains(&list) => {
            vm[list].get(index.parse::<usize>().ok()?)?.get(property)
        }
        [table, key] if TABLES.contains(&table) => vm[table].get(key),
        [list, index] if LISTS.contains(&list) => vm[list].get(index.parse::<usize>().ok()?),
        _ => vm.get(name),
    };
    value.cloned()
}

/// A machine's routes with the gateways of link-local ones (`nics[0]`, `macs[…]`) filled in.
fn routes(vm: &Value, routes: &Map<String, Value>) -> Value {
    let nics = vm["nics"].as_array().map(Vec::as_slice).unwrap_or_default();
    let inside = |text: &str, kind: &str| {
        Some(text.strip_prefix(kind)?.strip_prefix('[')?.strip_suffix(']')?.to_owned())
    };
    let list = routes.iter().filter_map(|(destination, gateway)| {
        let gateway = gateway.as_str()?;
        let nic = if let Some(index) = inside(gateway, "nics") {
            nics.get(index.parse::<usize>().ok()?)?
        } else if let Some(mac) = inside(gateway, "macs") {
            let same =
                |nic: &&Value| nic["mac"].as_str().is_some_and(|m| m.eq_ignore_ascii_case(&mac));
            nics.iter().find(same)?
        } else {
            return Some(json!({"linklocal": false, "dst": destination, "gateway": gateway}));
        };
        let ip = nic["ip"].as_str().filter(|ip| *ip != "dhcp")?;
        Some(json!({"linklocal": true, "dst": destination, "gateway": ip}))
    });
    list.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata in memory.
    struct Memory(Metadata);

    impl Store for Memory {
        fn load(&mut self) -> anyhow::Result<Metadata> {
            Ok(self.0.clone())
        }

        fn change(&mut self, change: &Change) -> anyhow::Result<()> {
            self.0.apply(change);
            Ok(())
        }
    }

    fn session() -> Session<Memory> {
        Session::new(Memory(Metadata::of_vm(json!({
            "uuid": "9d1c5f60-1111-4222-8333-444455556666",
            "hostname": "h1",
            "autoboot": true,
            "ram": 1024,
            "resolvers": ["8.8.8.8"],
            "tags": {"role.x": "db"},
            "nics": [{"mac": "90:b8:d0:1:2:3", "ip": "10.0.0.5"}],
            "routes": {"10.2.0.0/16": "nics[0]", "10.3.0.0/16": "10.0.0.9"},
            "customer_metadata": {"foo": "bar", "lines": "a\n.b\n", "root_pw": "never"},
            "internal_metadata": {"root_pw": "secret", "op:x": "1", "operator-script": "#!"},
            "internal_metadata_namespaces": ["op"],
        }))))
    }

    #[test]
    fn version_1_answers_lines() {
        let mut session = session();
        for (request, answer) in [
            ("NEGOTIATE V2\n", "V2_OK\n"),
            ("NEGOTIATE V3\n", "FAILURE\n"),
            ("GET foo\n", "SUCCESS\nbar\n.\n"),
            ("GET lines\n", "SUCCESS\na\n..b\n\n.\n"),
            ("GET nothing\n", "NOTFOUND\n"),
            ("GET root_pw\n", "SUCCESS\nsecret\n.\n"),
            ("GET op:x\n", "SUCCESS\n1\n.\n"),
            ("GET sdc:hostname\n", "SUCCESS\nh1\n.\n"),
            ("GET sdc:autoboot\n", "SUCCESS\ntrue\n.\n"),
            ("GET sdc:ram\n", "SUCCESS\n1024\n.\n"),
            ("GET sdc:resolvers\n", "SUCCESS\n[\"8.8.8.8\"]\n.\n"),
            ("GET sdc:resolvers.0\n", "SUCCESS\n8.8.8.8\n.\n"),
            ("GET sdc:nics.0.ip\n", "SUCCESS\n10.0.0.5\n.\n"),
            ("GET sdc:tags.role.x\n", "SUCCESS\ndb\n.\n"),
            ("GET sdc:customer_metadata\n", "FAILURE\n"),
            ("GET sdc:operator-script\n", "SUCCESS\n#!\n.\n"),
            ("GET operator-script\n", "NOTFOUND\n"),
            ("KEYS\n", "SUCCESS\nfoo\nlines\nroot_pw\nop:x\n.\n"),
            ("GET\n", "invalid command\n"),
            ("\n", "invalid command\n"),
            ("PUT a b\n", "FAILURE\n"),
            ("HELLO\n", "FAILURE\n"),
        ] {
            assert_eq!(session.respond(request).as_deref(), Some(answer), "{request}");
        }
    }

    #[test]
    fn routes_name_their_gateways() {
        let answer = session().respond("GET sdc:routes\n").expect("an answer");
        let list: Value =
            serde_json::from_str(answer.lines().nth(1).expect("a value")).expect("JSON");
        assert_eq!(
            list,
            json!([
                {"linklocal": true, "dst": "10.2.0.0/16", "gateway": "10.0.0.5"},
                {"linklocal": false, "dst": "10.3.0.0/16", "gateway": "10.0.0.9"},
            ])
        );
    }

    fn ask(session: &mut Session<Memory>, code: &str, payload: &str) -> (String, String) {
        let request = Frame {
            request_id: "dc4fae17".into(),
            code: code.into(),
            payload: payload.as_bytes().to_vec(),
        };
        let answer = session.respond(&request.print()).expect("an answer");
        let answer = Frame::parse(answer.trim_end()).expect("a frame");
        assert_eq!(answer.request_id, "dc4fae17");
        (answer.code, String::from_utf8(answer.payload).expect("text"))
    }

    fn put(key: &str, value: &str) -> String {
        format!("{} {}", STANDARD.encode(key), STANDARD.encode(value))
    }

    #[test]
    fn version_2_reads_and_writes() {
        let mut session = session();
        let ok = ("SUCCESS".to_owned(), "OK".to_owned());
        assert_eq!(ask(&mut session, "GET", "foo"), ("SUCCESS".into(), "bar".into()));
        assert_eq!(ask(&mut session, "GET", "nothing"), ("NOTFOUND".into(), String::new()));
        assert_eq!(ask(&mut session, "PUT", &put("new", "a\nb")), ok);
        assert_eq!(ask(&mut session, "GET", "new"), ("SUCCESS".into(), "a\nb".into()));
        assert_eq!(ask(&mut session, "DELETE", "new"), ok);
        assert_eq!(ask(&mut session, "GET", "new").0, "NOTFOUND");
        assert_eq!(ask(&mut session, "PUT", &put("root_pw", "s")), ok);
        assert_eq!(session.store.0.internal["root_pw"], "s");
        assert_eq!(session.store.0.customer["root_pw"], "never");
        assert_eq!(ask(&mut session, "DELETE", "foo"), ok);
        assert_eq!(ask(&mut session, "GET", "foo").0, "NOTFOUND");
    }

    #[test]
    fn what_is_the_operators_cannot_be_changed() {
        let mut session = session();
        let before = session.store.0.clone();
        for (code, payload, message) in [
            ("PUT", put("op:x", "2"), "Cannot update the \"op\" Namespace."),
            ("DELETE", "op:x".into(), "Cannot update the \"op\" Namespace."),
            ("PUT", put("sdc:uuid", "2"), "Cannot update the \"sdc\" Namespace."),
            ("DELETE", "sdc:uuid".into(), "Cannot update the \"sdc\" Namespace."),
            ("PUT", "justone".into(), "Invalid PUT Request"),
            ("DELETE", " ".into(), "Invalid DELETE Request"),
            ("WIPE", String::new(), "Unknown command WIPE"),
        ] {
            let answer = ask(&mut session, code, &payload);
            assert_eq!(answer, ("FAILURE".into(), message.into()), "{code} {payload}");
        }
        assert_eq!(session.store.0, before);
    }

    #[test]
    fn damaged_frames_get_no_answer() {
        assert_eq!(session().respond("V2 21 00000000 dc4fae17 GET Zm9v\n"), None);
    }
}
