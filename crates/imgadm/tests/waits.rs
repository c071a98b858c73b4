//! Servers that keep us waiting for an answer: interrupts end the wait at once, and a drip is no answer.

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::image::{UUID, answers, manifest};
use common::said;
use common::server::{Reply, Request, Server};
use common::tls::Authority;
use common::tools::Sim;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

const CHILD: &str = "1a000002-0000-4000-8000-000000000002";

/// A server of an image whose origin is asked for in vain: the answer begins, and then nothing comes.
fn silent() -> Server {
    let child = manifest(b"", json!({"uuid": CHILD, "origin": UUID})).to_string();
    Server::new(move |request| match request.path.as_str() {
        "/images" => Reply::json(200, format!("[{child}]")),
        path if path.ends_with(CHILD) => Reply::json(200, child.clone()),
        _ => Reply { hang: true, length: Some(1000), ..Reply::json(200, "{") },
    })
}

/// Ends the command once the server was asked so often: it exits with 130 at once.
fn interrupted(command: &mut Command, server: &Server, requests: usize, signal: Signal) {
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while server.paths().len() < requests {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(200));
    let told = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
}

#[test]
fn an_interrupt_ends_the_wait_for_an_answer() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (sim, server) = (Sim::new(), silent());
        sim.sources(&[&server.url()]);
        interrupted(&mut sim.command(&["import", CHILD]), &server, 2, signal);
        assert_eq!(sim.datasets(), ["zones"]);
        let directory = sim.path("mirror");
        let directory = directory.to_str().unwrap();
        let server = silent();
        let mirror = ["mirror", "-S", &server.url(), directory];
        interrupted(&mut sim.command(&mirror), &server, 3, signal);
    }
}

#[test]
fn an_interrupt_ends_the_wait_for_the_head_of_an_answer() {
    let (sim, server) = (Sim::new(), silent());
    let front = Server::new(move |request| {
        if request.path.ends_with(UUID) {
            std::thread::sleep(Duration::from_secs(20));
        }
        let to = format!("{}{}", server.url(), request.path);
        Reply { status: 302, ..Reply::default() }.header("location", &to)
    });
    sim.sources(&[&front.url()]);
    interrupted(&mut sim.command(&["import", CHILD]), &front, 2, Signal::SIGINT);
}

/// A JSON answer of nothing but blanks, one after the other.
fn drip() -> Reply {
    Reply { drip: Some(Duration::from_millis(300)), ..Reply::json(200, " ".repeat(200)) }
}

#[test]
fn an_answer_that_drips_is_given_up() {
    let dripping = |_: &Request| drip();
    let authority = Authority::new();
    let of_origin = {
        let child = manifest(b"", json!({"uuid": CHILD, "origin": UUID}));
        let good = answers(&child, |_| Reply::not_found());
        let text = child.to_string();
        move |request: &Request| match request.path.as_str() {
            path if path.ends_with(CHILD) => Reply::json(200, text.clone()),
            path if path.ends_with(UUID) => drip(),
            _ => good(request),
        }
    };
    for (server, scheme, command) in [
        (Server::new(dripping), "http", &["import", UUID][..]),
        (Server::new(dripping), "http", &["show", UUID]),
        (Server::new(dripping), "http", &["avail"]),
        (Server::new(of_origin), "http", &["import", CHILD]),
        (authority.server(&["127.0.0.1"], dripping), "https", &["import", UUID]),
    ] {
        let sim = Sim::new();
        let ca = authority.file(&sim.path(""));
        sim.sources(&[&format!("{scheme}://127.0.0.1:{}", server.port)]);
        let started = Instant::now();
        let mut command = sim.command(command);
        command.env("IMGADM_STALL_TIMEOUT", "1").env("IMGADM_CA_FILE", ca);
        let output = command.output().unwrap();
        let (_, stderr) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("too slow"), "{stderr}");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert_eq!(sim.datasets(), ["zones"]);
    }
}
