//! A proxy: forwards requests that name a server, and makes tunnels.

use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::{Request, read_request};

pub struct Proxy {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Proxy {
    /// With `refuse`, everything is answered with 403.
    pub fn new(refuse: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || pass(stream, refuse, &seen));
            }
        });
        Self { port, requests }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far, and none of them the next time.
    pub fn taken(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn pass(mut client: TcpStream, refuse: bool, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let request = read_request(&mut reader)?;
    seen.lock().unwrap().push(request.clone());
    if refuse {
        client.write_all(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n").ok()?;
        return None;
    }
    if request.method == "CONNECT" {
        let mut server = TcpStream::connect(&request.path).ok()?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
        let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        std::io::copy(&mut server, &mut client).ok()?;
        return client.shutdown(Shutdown::Write).ok();
    }
    let Some(rest) = request.path.strip_prefix("http://") else {
        return client.write_all(b"HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n").ok();
    };
    let (host, path) = rest.split_once('/')?;
    let mut server = TcpStream::connect(host).ok()?;
    let mut head = format!("{} /{path} HTTP/1.1\r\n", request.method);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    server.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    std::io::copy(&mut server, &mut client).ok()?;
    Some(())
}
