//! Frames of version 2: `V2 LENGTH CRC32 REQUEST-ID CODE [PAYLOAD]`, the payload in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A request or answer of version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Chosen by who asks, repeated in the answer. Hexadecimal digits.
    pub request_id: String,
    /// Command (`GET`) or outcome (`SUCCESS`).
    pub code: String,
    /// Argument or value; empty for none.
    pub payload: Vec<u8>,
}

/// Why a line is no frame. Such lines get no answer: a part of them, the request id too, may be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The parts are not there.
    #[error("the line is no version 2 frame")]
    Shape,
    /// The length is not that of the body.
    #[error("the frame's length is wrong")]
    Length,
    /// The checksum is not that of the body.
    #[error("the frame's checksum is wrong")]
    Checksum,
    /// The payload is no base64 text.
    #[error("the frame's payload is not base64")]
    Payload,
}

impl Frame {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn parse(line: &str) -> Result<Self, FrameError> {
        let rest = line.strip_prefix("V2 ").ok_or(FrameError::Shape)?.trim_start();
        let (length, rest) = rest.split_once(' ').ok_or(FrameError::Shape)?;
        let (checksum, body) = rest.trim_start().split_once(' ').ok_or(FrameError::Shape)?;
        let body = body.trim_start();
        let length: usize = length.parse().map_err(|_| FrameError::Shape)?;
        if length != body.len() {
            return Err(FrameError::Length);
        }
        let checksum = u32::from_str_radix(checksum, 16).map_err(|_| FrameError::Shape)?;
        if checksum != crc32fast::hash(body.as_bytes()) {
            return Err(FrameError::Checksum);
        }
        let mut parts = body.split_ascii_whitespace();
        let request_id = parts.next().filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit()));
        let (Some(request_id), Some(code)) = (request_id, parts.next()) else {
            return Err(FrameError::Shape);
        };
        let payload = match parts.next() {
            Some(text) => STANDARD.decode(text).map_err(|_| FrameError::Payload)?,
            None => Vec::new(),
        };
        Ok(Self { request_id: request_id.to_owned(), code: code.to_owned(), payload })
    }

    /// The line of this frame, its end included.
    pub fn print(&self) -> String {
        let mut body = format!("{} {}", self.request_id, self.code);
        if !self.payload.is_empty() {
            body.push(' ');
            STANDARD.encode_string(&self.payload, &mut body);
        }
        format!("V2 {} {:08x} {body}\n", body.len(), crc32fast::hash(body.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer is the example of the protocol's description, the request was checked with another CRC-32.
    #[test]
    fn published_examples_are_read_and_printed() {
        for (line, code, payload) in [
            ("V2 21 265ae1d8 dc4fae17 SUCCESS W10=\n", "SUCCESS", "[]"),
            ("V2 17 59093510 dc4fae17 GET Zm9v\n", "GET", "foo"),
        ] {
            let frame = Frame {
                request_id: "dc4fae17".into(),
                code: code.into(),
                payload: payload.as_bytes().to_vec(),
            };
            assert_eq!(frame.print(), line);
            assert_eq!(Frame::parse(line.trim_end()), Ok(frame));
        }
    }

    #[test]
    fn damaged_frames_are_told_apart() {
        let frame = Frame { request_id: "1a".into(), code: "GET".into(), payload: b"k".to_vec() };
        let line = frame.print();
        let line = line.trim_end();
        assert_eq!(Frame::parse(&line.replace("GET", "PUT")), Err(FrameError::Checksum));
        assert_eq!(Frame::parse(&format!("{line}x")), Err(FrameError::Length));
        assert_eq!(Frame::parse("V2 1"), Err(FrameError::Shape));
        assert_eq!(Frame::parse("GET x"), Err(FrameError::Shape));
        let body = "1a GET !";
        let line = format!("V2 {} {:08x} {body}", body.len(), crc32fast::hash(body.as_bytes()));
        assert_eq!(Frame::parse(&line), Err(FrameError::Payload));
    }
}
