//! How sources are reached: certificates, redirects between http and https, proxies, encodings, time limits.

mod common;

use std::io::Write;
use std::process::Output;
use std::time::{Duration, Instant};

use common::image::{UUID, answers, manifest, server_of};
use common::proxy::Proxy;
use common::said;
use common::server::{Reply, Request, Server};
use common::tls::Authority;
use common::tools::{Sim, stream};
use serde_json::json;

fn file() -> Vec<u8> {
    stream(200_000, "-", &["final"], 1)
}

fn image() -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    let file = file();
    answers(&manifest(&file, json!({})), move |_| Reply::bytes(&file))
}

fn https(server: &Server) -> String {
    format!("https://127.0.0.1:{}", server.port)
}

/// Imports the image with these variables in the environment.
fn import(sim: &Sim, url: &str, environment: &[(&str, &str)]) -> Output {
    sim.sources(&[url]);
    sim.command(&["import", UUID]).envs(environment.iter().copied()).output().unwrap()
}

fn imported(sim: &Sim, url: &str, environment: &[(&str, &str)]) {
    let output = import(sim, url, environment);
    assert!(output.status.success(), "{url} {environment:?}: {output:?}");
    let (_, stderr) = said(&output);
    assert_eq!(stderr, "", "{url} {environment:?}");
    assert!(sim.imgadm(&["delete", UUID]).status.success());
}

/// The import fails with one line that has these parts, and nothing is left.
fn refused(sim: &Sim, url: &str, environment: &[(&str, &str)], parts: &[&str]) {
    let output = import(sim, url, environment);
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.trim().lines().count(), 1, "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "\"{part}\" is not in: {stderr}");
    }
    assert_eq!(sim.datasets(), ["zones"]);
}

