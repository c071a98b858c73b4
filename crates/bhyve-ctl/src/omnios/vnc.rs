//! The `vnc` attribute: a list of options, some of them aliases, one of them a secret.

use super::bhyve::ALIASES;
use super::options::plain_alias;

/// What a frame buffer is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vnc {
    /// Options for the command line.
    pub(crate) options: String,
    /// The password, which stays off the command line. It may name a file of the global zone.
    pub(crate) password: Option<String>,
}

/// Options by name, in order. Setting one again keeps its place.
#[derive(Debug, Clone, Default)]
struct OptionList(Vec<(String, String)>);

impl OptionList {
    fn parse(text: &str) -> Self {
        let mut list = Self::default();
        for option in text.split(',') {
            let mut parts = option.split('=');
            let name = parts.next().unwrap_or_default();
            list.set(name, parts.next().unwrap_or_default());
        }
        list
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn join(&self) -> String {
        let option = |(name, value): &(String, String)| {
            format!("{name}={value}").trim_end_matches('=').to_owned()
        };
        self.0.iter().map(option).collect::<Vec<_>>().join(",")
    }
}

/// Takes a `vnc` attribute apart. What an alias stands for goes before everything else; explicit options win.
pub(crate) fn parse(text: &str) -> Vnc {
    let given = OptionList::parse(text);
    let mut options = given.clone();
    let mut password = None;
    for (name, value) in &given.0 {
        if value.is_empty() {
            if let Some(meaning) = plain_alias(ALIASES, "vnc", name) {
                options.remove(name);
                let mut expanded = OptionList::parse(meaning);
                for (name, value) in &options.0 {
                    expanded.set(name, value);
                }
                options = expanded;
            }
        } else if name == "password" {
            password = Some(value.clone());
            options.remove(name);
        }
    }
    Vnc { options: options.join(), password }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_expand_and_the_password_goes() {
        for (text, options, password) in [
            ("on", "unix=/tmp/vm.vnc", None),
            ("on,wait", "unix=/tmp/vm.vnc,wait", None),
            ("wait,on", "unix=/tmp/vm.vnc,wait", None),
            ("on,unix=/x", "unix=/x", None),
            ("on,password=s,w=1", "unix=/tmp/vm.vnc,w=1", Some("s")),
            ("password", "password", None),
            ("", "", None),
        ] {
            let expected = Vnc { options: options.into(), password: password.map(str::to_owned) };
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
