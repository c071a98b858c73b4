//! Resume tokens: `1-CHECKSUM-LENGTH-PAYLOAD`, the payload being a zlib-compressed XDR nvlist.

use super::state::Partial;

/// The token of a receive that was cut off. The form is that of illumos; the payload is our own and only our `send -t` reads it.
pub fn make(partial: &Partial) -> String {
    let mut payload = format!(
        "{:016x}{:016x}{:016x}{:016x}",
        partial.toguid, partial.object, partial.offset, partial.bytes
    );
    for byte in partial.toname.bytes() {
        payload.push_str(&format!("{byte:02x}"));
    }
    let check = payload.bytes().fold(0u64, |sum, b| sum.rotate_left(5) ^ u64::from(b));
    format!("1-{:x}-{:x}-{payload}", check & 0xff_ffff_ffff, payload.len())
}
