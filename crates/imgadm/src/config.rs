//! The configuration file, `/var/imgadm/imgadm.conf`, read and written as SmartOS's imgadm does.

use std::path::PathBuf;
use std::time::Duration;

use gz::Root;
use gz::lock::{self, Lock};
use serde_json::{Map, Value, json};

use crate::errors::{Error, Result};

/// Where the configuration is.
pub const PATH: &str = "/var/imgadm/imgadm.conf";

/// The source used where none is configured.
pub const DEFAULT_SOURCE: &str = "https://images.smartos.org";

/// The lock of the file, held while it is changed.
const LOCK: &str = "/var/run/imgadm.conf.lock";

/// How long others may take to change the file: they only read and write it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The version of the on-disk state that this program writes.
const STATE_VERSION: &str = "3.0.0";

/// Default sources of earlier years that answer no more, and what has their images now.
const MOVED: &[(&str, &str)] = &[
    ("https://images.joyent.com", DEFAULT_SOURCE),
    ("https://datasets.joyent.com/datasets", DEFAULT_SOURCE),
    ("https://datasets.tritondatacenter.com/datasets", DEFAULT_SOURCE),
];

/// What kind of server a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Imgapi,
    Dsapi,
    Docker,
}

impl Kind {
    /// Every kind, in the order that messages list them.
    pub const ALL: [Self; 3] = [Self::Imgapi, Self::Dsapi, Self::Docker];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imgapi => "imgapi",
            Self::Dsapi => "dsapi",
            Self::Docker => "docker",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One configured image source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    pub kind: Kind,
    /// As the operator wrote it.
    pub url: String,
    /// Whether certificates go unchecked; `None` where nothing was said.
    pub insecure: Option<bool>,
    pub channel: Option<String>,
}

impl SourceInfo {
    pub fn new(kind: Kind, url: &str) -> Self {
        Self { kind, url: url.to_owned(), insecure: None, channel: None }
    }

    /// A source from what the operator or the file says; `kind` defaults to imgapi.
    pub fn parse(url: &str, kind: Option<&str>) -> Result<Self> {
        let kind = match kind {
            None => Kind::Imgapi,
            Some(text) => Kind::parse(text).ok_or_else(|| {
                let known = Kind::ALL.map(Kind::as_str).join("\", \"");
                Error::config(format!(
                    "type \"{text}\" for source url \"{url}\" is invalid: must be one of \"{known}\""
                ))
            })?,
        };
        Ok(Self::new(kind, url))
    }

    fn from_json(value: &Value) -> Result<Self> {
        let url = value.get("url").and_then(Value::as_str).ok_or_else(|| {
            Error::config(format!("a source in config file \"{PATH}\" has no \"url\""))
        })?;
        // Sources of the first imgadm had no type; its servers' URLs ended so.
        let old =
            || if url.trim_end_matches('/').ends_with("/datasets") { "dsapi" } else { "imgapi" };
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_else(old);
        let mut source = Self::parse(url, Some(kind))?;
        source.insecure = value.get("insecure").and_then(Value::as_bool);
        source.channel = value.get("channel").and_then(Value::as_str).map(str::to_owned);
        Ok(source)
    }

    fn to_json(&self) -> Value {
        let mut object = json!({"type": self.kind.as_str(), "url": self.url});
        if let Some(insecure) = self.insecure {
            object["insecure"] = insecure.into();
        }
        if let Some(channel) = &self.channel {
            object["channel"] = channel.as_str().into();
        }
        object
    }

    /// The URL that two spellings of one source have in common.
    pub fn normal_url(&self) -> String {
        normal_url(&self.url)
    }

    /// Whether two describe the same source; how the URL is spelt does not matter.
    pub fn same_as(&self, other: &Self) -> bool {
        self.normal_url() == other.normal_url()
            && self.kind == other.kind
            && self.insecure == other.insecure
            && self.channel == other.channel
    }
}

impl std::fmt::Display for SourceInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\" image source \"{}\"", self.kind.as_str(), self.url)?;
        if self.insecure == Some(true) {
            f.write_str(" (insecure)")?;
        }
        match &self.channel {
            Some(channel) => write!(f, " (channel={channel})"),
            None => Ok(()),
        }
    }
}

