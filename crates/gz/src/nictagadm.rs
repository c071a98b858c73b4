//! nictagadm(8): the names of physical networks that NICs are put on.

use crate::root::Root;
use crate::tool::Result;

const NICTAGADM: &str = "/usr/bin/nictagadm";

/// One nic tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicTag {
    pub name: String,
    /// The link it is on; `-` for an etherstub.
    pub link: String,
    /// `normal`, `aggr`, `etherstub`, `overlay rule`.
    pub kind: String,
}

/// `nictagadm list -p`: every nic tag.
pub fn list(root: &Root) -> Result<Vec<NicTag>> {
    let text = root.tool(NICTAGADM).args(["list", "-p", "-d", ","]).text()?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(',');
            let name = fields.next()?.to_owned();
            let link = fields.nth(1)?.to_owned();
            let kind = fields.next().unwrap_or("normal").to_owned();
            Some(NicTag { name, link, kind })
        })
        .collect())
}

/// The nic tags of `names` that do not exist (`nictagadm exists -l`).
pub fn missing(root: &Root, names: &[&str]) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let tool = root.tool(NICTAGADM).args(["exists", "-l"]).args(names);
    let command = tool.display();
    let output = tool.output()?;
    let listed: Vec<String> =
        output.error_text().lines().map(|line| line.trim().to_owned()).collect();
    let known: Vec<String> =
        listed.into_iter().filter(|line| names.contains(&line.as_str())).collect();
    if output.success() || !known.is_empty() {
        return Ok(known);
    }
    Err(crate::Error::Failed { command, status: output.status, stderr: output.error_text() })
}
