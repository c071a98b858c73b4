//! `imgadm serve`: an image server.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::{Command, HELP, Run, only_argument};
use crate::cli::options::{Given, value};
use crate::errors::{Error, Result};
use crate::out::print;
use crate::serve::{self, Server};

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_ADDRESS: &str = "127.0.0.1";

pub const COMMAND: Command = Command {
    name: "serve",
    aliases: &[],
    options: &[
        HELP,
        value(
            &["listen", "l"],
            "<address>",
            "The address to listen on. Default is 127.0.0.1: this machine only.",
        ),
        value(
            &["port", "p"],
            "<port>",
            "The port to listen on. Default is 8080; 0 takes any that is free.",
        ),
        value(
            &["token-file"],
            "<file>",
            "A file that holds the token with which images may be published. Without it, and \
             without IMGADM_TOKEN in the environment, the server only reads.",
        ),
    ],
    help: "\
Serves the images in a directory to other systems' imgadm (IMGAPI, version 2).

Usage:
    imgadm serve [<options>] <dir>

{{options}}
The address is printed once the server is ready. It ends on SIGINT and SIGTERM;
requests are logged on standard error.
",
    run: Run::Bare(run),
};

fn run(given: &Given) -> Result<()> {
    let directory = only_argument(given)?;
    let address = given.get("listen").unwrap_or(DEFAULT_ADDRESS);
    let address: IpAddr = address
        .parse()
        .map_err(|_| Error::usage(format!("\"{address}\" is not an IP address to listen on")))?;
    let port = match given.get("port") {
        None => DEFAULT_PORT,
        Some(text) => text
            .parse()
            .map_err(|_| Error::usage(format!("\"{text}\" is not a port (0 to 65535)")))?,
    };
    let server = Server::new(Path::new(directory), token(given)?)?;
    serve::run(server, SocketAddr::new(address, port), &|at| {
        // Whoever started the server reads where it is.
        let _ = print(&format!("Listening on http://{at}\n"));
    })
}

fn token(given: &Given) -> Result<Option<String>> {
    let token = match given.get("token-file") {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Error::file_system(format!("cannot read token file {path}: {e}")))?;
            Some(text.trim().to_owned())
        }
        None => std::env::var("IMGADM_TOKEN").ok(),
    };
    match token {
        Some(token) if token.trim().is_empty() => Err(Error::usage("the token is empty")),
        token => Ok(token.map(|token| token.trim().to_owned())),
    }
}