#[test]
fn a_certificate_is_trusted_by_a_file_of_authorities_only() {
    let (sim, own, other) = (Sim::new(), Authority::new(), Authority::new());
    let server = own.server(&["127.0.0.1"], image());
    let url = https(&server);
    let (ca, wrong) = (sim.path("own"), sim.path("other"));
    std::fs::create_dir_all(&ca).unwrap();
    std::fs::create_dir_all(&wrong).unwrap();
    let (ca, wrong) = (own.file(&ca), other.file(&wrong));
    let (ca, wrong) = (ca.to_str().unwrap(), wrong.to_str().unwrap());
    imported(&sim, &url, &[("IMGADM_CA_FILE", ca)]);
    imported(&sim, &url, &[("SSL_CERT_FILE", ca)]);
    imported(&sim, &url, &[("IMGADM_CA_FILE", ca), ("SSL_CERT_FILE", wrong)]);
    let untrusted = ["error (CERT_UNTRUSTED)", "certificate", "IMGADM_CA_FILE"];
    refused(&sim, &url, &[], &untrusted);
    refused(&sim, &url, &[("IMGADM_CA_FILE", wrong)], &untrusted);
    refused(&sim, &url, &[("IMGADM_CA_FILE", "/nonexistent")], &["error (ConfigError)"]);
    let empty = sim.path("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    refused(&sim, &url, &[("IMGADM_CA_FILE", empty)], &["holds no certificate"]);
    // One of the authority, but for another host.
    let server = own.server(&["images.example.com"], image());
    refused(&sim, &https(&server), &[("IMGADM_CA_FILE", ca)], &["error (CERT_UNTRUSTED)"]);
}

#[test]
fn an_insecure_source_is_not_asked_for_a_good_certificate() {
    let (sim, authority) = (Sim::new(), Authority::new());
    let server = authority.server(&["127.0.0.1"], image());
    let url = https(&server);
    sim.sources(&[]);
    let output = sim.imgadm(&["sources", "-a", &url]);
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    let start = format!(
        "imgadm sources: error (SourcePing): unexpected ping error with \"imgapi\" image source \"{url}\": Error: "
    );
    assert!(stderr.starts_with(&start) && stderr.contains("certificate"), "{stderr}");
    let (stdout, _) = said(&sim.imgadm(&["sources", "-k", "-a", &url]));
    assert_eq!(stdout, format!("Added \"imgapi\" image source \"{url}\" (insecure)\n"));
    let output = sim.imgadm(&["import", UUID]);
    assert!(output.status.success(), "{output:?}");
    assert!(sim.imgadm(&["delete", UUID]).status.success());
    // Without being added so, by the environment.
    imported(&sim, &url, &[("IMGADM_INSECURE", "1")]);
    refused(&sim, &url, &[("IMGADM_INSECURE", "0")], &["error (CERT_UNTRUSTED)"]);
}

#[test]
fn redirects_lead_to_https_but_not_away_from_it() {
    let (sim, authority) = (Sim::new(), Authority::new());
    let ca = authority.file(&sim.path(""));
    let ca = [("IMGADM_CA_FILE", ca.to_str().unwrap())];
    let lead = |to: String| {
        move |request: &Request| {
            Reply { status: 302, ..Reply::default() }
                .header("location", &format!("{to}{}", request.path))
        }
    };
    let good = authority.server(&["127.0.0.1"], image());
    let front = Server::new(lead(https(&good)));
    imported(&sim, &front.url(), &ca);
    refused(&sim, &front.url(), &[], &["error (CERT_UNTRUSTED)"]);
    let plain = Server::new(image());
    let front = authority.server(&["127.0.0.1"], lead(plain.url()));
    refused(&sim, &https(&front), &ca, &["it leads away from https"]);
    assert!(plain.paths().is_empty());
}

#[test]
fn a_plain_server_is_reached_through_a_proxy_that_forwards() {
    let (sim, proxy, server) = (Sim::new(), Proxy::new(false), Server::new(image()));
    let (url, through) = (server.url(), proxy.url());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        imported(&sim, &url, &[(name, &through)]);
        let lines: Vec<String> =
            proxy.taken().iter().map(|r| format!("{} {}", r.method, r.path)).collect();
        let expected = ["", "/file"].map(|end| format!("GET {url}/images/{UUID}{end}"));
        assert_eq!(lines, expected, "{name}");
    }
    // The proxy of the other scheme is none of ours; hosts may be excepted; a scheme may be missing.
    imported(&sim, &url, &[("https_proxy", &through)]);
    let of_port = format!("127.0.0.1:{}", server.port);
    for list in ["127.0.0.1", "example.com, 127.0.0.1", "*", "127.0.0.0/8", &of_port] {
        imported(&sim, &url, &[("http_proxy", &through), ("no_proxy", list)]);
        imported(&sim, &url, &[("HTTP_PROXY", &through), ("NO_PROXY", list)]);
    }
    assert!(proxy.taken().is_empty());
    imported(&sim, &url, &[("http_proxy", &format!("127.0.0.1:{}", proxy.port))]);
    assert_eq!(proxy.taken().len(), 2);
    let with_password = through.replace("http://", "http://me:p%40ss@");
    imported(&sim, &url, &[("http_proxy", &with_password)]);
    for request in proxy.taken() {
        assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6cEBzcw=="));
    }
    let seen = server.requests.lock().unwrap();
    let host = format!("127.0.0.1:{}", server.port);
    assert!(seen.iter().all(|request| request.header("host") == Some(host.as_str())));
}

#[test]
fn an_https_server_is_reached_through_a_tunnel() {
    let (sim, proxy, authority) = (Sim::new(), Proxy::new(false), Authority::new());
    let server = authority.server(&["127.0.0.1"], image());
    let (url, through) = (https(&server), proxy.url());
    let ca = authority.file(&sim.path(""));
    let ca = ("IMGADM_CA_FILE", ca.to_str().unwrap());
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        imported(&sim, &url, &[ca, (name, &through)]);
        let taken = proxy.taken();
        assert!(!taken.is_empty(), "{name}");
        for request in taken {
            assert_eq!(request.method, "CONNECT");
            assert_eq!(request.path, format!("127.0.0.1:{}", server.port));
        }
    }
    imported(&sim, &url, &[ca, ("https_proxy", &through), ("no_proxy", "127.0.0.1")]);
    imported(&sim, &url, &[ca, ("http_proxy", &through)]);
    assert!(proxy.taken().is_empty());
    refused(&sim, &url, &[("https_proxy", &through)], &["error (CERT_UNTRUSTED)"]);
}

