//! Looking for an image in several sources.

use crate::errors::{Error, Result};
use crate::out::warn;
use crate::sources::{Found, Source};

/// The first source that has an image, and what it says of it. A source that fails is passed over: where another has
/// the image, or all the others say they have not, that is the answer, and the failure is told on standard error.
/// Only where every source that could be asked fails is that the error.
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
            Ok(None) => answered = true,
            Err(error) if error.code() == "InvalidManifest" => return Err(error),
            Err(error) => failures.push((source, error)),
        }
    }
    if !answered {
        return Err(Error::multiple(failures.into_iter().map(|(_, error)| error).collect()));
    }
    for (source, error) in failures {
        warn(format_args!("imgadm: warning: {} was not asked: {error}", source.info));
    }
    Ok(None)
}
