//! Bookmarks: names for what a snapshot was, to send increments from.

use super::Zfs;
use super::error::{Code, Error, Result};
use super::names::{self, Want};
use super::state::Bookmark;

impl Zfs {
    /// Makes `dataset#name` of a snapshot of the same dataset.
    pub fn bookmark(&mut self, snap: &str, name: &str) -> Result<()> {
        let action = format!("create bookmark '{name}'");
        names::check_for(&action, name, Want::Bookmark)?;
        let fail = |code, why: &str| Err(Error::cannot(code, &action, why));
        let Some((_, source)) = self.state.snap(snap) else {
            return fail(Code::NotFound, "dataset does not exist");
        };
        let (ds, mark) = name.split_once('#').unwrap_or((name, ""));
        if snap.split('@').next() != Some(ds) {
            return fail(Code::Refused, "bookmark is in a different pool");
        }
        if self.exists(name) {
            return fail(Code::Exists, "bookmark exists");
        }
        let bookmark = Bookmark {
            name: mark.to_owned(),
            guid: source.guid,
            createtxg: source.createtxg,
            creation: source.creation,
        };
        if let Some(ds) = self.state.datasets.get_mut(ds) {
            ds.bookmarks.push(bookmark);
        }
        Ok(())
    }

    /// Destroys a bookmark.
    pub fn destroy_bookmark(&mut self, name: &str) -> Result<()> {
        if !self.exists(name) {
            return Err(Error::cannot(
                Code::NotFound,
                "bookmark",
                format_args!("'{name}' does not exist."),
            ));
        }
        let (ds, mark) = name.split_once('#').unwrap_or((name, ""));
        if let Some(ds) = self.state.datasets.get_mut(ds) {
            ds.bookmarks.retain(|b| b.name != mark);
        }
        Ok(())
    }
}
