//! Resume tokens: `1-CHECKSUM-LENGTH-PAYLOAD`, as on illumos; the payload is our own.

use super::state::Partial;

/// The token of a receive that was cut off.
pub fn make(partial: &Partial) -> String {
    let mut payload = format!(
        "{:016x}{:016x}{:016x}{:016x}{:016x}",
        partial.toguid, partial.fromguid, partial.object, partial.offset, partial.bytes
    );
    for byte in partial.toname.bytes() {
        payload.push_str(&format!("{byte:02x}"));
    }
    format!("1-{:x}-{:x}-{payload}", checksum(&payload), payload.len())
}

fn checksum(payload: &str) -> u64 {
    payload.bytes().fold(0u64, |sum, b| sum.rotate_left(5) ^ u64::from(b)) & 0xff_ffff_ffff
}

/// What a token tells; `None` if it is damaged.
pub fn read(text: &str) -> Option<Partial> {
    let mut parts = text.splitn(4, '-');
    if parts.next()? != "1" {
        return None;
    }
    let check = u64::from_str_radix(parts.next()?, 16).ok()?;
    let len = usize::from_str_radix(parts.next()?, 16).ok()?;
    let payload = parts.next()?;
    if !payload.is_ascii() || payload.len() != len || checksum(payload) != check {
        return None;
    }
    let word = |i: usize| u64::from_str_radix(payload.get(16 * i..16 * (i + 1))?, 16).ok();
    let name = payload.get(16 * 5..)?;
    let bytes: Option<Vec<u8>> = (0..name.len() / 2)
        .map(|i| u8::from_str_radix(name.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    Some(Partial {
        id: 0,
        toguid: word(0)?,
        fromguid: word(1)?,
        object: word(2)?,
        offset: word(3)?,
        bytes: word(4)?,
        toname: String::from_utf8(bytes?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_damage_is_noticed() {
        let partial = Partial {
            id: 0,
            toguid: u64::MAX,
            fromguid: 3,
            toname: "zones/a@final".into(),
            bytes: 4096,
            object: 1,
            offset: 8192,
        };
        let token = make(&partial);
        let back = read(&token).unwrap();
        assert_eq!((back.toguid, back.bytes, back.toname), (u64::MAX, 4096, partial.toname));
        assert!(read(&token.replace('f', "e")).is_none());
        assert!(read("").is_none() && read("1-2-3").is_none());
    }
}
