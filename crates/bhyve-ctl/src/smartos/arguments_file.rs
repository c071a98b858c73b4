//! The file in which SmartOS's bhyve brand leaves bhyve its arguments: a name-value list (libnvpair) in XDR form.

use crate::refusal::{Result, refuse};

/// The file, as its zone sees it. It is there while the zone runs.
pub const PATH: &str = "/var/run/bhyve/zhyve.cmd";

/// The name under which the list has the arguments, and its type: an array of strings.
const NAME: &str = "bhyve_args";
const STRING_ARRAY: u32 = 17;
/// Encoding XDR; the byte after it is the byte order of who wrote it.
const XDR: u8 = 1;

/// The arguments in such a file, the program's name first.
///
/// # Errors
/// The file is damaged, or holds something else.
pub fn parse(bytes: &[u8]) -> Result<Vec<String>> {
    match arguments(bytes) {
        Some(arguments) => Ok(arguments),
        None => refuse!("{PATH} does not hold the arguments of bhyve"),
    }
}

fn arguments(bytes: &[u8]) -> Option<Vec<String>> {
    let (header, mut list) = bytes.split_at_checked(4)?;
    if header[0] != XDR {
        return None;
    }
    // Version and flags.
    take(&mut list, 8)?;
    loop {
        let size = number(&mut list)? as usize;
        let _size_in_memory = number(&mut list)?;
        // A pair without a size ends the list.
        let mut pair = take(&mut list, size.checked_sub(8)?)?;
        let name = text(&mut pair)?;
        let (kind, count) = (number(&mut pair)?, number(&mut pair)?);
        if name == NAME && kind == STRING_ARRAY {
            return (0..count).map(|_| text(&mut pair)).collect();
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes, 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Length and bytes, padded to a multiple of four.
fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = number(bytes)? as usize;
    let padded = take(bytes, length.checked_next_multiple_of(4)?)?;
    String::from_utf8(padded[..length].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `nvlist_pack` writes it.
    fn file(name: &str, arguments: &[&str]) -> Vec<u8> {
        let put = |out: &mut Vec<u8>, text: &str| {
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        };
        let mut pair = Vec::new();
        put(&mut pair, name);
        pair.extend(STRING_ARRAY.to_be_bytes());
        pair.extend((arguments.len() as u32).to_be_bytes());
        for argument in arguments {
            put(&mut pair, argument);
        }
        let mut out = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        out.extend((pair.len() as u32 + 8).to_be_bytes());
        out.extend([0, 0, 1, 0]);
        out.extend(pair);
        out.extend([0; 8]);
        out
    }

    #[test]
    fn arguments_are_read() {
        let read = parse(&file(NAME, &["bhyve", "-H", "", "SYSbhyve-1"])).expect("whole");
        assert_eq!(read, ["bhyve", "-H", "", "SYSbhyve-1"]);
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = file(NAME, &["bhyve", "-H"]);
        for length in 0..whole.len() - 8 {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        assert!(parse(&file("other", &[])).is_err());
        let mut endless = whole;
        endless[40..44].copy_from_slice(&[0xff; 4]);
        assert!(parse(&endless).is_err());
    }
}
