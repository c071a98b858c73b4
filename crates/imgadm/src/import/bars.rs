//! Progress bars, one an image, on a terminal only.

use std::io::{IsTerminal, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::errors::Result;
use crate::out::say;
use crate::sources::Image;

/// The bars of one import, by the images' places; nothing at all where standard error is no terminal.
#[derive(Clone)]
pub struct Bars {
    all: Option<MultiProgress>,
    bars: Vec<ProgressBar>,
}

impl Bars {
    pub fn new(images: &[Image], quiet: bool) -> Self {
        Self::with(images.iter().map(|image| (image.uuid.clone(), image.size)), quiet)
    }

    /// A bar for each name, with its size in bytes where that is known.
    pub fn with(items: impl Iterator<Item = (String, Option<u64>)>, quiet: bool) -> Self {
        if quiet || !stderr().is_terminal() {
            return Self { all: None, bars: Vec::new() };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let bars = items
            .map(|(name, size)| {
                let bar = ProgressBar::new(size.unwrap_or(0)).with_style(style(size.is_some()));
                all.add(bar.with_message(name))
            })
            .collect();
        Self { all: Some(all), bars }
    }

    pub fn set(&self, place: usize, bytes: u64) {
        if let Some(bar) = self.bars.get(place)
            && !bar.is_finished()
        {
            bar.set_position(bytes);
        }
    }

    pub fn finish(&self, place: usize) {
        if let Some(bar) = self.bars.get(place) {
            bar.finish_and_clear();
        }
    }

    /// Prints a line on standard output, above the bars where there are any.
    pub fn print(&self, line: &str) -> Result<()> {
        match &self.all {
            Some(all) => all.suspend(|| say(line)),
            None => say(line),
        }
    }
}

fn style(sized: bool) -> ProgressStyle {
    let template = if sized {
        "{msg:36} [{bar:20}] {bytes:>11} of {total_bytes:>11} {bytes_per_sec:>13} {eta:>5}"
    } else {
        "{msg:36} {spinner} {bytes:>11} {bytes_per_sec:>13}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
