//! Looking for an image in several sources.

use crate::errors::{Error, Result};
use crate::out::warn;
use crate::sources::{Found, Source};

/// The first source that has an image, and what it says of it. A source that fails is passed over: where another has
/// the image, or all the others say they have not, that is the answer, and the failure is told on standard error.
/// Only where every source that could be asked fails is that the error; those that know no such names are not asked.
/// An image that is there but cannot be imported is a failure in any case.
pub fn find<'a>(
    sources: &'a [Source],
    argument: &str,
    only_active: bool,
) -> Result<Option<(&'a Source, Found)>> {
    if sources.is_empty() {
        return Err(Error::no_sources());
    }
    let mut failures = Vec::new();
    let mut answered = false;
    for source in sources {
        match source.find(argument, only_active) {
            Ok(Some(found)) => return Ok(Some((source, found))),
            Ok(None) => answered |= source.knows(argument),
            Err(error) if error.code() == "InvalidManifest" => return Err(error),
            Err(error) => failures.push((source, error)),
        }
    }
    let is_there = failures.iter().any(|(_, error)| error.code() == "InvalidDockerInfo");
    if !failures.is_empty() && (is_there || !answered) {
        return Err(Error::multiple(failures.into_iter().map(|(_, error)| error).collect()));
    }
    for (source, error) in failures {
        warn(format_args!("imgadm: warning: {} failed: {error}", source.info));
    }
    Ok(None)
}