#[test]
fn proxies_that_do_not_serve_are_named() {
    let (sim, refusing, authority) = (Sim::new(), Proxy::new(true), Authority::new());
    let server = authority.server(&["127.0.0.1"], image());
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead_url = format!("http://{dead}");
    let refused_there = format!("connect ECONNREFUSED {dead}");
    refused(&sim, &https(&server), &[("https_proxy", &dead_url)], &[&refused_there]);
    refused(&sim, "http://127.0.0.1:1", &[("http_proxy", &dead_url)], &[&refused_there]);
    let no = ["error (ProxyError)", &refusing.url()];
    refused(&sim, &https(&server), &[("https_proxy", &refusing.url())], &no);
    let socks = [("http_proxy", "socks5://user:secret@127.0.0.1:1")];
    refused(&sim, "http://127.0.0.1:1", &socks, &["error (ConfigError)", "neither http nor https"]);
    let (_, stderr) = said(&import(&sim, "http://127.0.0.1:1", &socks));
    assert!(!stderr.contains("secret"));
}

/// A reply whose body is sent compressed.
fn gzipped(body: &[u8]) -> Reply {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(body).unwrap();
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Reply { headers, ..Reply::bytes(&packer.finish().unwrap()) }.header("content-encoding", "gzip")
}

#[test]
fn answers_may_be_sent_compressed_but_files_are_not() {
    let sim = Sim::new();
    let plain = image();
    let server = Server::new(move |request| {
        let reply = plain(request);
        let takes = request.header("accept-encoding").is_some_and(|list| list.contains("gzip"));
        if takes { gzipped(&reply.body) } else { reply }
    });
    sim.sources(&[&server.url()]);
    let (stdout, _) = said(&sim.imgadm(&["avail", "-H", "-o", "name"]));
    assert_eq!(stdout, "base\n");
    imported(&sim, &server.url(), &[]);
    let requests = server.requests.lock().unwrap();
    for request in requests.iter() {
        let of_file = request.path.ends_with("/file");
        let encoding = request.header("accept-encoding").unwrap_or_default();
        assert_eq!(encoding, if of_file { "identity" } else { "gzip" }, "{}", request.path);
    }
}

#[test]
fn a_compressed_answer_may_not_grow_without_end() {
    let sim = Sim::new();
    let bomb = gzipped(&vec![b' '; 100 << 20]);
    let server = Server::new(move |_| bomb.clone());
    sim.sources(&[&server.url()]);
    for arguments in [&["avail"][..], &["import", UUID][..], &["show", UUID][..]] {
        let (output, peak) = common::measured(&mut sim.command(arguments));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(peak < 64 * 1024, "{arguments:?}: {peak} KiB");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let sim = Sim::new();
    let file = file();
    let silent = |path: &'static str| {
        let file = file.clone();
        let good = server_of(&manifest(&file, json!({})), move |_| Reply::bytes(&file));
        let base = good.url();
        let front = Server::new(move |request| {
            if request.path.ends_with(path) {
                std::thread::sleep(Duration::from_mins(1));
            }
            Reply { status: 302, ..Reply::default() }
                .header("location", &format!("{base}{}", request.path))
        });
        (good, front)
    };
    for path in [UUID, "/file"] {
        let (_good, front) = silent(path);
        let started = Instant::now();
        let environment = [("IMGADM_STALL_TIMEOUT", "1")];
        refused(&sim, &front.url(), &environment, &["error (ETIMEDOUT)"]);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    // Nothing at all is heard from an address of no host.
    let started = Instant::now();
    let environment = [("IMGADM_CONNECT_TIMEOUT", "1")];
    let output = import(&sim, "http://192.0.2.1", &environment);
    assert_eq!(output.status.code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(10));
}
