//! What every command works with: the root, the configuration, the sources.

use gz::Root;

use crate::config::{Config, SourceInfo};
use crate::errors::Result;
use crate::out::warn;
use crate::sources::Source;

/// The version of SmartOS's imgadm whose behaviour this program has; scripts compare it.
pub const COMPATIBLE_VERSION: &str = "3.9.5";

/// One run of the program.
pub struct App {
    pub root: Root,
    pub config: Config,
}

impl App {
    pub fn new(root: Root) -> Result<Self> {
        let config = Config::load(&root)?;
        for notice in &config.notices {
            warn(format_args!("imgadm: {notice}"));
        }
        Ok(Self { root, config })
    }

    /// How this program introduces itself to servers.
    pub fn user_agent(&self) -> Result<String> {
        let extra = self.config.user_agent_extra()?.map(|extra| format!(" {extra}"));
        Ok(format!(
            "imgadm/{COMPATIBLE_VERSION} (zonekit/{}){}",
            env!("CARGO_PKG_VERSION"),
            extra.unwrap_or_default()
        ))
    }

    /// A source ready to be asked.
    pub fn source(&self, info: SourceInfo) -> Result<Source> {
        Source::new(info, &self.user_agent()?, self.config.docker_skips_uuids())
    }

    /// The configured sources, each set to `channel` where one is given.
    pub fn sources(&self, channel: Option<&str>) -> Result<Vec<Source>> {
        self.config
            .sources()?
            .into_iter()
            .map(|mut info| {
                if channel.is_some() {
                    info.channel = channel.map(str::to_owned);
                }
                self.source(info)
            })
            .collect()
    }
}
