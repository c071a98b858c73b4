//! What a request asks for in its query: which images, in which order, of which channel.

use std::sync::Arc;

use serde_json::Value;

use super::catalog::{Catalog, Entry};
use super::refusal::Refusal;
use crate::store::is_uuid;

/// The parameters of a query, in their order.
#[derive(Debug, Default)]
pub struct Asked(pub Vec<(String, String)>);

impl Asked {
    /// The last parameter of a name; an empty one counts as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                let message = format!("invalid value for \"{name}\": \"{other}\"");
                Err(Refusal::parameter(name, "Invalid", message))
            }
        }
    }
}

/// The channel that a request is about: the one it names, or the default one. None where the server has no channels,
/// or with `any` where the request names `*`.
pub fn channel(catalog: &Catalog, asked: &Asked, any: bool) -> Result<Option<String>, Refusal> {
    let Some(channels) = catalog.channels() else { return Ok(None) };
    let channels = channels.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |channel: &Value| channel.get("name").and_then(Value::as_str).map(str::to_owned);
    match asked.get("channel") {
        None => {
            let is_default = |channel: &&Value| channel.get("default") == Some(&Value::Bool(true));
            channels.iter().find(is_default).and_then(name).map(Some).ok_or_else(|| {
                let message = "channel not specified and the server has no default channel";
                Refusal::validation(message).about("channel", "MissingParameter")
            })
        }
        Some("*") if any => Ok(None),
        Some(wanted) if channels.iter().filter_map(name).any(|name| name == wanted) => {
            Ok(Some(wanted.to_owned()))
        }
        Some(other) => {
            Err(Refusal::validation(format!("unknown channel: {other}"))
                .about("channel", "Invalid"))
        }
    }
}

/// Whether an image is in a channel; images that say nothing of channels are in all.
pub fn in_channel(entry: &Entry, channel: Option<&str>) -> bool {
    let Some(channel) = channel else { return true };
    let channels = entry.manifest.get("channels").and_then(Value::as_array);
    channels.is_none_or(|names| names.iter().any(|name| name.as_str() == Some(channel)))
}

/// Chooses the images of a list. `all` are in order of publication; those who may change things see those that are
/// not active, too.
pub fn select(
    all: Vec<Arc<Entry>>,
    asked: &Asked,
    channel: Option<&str>,
    trusted: bool,
) -> Result<Vec<Arc<Entry>>, Refusal> {
    let state = asked.get("state").unwrap_or("active");
    if !["active", "disabled", "unactivated", "all", "creating", "failed"].contains(&state) {
        return Err(Refusal::parameter("state", "Invalid", format!("invalid state: \"{state}\"")));
    }
    let limit = match asked.get("limit").map(|text| (text, text.parse::<usize>())) {
        None | Some((_, Ok(0))) => usize::MAX,
        Some((_, Ok(limit))) => limit,
        Some((text, Err(_))) => {
            let message = format!("invalid limit: \"{text}\"");
            return Err(Refusal::parameter("limit", "Invalid", message));
        }
    };
    let public = asked.flag("public")?;
    let (attribute, order) = match asked.get("sort") {
        None => ("published_at", "ASC"),
        Some(sort) => sort.split_once('.').unwrap_or((sort, "ASC")),
    };
    if attribute != "published_at" {
        let message = format!("invalid 'sort': not a valid sorting attribute: '{attribute}'");
        return Err(Refusal::parameter("sort", "Invalid", message));
    }
    let mut chosen = from_marker(all, asked.get("marker"))?;
    chosen.retain(|entry| {
        let is_active = entry.text("state") == "active";
        (is_active || trusted)
            && (state == "all" || entry.text("state") == state)
            && public.is_none_or(|public| is_public(entry) == public)
            && in_channel(entry, channel)
            && is_for(entry, asked.get("account"))
            && has_fields(entry, asked)
    });
    if !order.eq_ignore_ascii_case("asc") {
        chosen.reverse();
    }
    chosen.truncate(limit);
    Ok(chosen)
}

/// The images from a marker on: the last image of the page before, which is sent again so that clients see where
/// they are, or a date.
fn from_marker(all: Vec<Arc<Entry>>, marker: Option<&str>) -> Result<Vec<Arc<Entry>>, Refusal> {
    let Some(marker) = marker else { return Ok(all) };
    if is_uuid(marker) {
        let from = all.iter().position(|entry| entry.uuid == marker);
        let from = from.ok_or_else(|| Refusal::no_image(marker))?;
        return Ok(all.into_iter().skip(from).collect());
    }
    let Some(from) = comparable(marker) else {
        let message = format!(
            "invalid value for \"marker\" param: \"{marker}\" is not a UUID or date string"
        );
        return Err(Refusal::parameter("marker", "Invalid", message));
    };
    let not_before = |entry: &Arc<Entry>| {
        comparable(entry.text("published_at")).is_some_and(|published| published >= from)
    };
    Ok(all.into_iter().filter(not_before).collect())
}

/// A time such as `2020-01-02`, `2020-01-02T03:04:05Z` or `2020-01-02T03:04:05.678Z`, so that they compare as texts.
fn comparable(time: &str) -> Option<String> {
    const SHAPE: &[u8; 23] = b"0000-00-00T00:00:00.000";
    let bare = time.strip_suffix('Z').unwrap_or(time);
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte == *shape,
    };
    let fine = (10..=SHAPE.len()).contains(&bare.len()) && bare.bytes().zip(SHAPE).all(fits);
    fine.then(|| {
        let rest = String::from_utf8_lossy(&SHAPE[bare.len()..]);
        format!("{bare}{rest}")
    })
}

