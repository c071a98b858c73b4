//! Name-value lists in their XDR form (libnvpair), as far as send streams and bhyve's arguments use them, and in the
//! native form of a little-endian 64-bit host, as far as resume tokens do.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Present, no value.
    Flag,
    Number(u64),
    Text(String),
    Texts(Vec<String>),
    List(List),
    /// A type that streams do not use, on reading; dropped.
    Other,
}

/// Names with values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(pub Vec<(String, Value)>);

const BOOLEAN: u32 = 1;
const UINT64: u32 = 8;
const STRING: u32 = 9;
const STRING_ARRAY: u32 = 17;
const NVLIST: u32 = 19;
/// XDR encoding, little-endian host.
const HEADER: [u8; 4] = [1, 1, 0, 0];
/// Native encoding, little-endian host.
const NATIVE: [u8; 4] = [0, 1, 0, 0];
/// Bytes before a pair's name in the native form.
const NATIVE_PAIR: usize = 16;
const UNIQUE_NAME: u32 = 1;
/// Deeper nesting than streams have; a damaged list must not exhaust the stack.
const MAX_DEPTH: usize = 16;

impl List {
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn list(&self, name: &str) -> Option<&List> {
        match self.get(name) {
            Some(Value::List(l)) => Some(l),
            _ => None,
        }
    }

    pub fn put(&mut self, name: impl Into<String>, value: Value) {
        self.0.push((name.into(), value));
    }

    /// Reads a packed list; `None` if it is malformed.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(HEADER.len())?;
        match (head[0], head[1]) {
            (xdr, _) if xdr == HEADER[0] => Input { bytes: body }.list(0),
            (native, little) if [native, little] == NATIVE[..2] => Input { bytes: body }.native(),
            _ => None,
        }
    }

    /// The packed list, as `nvlist_pack` with `NV_ENCODE_NATIVE` makes it. Only flags, numbers and texts are packed.
    pub fn pack_native(&self) -> Vec<u8> {
        let mut out = NATIVE.to_vec();
        out.extend_from_slice(&0u32.to_le_bytes()); // version
        out.extend_from_slice(&UNIQUE_NAME.to_le_bytes());
        for (name, value) in &self.0 {
            let (kind, count, bytes) = match value {
                Value::Flag => (BOOLEAN, 0u32, Vec::new()),
                Value::Number(n) => (UINT64, 1, n.to_le_bytes().to_vec()),
                Value::Text(text) => (STRING, 1, [text.as_bytes(), &[0]].concat()),
                _ => continue,
            };
            let begin = out.len();
            out.extend_from_slice(&[0; 4]); // the size of the pair, below
            out.extend_from_slice(&(name.len() as u16 + 1).to_le_bytes());
            out.extend_from_slice(&[0; 2]);
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&kind.to_le_bytes());
            for part in [[name.as_bytes(), &[0]].concat(), bytes] {
                out.extend_from_slice(&part);
                out.resize(begin + (out.len() - begin).next_multiple_of(8), 0);
            }
            let size = (out.len() - begin) as u32;
            out[begin..begin + 4].copy_from_slice(&size.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        out
    }

    /// The packed list, as `nvlist_pack` with `NV_ENCODE_XDR` makes it.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_u32(out, 0); // version
        put_u32(out, UNIQUE_NAME);
        for (name, value) in &self.0 {
            let mut body = Vec::new();
            put_text(&mut body, name);
            let (kind, count, size) = match value {
                Value::Flag => (BOOLEAN, 0, 0),
                Value::Number(_) => (UINT64, 1, 8),
                Value::Text(t) => (STRING, 1, (t.len() + 1).next_multiple_of(8)),
                Value::Texts(texts) => {
                    let bytes: usize = texts.iter().map(|text| text.len() + 1).sum();
                    (STRING_ARRAY, texts.len() as u32, 8 * texts.len() + bytes.next_multiple_of(8))
                }
                Value::List(_) => (NVLIST, 1, 24),
                Value::Other => continue,
            };
            put_u32(&mut body, kind);
            put_u32(&mut body, count);
            match value {
                Value::Number(n) => body.extend_from_slice(&n.to_be_bytes()),
                Value::Text(t) => put_text(&mut body, t),
                Value::Texts(texts) => texts.iter().for_each(|text| put_text(&mut body, text)),
                Value::List(l) => l.write(&mut body),
                Value::Flag | Value::Other => {}
            }
            // the size of the pair in the memory of a 64-bit host
            let decoded = (16 + name.len() + 1).next_multiple_of(8) + size;
            put_u32(out, body.len() as u32 + 8);
            put_u32(out, decoded as u32);
            out.extend_from_slice(&body);
        }
        out.extend_from_slice(&[0; 8]);
    }
}

fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u32(out, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(n)?;
        self.bytes = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A list in the native form, without lists in it.
    fn native(&mut self) -> Option<List> {
        let _version_and_flags = self.take(8)?;
        let mut list = List::default();
        loop {
            let size = self.take(4)?.try_into().ok().map(u32::from_le_bytes)? as usize;
            if size == 0 {
                return Some(list);
            }
            let rest = self.take(size.checked_sub(4)?)?;
            let half = |at: usize| Some(u16::from_le_bytes(rest.get(at..at + 2)?.try_into().ok()?));
            let kind = u32::from_le_bytes(rest.get(8..12)?.try_into().ok()?);
            let (name_len, head) = (usize::from(half(0)?), NATIVE_PAIR - 4);
            let name = rest.get(head..head + name_len)?.strip_suffix(&[0])?;
            let value = rest.get((NATIVE_PAIR + name_len).next_multiple_of(8) - 4..)?;
            let value = match kind {
                BOOLEAN => Value::Flag,
                UINT64 => Value::Number(u64::from_le_bytes(value.get(..8)?.try_into().ok()?)),
                STRING => {
                    let end = value.iter().position(|byte| *byte == 0)?;
                    Value::Text(String::from_utf8(value[..end].to_vec()).ok()?)
                }
                _ => Value::Other,
            };
            list.put(String::from_utf8(name.to_vec()).ok()?, value);
        }
    }

    fn text(&mut self) -> Option<String> {
        let len = self.u32()? as usize;
        let text = self.take(len)?;
        self.take(len.checked_next_multiple_of(4)? - len)?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn list(&mut self, depth: usize) -> Option<List> {
        if depth > MAX_DEPTH {
            return None;
        }
        let _version = self.u32()?;
        let _flags = self.u32()?;
        let mut list = List::default();
        loop {
            let before = self.bytes.len();
            let encoded = self.u32()? as usize;
            let decoded = self.u32()?;
            if encoded == 0 && decoded == 0 {
                return Some(list);
            }
            let name = self.text()?;
            let kind = self.u32()?;
            let _count = self.u32()?;
            let value = match kind {
                BOOLEAN => Value::Flag,
                UINT64 => Value::Number(self.take(8)?.try_into().ok().map(u64::from_be_bytes)?),
                STRING => Value::Text(self.text()?),
                NVLIST => Value::List(self.list(depth + 1)?),
                _ => Value::Other,
            };
            let used = before - self.bytes.len();
            self.take(encoded.checked_sub(used)?)?;
            list.put(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_back() {
        let mut inner = List::default();
        inner.put("name", Value::Text("zones/a".into()));
        inner.put("guid", Value::Number(u64::MAX));
        let mut list = List::default();
        list.put("not_recursive", Value::Flag);
        list.put("tosnap", Value::Text("final".into()));
        list.put("fss", Value::List(inner));
        let packed = list.pack();
        assert_eq!(List::unpack(&packed), Some(list));
        for len in 0..packed.len() {
            assert_eq!(List::unpack(&packed[..len]), None, "{len}");
        }
    }

    #[test]
    fn native_lists_are_read_back() {
        let mut list = List::default();
        list.put("object", Value::Number(0x0102_0304_0506_0708));
        list.put("toname", Value::Text("zones/a@b".into()));
        list.put("embedok", Value::Flag);
        let packed = list.pack_native();
        assert_eq!(packed[12..16], [32, 0, 0, 0], "a pair of 16 + 8 + 8 bytes");
        assert_eq!(packed[28..44], *b"object\0\0\x08\x07\x06\x05\x04\x03\x02\x01");
        assert_eq!(List::unpack(&packed), Some(list));
        for len in 0..packed.len() {
            assert_eq!(List::unpack(&packed[..len]), None, "{len}");
        }
    }

    #[test]
    fn damage_is_noticed_or_harmless() {
        let mut list = List::default();
        list.put("a", Value::Number(1));
        list.put("b", Value::Text("c".into()));
        for packed in [list.pack(), list.pack_native()] {
            for at in 0..packed.len() {
                for bit in 0..8 {
                    let mut bad = packed.clone();
                    bad[at] ^= 1 << bit;
                    let _ = List::unpack(&bad);
                }
            }
        }
    }
}
