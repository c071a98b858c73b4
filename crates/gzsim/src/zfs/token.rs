//! Resume tokens: `1-CHECKSUM-LENGTH-PAYLOAD` in hexadecimal. The payload is a packed name-value list behind zlib, the
//! checksum the first word of its fletcher-4, the length that of the list (`get_receive_resume_token_impl` in
//! illumos's and OpenZFS's `dsl_dataset.c`).

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::state::Partial;
use super::stream::fletcher::Fletcher4;
use super::stream::nvlist::{List, Value};
use super::stream::record::{
    FEATURE_COMPRESSED, FEATURE_EMBED_DATA, FEATURE_LARGE_BLOCKS, FEATURE_RAW,
};

/// No list of a token is longer; what says so is damaged.
const MAX_LENGTH: u64 = 1 << 16;

/// What the stream may contain, as the token tells it.
const FLAGS: [(&str, u64); 4] = [
    ("largeblockok", FEATURE_LARGE_BLOCKS),
    ("embedok", FEATURE_EMBED_DATA),
    ("compressok", FEATURE_COMPRESSED),
    ("rawok", FEATURE_RAW),
];

/// The token of a receive that was cut off.
pub fn make(partial: &Partial) -> String {
    let packed = list(partial).pack_native();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(&packed).and_then(|()| encoder.finish());
    let compressed = compressed.expect("memory can be written to");
    let mut token = format!("1-{:x}-{:x}-", checksum(&compressed), packed.len());
    for byte in compressed {
        let _ = write!(token, "{byte:02x}");
    }
    token
}

/// What a token tells, in the system's order.
pub fn list(partial: &Partial) -> List {
    let mut list = List::default();
    let mut number = |name: &str, n| list.put(name, Value::Number(n));
    if partial.fromguid != 0 {
        number("fromguid", partial.fromguid);
    }
    number("object", partial.object);
    number("offset", partial.offset);
    number("bytes", partial.bytes);
    number("toguid", partial.toguid);
    list.put("toname", Value::Text(partial.toname.clone()));
    for (name, feature) in FLAGS {
        if partial.features & feature != 0 {
            list.put(name, Value::Flag);
        }
    }
    list
}

/// The whole words of the text count.
fn checksum(compressed: &[u8]) -> u64 {
    let mut sum = Fletcher4::default();
    sum.update(compressed, false);
    sum.0[0]
}

/// What a token tells, or what is wrong with it, in the words of `zfs_send_resume_token_to_nvlist`.
pub fn read(text: &str) -> Result<Partial, String> {
    let corrupt = |why: &str| format!("resume token is corrupt ({why})");
    let (version, check, length) = head(text).ok_or_else(|| corrupt("invalid format"))?;
    if version != 1 {
        return Err(corrupt(&format!("invalid version {version}")));
    }
    let digits = text.rsplit('-').next().unwrap_or_default();
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let whole = digits.len() & !1;
    let compressed: Option<Vec<u8>> = (0..whole).step_by(2).map(byte).collect();
    let compressed = compressed.ok_or_else(|| corrupt("payload is not hex-encoded"))?;
    if checksum(&compressed) != check {
        return Err(corrupt("incorrect checksum"));
    }
    let mut packed = Vec::new();
    let limit = length.min(MAX_LENGTH) + 1;
    let unpacked = ZlibDecoder::new(compressed.as_slice()).take(limit).read_to_end(&mut packed);
    if unpacked.is_err() || packed.len() as u64 != length {
        return Err(corrupt("decompression failed"));
    }
    let list = List::unpack(&packed).ok_or_else(|| corrupt("nvlist_unpack failed"))?;
    partial(&list).ok_or_else(|| "resume token is corrupt".to_owned())
}

/// Version, checksum and length at the front of a token.
fn head(text: &str) -> Option<(u32, u64, u64)> {
    let mut parts = text.splitn(4, '-');
    let version = parts.next()?.parse().ok()?;
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    Some((version, number()?, number()?))
}

/// What a list tells, if it has all that a send needs.
fn partial(list: &List) -> Option<Partial> {
    let number = |name: &str| match list.get(name) {
        Some(Value::Number(n)) => Some(*n),
        _ => None,
    };
    let Some(Value::Text(toname)) = list.get("toname") else { return None };
    let features = FLAGS.iter().filter(|(name, _)| list.has(name));
    Some(Partial {
        id: 0,
        toguid: number("toguid")?,
        fromguid: number("fromguid").unwrap_or(0),
        toname: toname.clone(),
        bytes: number("bytes")?,
        object: number("object")?,
        offset: number("offset")?,
        features: features.fold(0, |all, (_, feature)| all | feature),
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
            features: FEATURE_COMPRESSED | FEATURE_EMBED_DATA,
        };
        let token = make(&partial);
        let back = read(&token).unwrap();
        assert_eq!((back.toguid, back.bytes), (u64::MAX, 4096));
        assert_eq!((back.toname, back.features), (partial.toname, partial.features));
        let wrong = |text: &str| read(text).unwrap_err();
        let corrupt = |why: &str| format!("resume token is corrupt ({why})");
        for text in ["", "1", "1-2", "x-1-1-", "1-1-g-00"] {
            assert_eq!(wrong(text), corrupt("invalid format"), "{text}");
        }
        assert_eq!(wrong("2-1-1-00"), corrupt("invalid version 2"));
        assert_eq!(wrong("1-1-1-zz"), corrupt("payload is not hex-encoded"));
        assert_eq!(wrong(&token[..token.len() - 8]), corrupt("incorrect checksum"));
        assert_eq!(wrong("1-0-8-"), corrupt("decompression failed"));
    }
}
