//! The messages of an import, in an order that does not depend on which download is quickest.

use super::size;
use crate::errors::Result;

/// Takes a line for the operator.
type Say = Box<dyn FnMut(&str) -> Result<()>>;

/// Tells of the images of one import. They are known by their place in the order from the topmost image down; the
/// downloads are told in that order, the installations in the other, each as soon as all before it have been.
pub struct Announcer {
    labels: Vec<(String, String)>,
    downloaded: Vec<Option<u64>>,
    imported: Vec<bool>,
    told_downloads: usize,
    told_imports: usize,
    say: Say,
}

impl Announcer {
    /// `labels` are the UUID and `NAME@VERSION` of each image, topmost first.
    pub fn new(labels: Vec<(String, String)>, say: Say) -> Self {
        let count = labels.len();
        Self {
            labels,
            downloaded: vec![None; count],
            imported: vec![false; count],
            told_downloads: 0,
            told_imports: 0,
            say,
        }
    }

    pub fn downloaded(&mut self, place: usize, bytes: u64) -> Result<()> {
        self.downloaded[place] = Some(bytes);
        self.tell()
    }

    pub fn imported(&mut self, place: usize) -> Result<()> {
        self.imported[place] = true;
        self.tell()
    }

    fn tell(&mut self) -> Result<()> {
        let count = self.labels.len();
        while let Some(Some(bytes)) = self.downloaded.get(self.told_downloads) {
            let uuid = &self.labels[self.told_downloads].0;
            (self.say)(&format!("Downloaded image {uuid} ({})", size::human(*bytes)))?;
            self.told_downloads += 1;
        }
        while self.told_downloads == count && self.told_imports < count {
            let place = count - 1 - self.told_imports;
            if !self.imported[place] {
                return Ok(());
            }
            let (uuid, label) = &self.labels[place];
            (self.say)(&format!("Imported image {uuid} ({label})"))?;
            self.told_imports += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn downloads_are_told_top_down_and_installations_bottom_up() {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let ear = Rc::clone(&heard);
        let labels = vec![("top".into(), "t@1".into()), ("base".into(), "b@1".into())];
        let say = move |line: &str| {
            ear.borrow_mut().push(line.to_owned());
            Ok(())
        };
        let mut announcer = Announcer::new(labels, Box::new(say));
        announcer.downloaded(1, 3102).unwrap();
        announcer.imported(1).unwrap();
        assert!(heard.borrow().is_empty());
        announcer.downloaded(0, 840).unwrap();
        announcer.imported(0).unwrap();
        assert_eq!(
            *heard.borrow(),
            [
                "Downloaded image top (840.0 B)",
                "Downloaded image base (3.0 KiB)",
                "Imported image base (b@1)",
                "Imported image top (t@1)"
            ]
        );
    }
}
