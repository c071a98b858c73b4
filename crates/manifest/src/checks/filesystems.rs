//! Rules for file systems from the host.

use crate::facts::Facts;
use crate::fields::Fields;
use crate::json::Compact;
use crate::payload::Payload;
use crate::refusal::Refusal;

/// Each needs a source, a target and a type, and the source must exist. The original found out too
/// late.
pub(super) fn check(payload: &Payload, facts: &Facts) -> Result<(), Refusal> {
    for filesystem in payload.objects("add_filesystems") {
        for key in ["source", "target", "type"] {
            if !filesystem.truthy(key) {
                return Refusal::rule(format!(
                    "missing .{key} option for filesystem: {}",
                    Compact(filesystem)
                ));
            }
        }
        if let Some(source) =
            filesystem.text("source").filter(|source| facts.absent_sources.contains(*source))
        {
            return Refusal::rule(format!("missing requested filesystem: {source}"));
        }
    }
    Ok(())
}
