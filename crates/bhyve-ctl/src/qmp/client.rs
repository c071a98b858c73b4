//! The connection: greeting, negotiation, commands with their answers, events.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::wire::Wire;
use super::{Error, Result};

/// Something that happened in the guest or to it (`SHUTDOWN`, `POWERDOWN`, `RESET`, …).
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Name.
    pub name: String,
    /// What goes with it; null for nothing.
    pub data: Value,
}

/// A connection on which commands can be given.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    limit: Duration,
    next_id: u64,
    events: VecDeque<Event>,
    version: String,
}

impl Client {
    /// Waits for qemu's greeting and leaves negotiation mode. `limit` is how long qemu may take to answer, here and to
    /// each command.
    ///
    /// # Errors
    /// There is no answer in time, or the other side is no QMP server.
    pub fn connect(stream: UnixStream, limit: Duration) -> Result<Self> {
        let mut wire = Wire::new(stream);
        let greeting = wire.receive(limit)?;
        let version = &greeting["QMP"]["version"]["qemu"];
        // Before 0.14 the version is text.
        let version = match (version["major"].as_u64(), version.as_str()) {
            (Some(major), _) => {
                let part = |name: &str| version[name].as_u64().unwrap_or_default();
                format!("{major}.{}.{}", part("minor"), part("micro"))
            }
            (None, Some(text)) => text.to_owned(),
            (None, None) => return Err(Error::Protocol("there is no greeting of qemu".into())),
        };
        let mut client = Self { wire, limit, next_id: 1, events: VecDeque::new(), version };
        client.execute("qmp_capabilities", &Value::Null)?;
        Ok(client)
    }

    /// qemu's version, such as `7.2.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Gives a command with its arguments (an object, or null for none) and waits for the answer. Events that come
    /// meanwhile are kept for [`Client::event`].
    ///
    /// # Errors
    /// qemu refuses the command or does not answer in time.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let mut message = json!({"execute": command, "id": id});
        if !arguments.is_null() {
            message["arguments"] = arguments.clone();
        }
        self.wire.send(&message, self.limit)?;
        let deadline = Instant::now() + self.limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut answer = self.wire.receive(left).map_err(|error| match error {
                Error::TimedOut(_) => Error::TimedOut(self.limit),
                other => other,
            })?;
            if self.keep_event(&mut answer) {
                continue;
            }
            // An answer to an earlier command that came too late is passed over. Answers to what qemu could not even
            // read have no id.
            if answer.get("id").is_some_and(|answered| *answered != json!(id)) {
                continue;
            }
            if let Some(error) = answer.get("error") {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                return Err(Error::Refused { class: text("class"), description: text("desc") });
            }
            return match answer.get_mut("return") {
                Some(value) => Ok(value.take()),
                None => Err(Error::Protocol(format!("this is no answer: {answer}"))),
            };
        }
    }

    /// The next event, the oldest first; `None` when none has come within `limit`.
    ///
    /// # Errors
    /// The connection fails. [`Error::Closed`] is what follows the `SHUTDOWN` of a qemu that ends.
    pub fn event(&mut self, limit: Duration) -> Result<Option<Event>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.wire.receive(left) {
                Ok(mut message) => {
                    self.keep_event(&mut message);
                }
                Err(Error::TimedOut(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for an event of that name; others are dropped. False when it has not come within `limit`.
    ///
    /// # Errors
    /// As [`Client::event`].
    pub fn wait_for(&mut self, name: &str, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.event(left)? {
                Some(event) if event.name == name => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    fn keep_event(&mut self, message: &mut Value) -> bool {
        let Some(name) = message.get("event").and_then(Value::as_str) else { return false };
        let event = Event { name: name.to_owned(), data: message["data"].take() };
        self.events.push_back(event);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};

    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 1, "minor": 14, "major": 0}, "package": ""}, "capabilities": []}}"#;
    const LIMIT: Duration = Duration::from_millis(300);

    /// A server that greets, then sends `answers` in turn, one for each line it reads; `ID` stands for the id.
    fn server(answers: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        std::thread::spawn(move || {
            let mut lines = BufReader::new(theirs.try_clone().expect("a second handle")).lines();
            let mut writer = theirs;
            let _ = writeln!(writer, "{GREETING}");
            for answer in answers {
                let Some(Ok(line)) = lines.next() else { return };
                let command: Value = serde_json::from_str(&line).expect("commands are JSON");
                let answer = answer.replace("ID", &command["id"].to_string());
                let _ = writeln!(writer, "{answer}");
            }
            // Stay until the client has gone.
            let _ = lines.next();
        });
        ours
    }

    const READY: &str = r#"{"return": {}, "id": ID}"#;

    #[test]
    fn answers_are_told_from_events_and_late_answers() {
        let stream = server(&[
            READY,
            "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n{\"return\": 1, \"id\": 77}\n{\"return\": 2, \"id\": ID}",
            r#"{"error": {"class": "CommandNotFound", "desc": "no such"}, "id": ID}"#,
        ]);
        let mut client = Client::connect(stream, LIMIT).expect("it greets");
        assert_eq!(client.version(), "0.14.1");
        assert_eq!(client.execute("x", &Value::Null).expect("it answers"), 2);
        let error = client.execute("y", &json!({})).expect_err("it refuses");
        assert!(error.is_unknown_command(), "{error}");
        let event = client.event(LIMIT).expect("connected").expect("it has come");
        assert_eq!((event.name.as_str(), &event.data["guest"]), ("RESET", &json!(true)));
        assert_eq!(client.event(Duration::from_millis(5)).expect("connected"), None);
    }

    #[test]
    fn silence_and_babble_are_errors() {
        let (silent, _other) = UnixStream::pair().expect("a pair of sockets");
        let error = Client::connect(silent, Duration::from_millis(20)).expect_err("nobody answers");
        assert!(matches!(error, Error::TimedOut(_)), "{error}");

        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.write_all(b"SSH-2.0-x\n").expect("writable");
        let error = Client::connect(ours, LIMIT).expect_err("this is no QMP");
        assert!(matches!(error, Error::Protocol(_)), "{error}");

        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        drop(theirs);
        assert!(matches!(Client::connect(ours, LIMIT), Err(Error::Closed)));
    }
}