fn is_public(entry: &Entry) -> bool {
    entry.manifest.get("public").and_then(Value::as_bool).unwrap_or(false)
}

/// Whether an account may use an image: its own, one for all, or one that is shared with it.
fn is_for(entry: &Entry, account: Option<&str>) -> bool {
    let Some(account) = account else { return true };
    let shared = entry.manifest.get("acl").and_then(Value::as_array);
    let shared = shared.is_some_and(|acl| acl.iter().any(|to| to.as_str() == Some(account)));
    entry.text("owner") == account
        || (entry.text("state") == "active" && (is_public(entry) || shared))
}

fn has_fields(entry: &Entry, asked: &Asked) -> bool {
    asked.0.iter().filter(|(_, wanted)| !wanted.is_empty()).all(|(key, wanted)| {
        match key.as_str() {
            "type" => match wanted.strip_prefix('!') {
                Some(other) => entry.text(key) != other,
                None => is_like(entry.manifest.get(key), wanted),
            },
            "owner" | "name" | "version" | "os" | "uuid" | "origin" => {
                is_like(entry.manifest.get(key), wanted)
            }
            "billing_tag" => {
                let tags = entry.manifest.get("billing_tags").and_then(Value::as_array);
                let has = |wanted: &str| {
                    tags.is_some_and(|tags| tags.iter().any(|tag| tag.as_str() == Some(wanted)))
                };
                asked.all("billing_tag").all(has)
            }
            key => match key.strip_prefix("tag.") {
                Some(tag) => {
                    let actual = entry.manifest.get("tags").and_then(|tags| tags.get(tag));
                    actual.is_some() && is_like(actual, wanted)
                }
                // Paging, channels, and what other servers know.
                None => true,
            },
        }
    })
}

/// Whether a value is the one wanted, or with `~` before it holds it.
fn is_like(actual: Option<&Value>, wanted: &str) -> bool {
    let actual = match actual {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    match wanted.strip_prefix('~') {
        Some(part) => actual.contains(part),
        None => actual == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(n: u32, more: Value) -> Arc<Entry> {
        let uuid = format!("1a00000{n}-0000-4000-8000-000000000001");
        let mut manifest = json!({
            "uuid": uuid, "name": format!("image-{n}"), "version": "1.0.0", "state": "active",
            "public": true, "owner": "o", "published_at": format!("2020-01-0{n}T00:00:00Z")
        });
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Arc::new(Entry { uuid, manifest, manifest_path: "m".into(), file: None })
    }

    fn list(query: &str, channel: Option<&str>, trusted: bool) -> Result<String, Refusal> {
        let all = vec![
            entry(1, json!({"os": "linux", "type": "zvol", "tags": {"role": "db", "n": 1}})),
            entry(2, json!({"state": "disabled"})),
            entry(3, json!({"public": false, "owner": "a", "billing_tags": ["x", "y"]})),
            entry(4, json!({"state": "unactivated", "channels": ["dev"]})),
            entry(5, json!({"channels": ["dev", "release"], "acl": ["b"], "public": false})),
        ];
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let asked = Asked(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
        let chosen = select(all, &asked, channel, trusted)?;
        Ok(chosen.iter().map(|entry| entry.uuid[7..8].to_owned()).collect())
    }

    #[test]
    fn images_are_chosen_by_their_fields() {
        for (query, expected) in [
            ("", "135"),
            ("name=image-3", "3"),
            ("name=~age-", "135"),
            ("version=~1.0&os=linux", "1"),
            ("type=zvol", "1"),
            ("type=!zvol", "35"),
            ("type=!lx-dataset", "135"),
            // Of the others none is excluded so: it is what they may be.
            ("os=!linux", ""),
            ("name=!image-1", ""),
            ("tag.role=db", "1"),
            ("tag.role=~d&tag.n=1", "1"),
            ("tag.nosuch=~", ""),
            ("public=true", "1"),
            ("public=false", "35"),
            ("owner=a", "3"),
            ("account=a", "13"),
            ("account=b", "15"),
            ("billing_tag=x&billing_tag=y", "3"),
            ("billing_tag=x&billing_tag=z", ""),
            ("limit=2", "13"),
            ("limit=0", "135"),
            ("sort=published_at.desc&limit=2", "53"),
            ("marker=1a000003-0000-4000-8000-000000000001", "35"),
            ("marker=2020-01-03", "35"),
            ("marker=2020-01-03T00:00:00.001Z", "5"),
            ("unknown=1", "135"),
        ] {
            assert_eq!(list(query, None, false).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn only_those_with_the_token_see_what_is_not_active() {
        for (state, open, trusted) in [
            ("active", "135", "135"),
            ("all", "135", "12345"),
            ("disabled", "", "2"),
            ("unactivated", "", "4"),
            ("failed", "", ""),
        ] {
            let query = format!("state={state}");
            assert_eq!(list(&query, None, false).unwrap(), open, "{state}");
            assert_eq!(list(&query, None, true).unwrap(), trusted, "{state}");
        }
    }

    #[test]
    fn a_channel_has_its_images_and_those_of_all() {
        assert_eq!(list("", Some("dev"), false).unwrap(), "135");
        assert_eq!(list("", Some("release"), false).unwrap(), "135");
        assert_eq!(list("", Some("other"), false).unwrap(), "13");
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for query in [
            "state=nosuch",
            "limit=x",
            "limit=-1",
            "public=maybe",
            "sort=name",
            "marker=yesterday",
            "marker=1affffff-0000-4000-8000-000000000001",
        ] {
            assert!(list(query, None, true).is_err(), "{query}");
        }
    }
}
