//! Small programs about the system: zonename, uname, swap and pwait.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::zones::zoneadm;

/// zonename: this is the global zone.
pub fn zonename(_: &Ctx, _: &[String]) -> Result<i32> {
    println!("global");
    Ok(0)
}

/// uname.
pub fn uname(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "aimnoprsvX");
    if options.unknown.is_some() {
        eprintln!("usage:\tuname [-aimnoprsvX]");
        return Ok(1);
    }
    let version = fs::read_to_string(ctx.state("version")).unwrap_or_else(|_| {
        if zoneadm::is_smartos(ctx) { "joyent_20260301T000000Z" } else { "omnios-r151054" }
            .to_owned()
    });
    let node = fs::read_to_string(ctx.path("/etc/nodename")).unwrap_or_else(|_| "gz".to_owned());
    let parts = [
        ('s', "SunOS"),
        ('n', node.trim()),
        ('r', "5.11"),
        ('v', version.trim()),
        ('m', "i86pc"),
        ('p', "i386"),
        ('i', "i86pc"),
        ('o', "illumos"),
    ];
    let all = options.has('a');
    let none = options.found.is_empty();
    let words: Vec<&str> = parts
        .iter()
        .filter(|(letter, _)| all || options.has(*letter) || none && *letter == 's')
        .map(|(_, text)| *text)
        .collect();
    println!("{}", words.join(" "));
    Ok(0)
}

/// swap: a machine with 16 GiB of swap, unused.
pub fn swap(_: &Ctx, arguments: &[String]) -> Result<i32> {
    match arguments.first().map(String::as_str) {
        Some("-s") => println!(
            "total: 524288k bytes allocated + 131072k reserved = 655360k used, 83886080k available"
        ),
        Some("-l") => {
            println!("swapfile             dev    swaplo   blocks     free");
            println!("/dev/zvol/dsk/zones/swap 90,1         8 33554424 33554424");
        }
        _ => {
            eprintln!("Usage:\tswap -l\n\tswap -s");
            return Ok(1);
        }
    }
    Ok(0)
}

/// pwait: waits until the processes have ended.
pub fn pwait(_: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "v");
    if options.operands.is_empty() || options.unknown.is_some() {
        eprintln!("usage:\tpwait [-v] pid ...");
        return Ok(2);
    }
    let mut code = 0;
    for operand in options.operands {
        let Ok(pid) = operand.trim_start_matches("/proc/").parse::<i32>() else {
            eprintln!("pwait: {operand}: no such process");
            code = 1;
            continue;
        };
        while exists(pid) {
            thread::sleep(Duration::from_millis(20));
        }
        if options.has('v') {
            println!("{pid}: terminated");
        }
    }
    Ok(code)
}

/// Whether there is such a process that has not ended.
fn exists(pid: i32) -> bool {
    let zombie = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| {
        text.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
    });
    !zombie && kill(Pid::from_raw(pid), None).is_ok()
}
