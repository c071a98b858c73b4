//! vmadmd, SmartOS's service that puts the screens of its virtual machines on TCP. It knows what nobody else does: the
//! ports that it listens on.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::root::Root;

/// Where it takes requests.
const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 8080);
/// The file that it makes when it starts.
const MARK: &str = "/tmp/.autoboot_vmadmd";
/// How long it may take to take a request, and to answer it.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const ANSWER_MAX: u64 = 1 << 20;

/// Whether this system has it.
pub fn is_there(root: &Root) -> bool {
    root.path(MARK).exists()
}

/// What it says of the screen of a VM (`vnc` or `spice`): host, port, display, password. `None` where it does not run.
pub fn screen(root: &Root, uuid: &str, kind: &str) -> Option<Value> {
    if !is_there(root) {
        return None;
    }
    let answer = request(ADDRESS.into(), "GET", &format!("/vm/{uuid}/info?types={kind}"));
    let answer = answer.inspect_err(|error| log::info!("vmadmd does not answer: {error}")).ok()?;
    serde_json::from_str::<Value>(&answer).ok()?.get_mut(kind).map(Value::take)
}

/// Has it look at the password and port of a VM's screen again.
pub fn reload_display(root: &Root, uuid: &str) -> io::Result<()> {
    if !is_there(root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    request(ADDRESS.into(), "POST", &format!("/vm/{uuid}?action=reload_display")).map(drop)
}

/// One request of HTTP/1.0, with what is asked for in its path; gives the body of the answer.
fn request(address: SocketAddr, method: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match answer.split_once("\r\n\r\n") {
        Some((_, body)) if status.starts_with('2') => Ok(body.to_owned()),
        _ => {
            Err(io::Error::other(format!("it answers \"{}\"", answer.lines().next().unwrap_or(""))))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_request_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            [
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
                "HTTP/1.1 500 x\r\n\r\n",
            ]
            .map(|answer| {
                let mut stream = listener.accept().unwrap().0;
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(request).unwrap()
            })
        });
        assert_eq!(request(address, "POST", "/vm/u?action=x").unwrap(), "{}");
        let error = request(address, "GET", "/vm/u/info").unwrap_err();
        assert!(error.to_string().contains("500"), "{error}");
        assert!(server.join().unwrap()[0].starts_with("POST /vm/u?action=x HTTP/1.0\r\n"));
    }

    #[test]
    fn a_system_without_it_is_not_asked() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path());
        assert_eq!(screen(&root, "u", "vnc"), None);
        assert!(reload_display(&root, "u").is_err());
    }
}