/// A URL with a scheme, without a slash at the end or a port that is the scheme's own.
pub fn normal_url(url: &str) -> String {
    let has_scheme = url.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    let url = if has_scheme { url.to_owned() } else { format!("http://{url}") };
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let (before_query, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let (host, path) = match before_query.split_once('/') {
        Some((host, path)) => (host, format!("/{path}")),
        None => (before_query, String::new()),
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(default_port).unwrap_or(host).to_lowercase();
    let path = path.strip_suffix('/').unwrap_or(&path);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}://{host}{path}{query}", scheme.to_lowercase())
}

/// The configuration: what this program knows of it, and all else that the file holds.
#[derive(Debug, Clone)]
pub struct Config {
    path: PathBuf,
    values: Map<String, Value>,
    /// What the operator is told once, on standard error: sources that moved.
    pub notices: Vec<String>,
}

impl Config {
    /// Reads the file. State that an older imgadm left is brought up to date and written back; where that cannot be
    /// written (an operator who may only read), it is brought up to date in memory alone.
    pub fn load(root: &Root) -> Result<Self> {
        let mut config = Self::read(root)?;
        if config.bring_up_to_date(root)?
            && let Ok((_lock, fresh)) = Self::lock(root)
        {
            // Best effort: see above.
            let _ = fresh.save();
        }
        Ok(config)
    }

    /// The configuration as it is now, which no other imgadm changes while the lock is held.
    pub fn lock(root: &Root) -> Result<(Lock, Self)> {
        let held = lock::acquire(&root.path(LOCK), "the configuration of imgadm", PATIENCE)?;
        let mut config = Self::read(root)?;
        config.bring_up_to_date(root)?;
        Ok((held, config))
    }

    /// What the file holds.
    fn read(root: &Root) -> Result<Self> {
        let path = root.path(PATH);
        let mut values = Map::new();
        values.insert("dockerImportSkipUuids".into(), true.into());
        if let Some(bytes) = gz::files::read_optional(&path)? {
            let invalid = || Error::config(format!("config file \"{PATH}\" is not valid JSON"));
            let Value::Object(read) = serde_json::from_slice(&bytes).map_err(|_| invalid())? else {
                return Err(invalid());
            };
            for (key, value) in read {
                values.insert(key, value);
            }
        }
        let config = Self { path, values, notices: Vec::new() };
        config.sources()?;
        Ok(config)
    }

    /// Makes the state that an older imgadm left this version's, in memory; true where that changed anything.
    fn bring_up_to_date(&mut self, root: &Root) -> Result<bool> {
        Ok(self.upgrade(root)? | self.follow_moves())
    }

    /// The configured sources; the default one where none are.
    pub fn sources(&self) -> Result<Vec<SourceInfo>> {
        match self.values.get("sources") {
            None => Ok(vec![SourceInfo::new(Kind::Imgapi, DEFAULT_SOURCE)]),
            Some(Value::Array(list)) => list.iter().map(SourceInfo::from_json).collect(),
            Some(_) => {
                Err(Error::config(format!("\"sources\" in config file \"{PATH}\" is not an array")))
            }
        }
    }

    pub fn set_sources(&mut self, sources: &[SourceInfo]) {
        let list = sources.iter().map(SourceInfo::to_json).collect();
        self.values.insert("sources".into(), Value::Array(list));
    }

    /// What the operator wants added to the User-Agent.
    pub fn user_agent_extra(&self) -> Result<Option<&str>> {
        match self.values.get("userAgentExtra") {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::config(format!(
                "\"userAgentExtra\" in config file \"{PATH}\" is not a string"
            ))),
        }
    }

    /// Whether docker sources are asked for images named by a UUID.
    pub fn docker_skips_uuids(&self) -> bool {
        self.values.get("dockerImportSkipUuids").and_then(Value::as_bool).unwrap_or(true)
    }

    /// Writes the file.
    pub fn save(&self) -> Result<()> {
        if let Some(directory) = self.path.parent() {
            gz::files::make_directory(directory)?;
        }
        let text = format!("{:#}", Value::Object(self.values.clone()));
        Ok(gz::files::replace(&self.path, text.as_bytes(), 0o644)?)
    }

    /// Marks the state as of this version; true where that changed anything.
    fn upgrade(&mut self, root: &Root) -> Result<bool> {
        let from = self.values.get("upgradedToVer").and_then(Value::as_str).unwrap_or("1.0.0");
        if from == STATE_VERSION {
            return Ok(false);
        }
        if from.starts_with("1.") {
            self.take_old_sources(root)?;
        }
        if self.values.contains_key("sources") {
            let sources = self.sources()?;
            self.set_sources(&sources);
        }
        self.values.insert("upgradedToVer".into(), STATE_VERSION.into());
        Ok(true)
    }

    /// The first imgadm kept its sources in a file of lines.
    fn take_old_sources(&mut self, root: &Root) -> Result<()> {
        if self.values.contains_key("sources") {
            return Ok(());
        }
        let old = gz::files::read_optional(&root.path("/var/db/imgadm/sources.list"))?;
        let Some(old) = old else { return Ok(()) };
        let text = String::from_utf8_lossy(&old);
        let sources: Vec<SourceInfo> = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty())
            .map(|url| SourceInfo::new(Kind::Dsapi, url))
            .collect();
        if !sources.is_empty() {
            self.set_sources(&sources);
        }
        Ok(())
    }

    /// Replaces sources that are known to have moved; true where there were any.
    fn follow_moves(&mut self) -> bool {
        let Ok(sources) = self.sources() else { return false };
        let mut changed = false;
        let mut kept: Vec<SourceInfo> = Vec::new();
        for source in sources {
            let normal = source.normal_url();
            let moved = MOVED.iter().find(|(from, _)| *from == normal);
            let source = match moved {
                Some((_, to)) => {
                    changed = true;
                    self.notices.push(format!(
                        "image source \"{}\" no longer exists: using \"{to}\" instead",
                        source.url
                    ));
                    SourceInfo { kind: Kind::Imgapi, url: (*to).to_owned(), ..source }
                }
                None => source,
            };
            if !kept.iter().any(|other| other.same_as(&source)) {
                kept.push(source);
            }
        }
        if changed {
            self.set_sources(&kept);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(conf: Option<&str>) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        std::fs::create_dir_all(dir.path().join("var/imgadm")).unwrap();
        if let Some(conf) = conf {
            std::fs::write(root.path(PATH), conf).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn a_first_run_leaves_the_file_that_smartos_leaves() {
        let (_dir, root) = root_with(None);
        let config = Config::load(&root).unwrap();
        assert_eq!(config.sources().unwrap()[0].url, DEFAULT_SOURCE);
        let text = std::fs::read_to_string(root.path(PATH)).unwrap();
        assert_eq!(
            text,
            "{\n  \"dockerImportSkipUuids\": true,\n  \"upgradedToVer\": \"3.0.0\"\n}"
        );
        assert_eq!(text.len(), 63);
    }

    #[test]
    fn unknown_settings_survive_and_sources_keep_their_shape() {
        let (_dir, root) = root_with(Some(
            r#"{"userAgentExtra":"x","other":{"a":1},"upgradedToVer":"3.0.0","sources":[{"type":"imgapi","url":"https://a","insecure":true}]}"#,
        ));
        let mut config = Config::load(&root).unwrap();
        let sources = config.sources().unwrap();
        assert_eq!(sources[0].insecure, Some(true));
        config.set_sources(&sources);
        config.save().unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(root.path(PATH)).unwrap()).unwrap();
        assert_eq!(read["other"]["a"], 1);
        assert_eq!(
            read["sources"][0],
            json!({"type": "imgapi", "url": "https://a", "insecure": true})
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let (_dir, root) = root_with(Some("{bad\n"));
        let error = Config::load(&root).unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            ("ConfigError", "config file \"/var/imgadm/imgadm.conf\" is not valid JSON")
        );
    }

    #[test]
    fn spellings_of_one_url_are_the_same() {
        for url in ["http://h:80/a/", "http://H/a", "h/a", "HTTP://h/a/"] {
            assert_eq!(normal_url(url), "http://h/a", "{url}");
        }
        assert_eq!(normal_url("https://h:443"), "https://h");
        assert_eq!(normal_url("https://h:80/?channel=dev"), "https://h:80?channel=dev");
    }

    #[test]
    fn a_source_that_moved_is_replaced_with_a_notice() {
        let (_dir, root) = root_with(Some(
            r#"{"upgradedToVer":"3.0.0","sources":[{"type":"imgapi","url":"https://images.joyent.com/"},{"type":"imgapi","url":"https://images.smartos.org"}]}"#,
        ));
        let config = Config::load(&root).unwrap();
        assert_eq!(config.sources().unwrap(), [SourceInfo::new(Kind::Imgapi, DEFAULT_SOURCE)]);
        assert!(config.notices[0].contains("https://images.joyent.com"), "{:?}", config.notices);
        assert!(Config::load(&root).unwrap().notices.is_empty());
    }

    #[test]
    fn sources_without_a_type_are_told_by_their_url() {
        let (_dir, root) =
            root_with(Some(r#"{"sources":[{"url":"https://x/datasets/"},{"url":"https://y"}]}"#));
        let kinds: Vec<Kind> =
            Config::load(&root).unwrap().sources().unwrap().iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [Kind::Dsapi, Kind::Imgapi]);
    }
}
