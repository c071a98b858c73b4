//! zoneadm(8).

use std::fmt::Display;

use anyhow::Result;
use uuid::Uuid;
use zonecfg::index::ZoneState;
use zonecfg::model::IpType;

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::state as locks;
use crate::zones::brand::{self, Install};
use crate::zones::copying::{self, Method};
use crate::zones::table::{self, Row, State};
use crate::zones::zoneadmd;

/// Exit codes: fine, error, wrong usage.
const OK: i32 = 0;
const ERROR: i32 = 1;
const USAGE: i32 = 2;

const GLOBAL: &str = "global";

/// The subcommands with their usage.
const COMMANDS: &[(&str, &str)] = &[
    ("help", "help"),
    ("boot", "boot [-- boot_arguments]"),
    ("halt", "halt"),
    ("ready", "ready"),
    ("shutdown", "shutdown [-r [-- boot_arguments]]"),
    ("reboot", "reboot [-- boot_arguments]"),
    ("list", "list [-cinpv]"),
    ("verify", "verify"),
    ("install", "install [brand-specific args]"),
    ("uninstall", "uninstall [-F] [brand-specific args]"),
    ("clone", "clone [-m method] [-s <ZFS snapshot>] [brand-specific args] zonename"),
    ("move", "move zonepath"),
    ("detach", "detach [-n] [brand-specific args]"),
    ("attach", "attach [-F] [-n <path>] [brand-specific args]"),
    ("mark", "mark incomplete"),
];

/// One run: the zone that `-z` or `-u` names, if any.
struct Run<'a> {
    ctx: &'a Ctx,
    zone: Option<String>,
}

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "?u:z:R:");
    let mut run = Run { ctx, zone: options.value('z').map(str::to_owned) };
    if options.has('?') {
        usage(true);
        return Ok(USAGE);
    }
    if options.unknown.is_some() || options.operands.is_empty() {
        usage(false);
        return Ok(USAGE);
    }
    if let Some(text) = options.value('u').filter(|text| !text.is_empty()) {
        let Ok(uuid) = Uuid::parse_str(text) else {
            run.say("illegal UUID value specified");
            return Ok(ERROR);
        };
        let uuid = uuid.to_string();
        if let Some(row) = table::rows(ctx)?.into_iter().find(|row| row.uuid == uuid) {
            run.zone = Some(row.name);
        }
    }
    if let Some(zone) = run.zone.as_deref()
        && zone != GLOBAL
        && table::row(ctx, zone)?.is_none()
    {
        eprintln!("zoneadm: {zone}: No such zone configured");
        return Ok(ERROR);
    }
    let (command, rest) = (options.operands[0].as_str(), &options.operands[1..]);
    match command {
        "help" => Ok(help(rest)),
        "list" => run.list(rest),
        "boot" => run.boot(rest),
        "ready" => run.transition("ready", rest, zoneadmd::Command::Ready),
        "halt" => run.transition("halt", rest, zoneadmd::Command::Halt),
        "reboot" => run.transition("reboot", rest, zoneadmd::Command::Reboot),
        "shutdown" => run.shutdown(rest),
        "verify" => run.verify(),
        "install" => run.install(rest),
        "uninstall" => run.uninstall(rest),
        "attach" => run.attach(rest),
        "detach" => run.detach(rest),
        "mark" => run.mark(rest),
        "clone" => run.clone_zone(rest),
        "move" => run.move_zone(rest),
        _ => {
            usage(false);
            Ok(USAGE)
        }
    }
}

fn usage(asked: bool) {
    let mut text = "usage:\tzoneadm help\n\tzoneadm [-z <zone>] [-u <uuid-match>] list\n\
        \tzoneadm {-z <zone>|-u <uuid-match>} <subcommand>\n\nSubcommands:\n\n"
        .to_owned();
    for (_, usage) in COMMANDS {
        text.push_str(usage);
        text.push('\n');
    }
    if asked {
        print!("{text}");
    } else {
        eprintln!("{text}");
    }
}

fn help(names: &[String]) -> i32 {
    if names.is_empty() {
        usage(true);
        return OK;
    }
    for name in names {
        sub_usage(name);
    }
    OK
}

fn sub_usage(command: &str) -> i32 {
    let usage = COMMANDS.iter().find(|(name, _)| *name == command).map_or("help", |(_, text)| text);
    eprintln!("usage:\t{usage}");
    USAGE
}

impl Run<'_> {
    fn say(&self, message: impl Display) {
        match &self.zone {
            Some(zone) => eprintln!("zoneadm: zone '{zone}': {message}"),
            None => eprintln!("zoneadm: {message}"),
        }
    }

    fn list(&self, arguments: &[String]) -> Result<i32> {
        let letters = if self.zone.is_some() { "?pv" } else { "?cinpv" };
        let options = getopt(arguments, letters);
        let parsable = options.has('p');
        let verbose = options.has('v');
        if options.has('?') || options.unknown.is_some() {
            sub_usage("list");
            return Ok(if options.has('?') { OK } else { USAGE });
        }
        if parsable && verbose {
            self.say("list -p and -v are mutually exclusive.");
            return Ok(ERROR);
        }
        let rows = table::rows(self.ctx)?;
        let shown: Vec<&Row> = if let Some(name) = self.zone.as_deref() {
            rows.iter().filter(|row| row.name == name).collect()
        } else {
            let least = match (options.has('c'), options.has('i')) {
                (true, _) => State::Configured,
                (false, true) => State::Installed,
                (false, false) => State::Running,
            };
            rows.iter().filter(|row| row.state >= least).collect()
        };
        if verbose {
            println!(
                "{:>4} {:<16} {:<10} {:<30} {:<8} {:<6}",
                "ID", "NAME", "STATUS", "PATH", "BRAND", "IP"
            );
        }
        let global = Row {
            id: Some(0),
            name: GLOBAL.to_owned(),
            state: State::Running,
            path: "/".to_owned(),
            uuid: String::new(),
            brand: if is_smartos(self.ctx) { "liveimg" } else { "ipkg" }.to_owned(),
            ip_type: IpType::Shared,
            debugid: Some(0),
        };
        let with_global = self.zone.as_deref().map_or(!options.has('n'), |zone| zone == GLOBAL);
        let all = with_global.then_some(&global).into_iter().chain(shown);
        let mut text = String::new();
        for row in all {
            text.push_str(&line(row, parsable, verbose));
        }
        print!("{text}");
        Ok(OK)
    }

    fn boot(&self, arguments: &[String]) -> Result<i32> {
        let options = getopt(arguments, if is_smartos(self.ctx) { "?fX" } else { "?f" });
        if options.unknown.is_some() || options.has('?') {
            return Ok(sub_usage("boot"));
        }
        let least = if options.has('f') { State::Incomplete } else { State::Installed };
        let Some(row) = self.checked("boot", false)? else { return Ok(ERROR) };
        if row.state < least {
            self.say(format_args!("must be {} before boot.", least.as_str()));
            return Ok(ERROR);
        }
        if row.state < State::Ready && !self.verified("boot", &row)? {
            return Ok(ERROR);
        }
        self.call(&row, zoneadmd::Command::Boot)
    }

    /// `halt`, `ready` and `reboot`.
    fn transition(
        &self,
        name: &str,
        arguments: &[String],
        command: zoneadmd::Command,
    ) -> Result<i32> {
        let options = getopt(arguments, if is_smartos(self.ctx) { "?X" } else { "?" });
        if options.unknown.is_some()
            || options.has('?')
            || name != "reboot" && !options.operands.is_empty()
        {
            return Ok(sub_usage(name));
        }
        let Some(row) = self.checked(name, false)? else { return Ok(ERROR) };
        match command {
            zoneadmd::Command::Ready if row.state < State::Installed => {
                self.say("must be installed before ready.");
                return Ok(ERROR);
            }
            zoneadmd::Command::Reboot if row.state < State::Ready => {
                self.say("not running");
                return Ok(ERROR);
            }
            _ => {}
        }
        if command != zoneadmd::Command::Halt && !self.verified(name, &row)? {
            return Ok(ERROR);
        }
        self.call(&row, command)
    }

    fn shutdown(&self, arguments: &[String]) -> Result<i32> {
        let options = getopt(arguments, "?r");
        if options.unknown.is_some() || options.has('?') {
            return Ok(sub_usage("shutdown"));
        }
        let Some(row) = self.checked("shutdown", false)? else { return Ok(ERROR) };
        if row.state < State::Ready {
            self.say("not running");
            return Ok(ERROR);
        }
        let code = self.call(&row, zoneadmd::Command::Shutdown)?;
        if code == OK && options.has('r') {
            return self.call(&row, zoneadmd::Command::Boot);
        }
        Ok(code)
    }

    fn verify(&self) -> Result<i32> {
        let Some(row) = self.checked("verify", false)? else { return Ok(ERROR) };
        if row.state == State::Incomplete {
            self.say("zone is incomplete; uninstall required.");
            return Ok(ERROR);
        }
        Ok(if row.state >= State::Ready || self.verified("verify", &row)? { OK } else { ERROR })
    }

    fn install(&self, arguments: &[String]) -> Result<i32> {
        let Some(row) = self.checked("install", true)? else { return Ok(ERROR) };
        let letters = match row.brand.as_str() {
            _ if is_smartos(self.ctx) => "?x:t:U:q:",
            "lx" | "illumos" => "?s:t:",
            "bhyve" | "kvm" => "?",
            _ => "?a:c:d:e:hk:P:psuv",
        };
        let options = getopt(arguments, letters);
        if options.unknown.is_some() && !is_smartos(self.ctx) {
            return Ok(sub_usage("install"));
        }
        match row.state {
            State::Installed => {
                self.say("is already installed.");
                return Ok(ERROR);
            }
            State::Incomplete => {
                self.say("zone is incomplete; uninstall required.");
                return Ok(ERROR);
            }
            _ => {}
        }
        if !self.verified("install", &row)? {
            return Ok(ERROR);
        }
        let Some(_lock) = self.lock(&row)? else { return Ok(ERROR) };
        table::set_state(self.ctx, &row.name, ZoneState::Incomplete)?;
        let install = Install {
            zone: &row.name,
            zonepath: &row.path,
            quota: options.value('q').unwrap_or("10"),
            template: options.value('s').or(options.value('t')),
            reprovision: false,
        };
        let code = brand::install_zone(self.ctx, &row.brand, &install)?;
        if code == OK {
            table::set_state(self.ctx, &row.name, ZoneState::Installed)?;
            return Ok(OK);
        }
        self.say(format_args!("'brand-specific installation' failed with exit code {code}."));
        table::set_state(self.ctx, &row.name, ZoneState::Configured)?;
        Ok(ERROR)
    }

    fn uninstall(&self, arguments: &[String]) -> Result<i32> {
        let options = getopt(arguments, "?F");
        let Some(row) = self.checked("uninstall", true)? else { return Ok(ERROR) };
        if row.state == State::Configured {
            self.say("is already in state 'configured'.");
            return Ok(ERROR);
        }
        if !options.has('F') {
            self.say("Input not from terminal and -F not specified: uninstall not done.");
            return Ok(ERROR);
        }
        let Some(_lock) = self.lock(&row)? else { return Ok(ERROR) };
        let zone_root = format!("{}/root", row.path);
        let mounted = crate::tools::mount::below(self.ctx, &zone_root)?;
        if self.in_the_way(&zone_root, mounted.into_iter().map(|mount| mount.point)) {
            return Ok(ERROR);
        }
        table::set_state(self.ctx, &row.name, ZoneState::Incomplete)?;
        let code = brand::uninstall_zone(self.ctx, &row.brand, &row.path)?;
        if code != OK {
            self.say(format_args!("'brand-specific uninstall' failed with exit code {code}."));
            return Ok(ERROR);
        }
        table::set_state(self.ctx, &row.name, ZoneState::Configured)?;
        Ok(OK)
    }

    fn attach(&self, arguments: &[String]) -> Result<i32> {
        let force = getopt(arguments, "?Fn:").has('F');
        let Some(row) = self.checked("attach", true)? else { return Ok(ERROR) };
        match row.state {
            State::Installed => {
                self.say("is already installed.");
                return Ok(ERROR);
            }
            State::Incomplete if !force => {
                self.say("zone is incomplete; uninstall required.");
                return Ok(ERROR);
            }
            _ => {}
        }
        let path = self.ctx.path(&row.path);
        if !path.is_dir() {
            eprintln!("zoneadm: {}: No such file or directory", row.path);
            eprintln!("could not verify zonepath {} because of the above errors.", row.path);
            return Ok(ERROR);
        }
        // The hooks of SmartOS's brands (jcommon's `jcommon_attach_hook`) see to the dataset for cores; -F skips them.
        if !force {
            let code = brand::attach_zone(self.ctx, &row.brand, &row.path)?;
            if code != OK {
                self.say(format_args!("'brand-specific attach' failed with exit code {code}."));
                return Ok(ERROR);
            }
        }
        let detached = path.join("SUNWdetached.xml");
        if detached.exists() {
            std::fs::remove_file(detached)?;
        }
        table::set_state(self.ctx, &row.name, ZoneState::Installed)?;
        Ok(OK)
    }

    fn detach(&self, arguments: &[String]) -> Result<i32> {
        let execute = !getopt(arguments, "?n").has('n');
        let Some(row) = self.checked("detach", true)? else { return Ok(ERROR) };
        if row.state < State::Installed {
            self.say("must be installed before detach.");
            return Ok(ERROR);
        }
        let config = self.ctx.path("/etc/zones").join(format!("{}.xml", row.name));
        if !execute {
            print!("{}", std::fs::read_to_string(config)?);
            return Ok(OK);
        }
        let path = self.ctx.path(&row.path);
        if path.is_dir() {
            std::fs::copy(config, path.join("SUNWdetached.xml"))?;
        }
        table::set_state(self.ctx, &row.name, ZoneState::Configured)?;
        Ok(OK)
    }

    /// Says that file systems are mounted below a directory, where there are any.
    fn in_the_way(&self, directory: &str, mounted: impl Iterator<Item = String>) -> bool {
        let mounted: Vec<String> = mounted.collect();
        if mounted.is_empty() {
            return false;
        }
        self.say(format_args!(
            "These file systems are mounted on subdirectories of {directory}.\n"
        ));
        for point in mounted {
            eprintln!("  {point}");
        }
        true
    }

    fn clone_zone(&self, arguments: &[String]) -> Result<i32> {
        let options = getopt(arguments, "?m:s:");
        let [source] = options.operands else { return Ok(sub_usage("clone")) };
        let Some(row) = self.checked("clone", true)? else { return Ok(ERROR) };
        if row.state != State::Configured {
            let problem = if row.state == State::Installed {
                "is already installed."
            } else {
                "zone is incomplete; uninstall required."
            };
            self.say(problem);
            return Ok(ERROR);
        }
        if let Some(message) = copying::unsuitable(self.ctx, source, &row)? {
            eprintln!("{message}");
            return Ok(ERROR);
        }
        let copy = match options.value('m') {
            None => false,
            Some("copy") => true,
            Some(_) => return Ok(sub_usage("clone")),
        };
        let Some(_lock) = self.lock(&row)? else { return Ok(ERROR) };
        table::set_state(self.ctx, &row.name, ZoneState::Incomplete)?;
        let method = Method { copy, snapshot: options.value('s') };
        let worked = copying::clone(self.ctx, source, &row, &method)?;
        copying::finish(self.ctx, &row, worked)?;
        Ok(if worked { OK } else { ERROR })
    }

    fn move_zone(&self, arguments: &[String]) -> Result<i32> {
        let options = getopt(arguments, "?");
        let [path] = options.operands else { return Ok(sub_usage("move")) };
        let Some(row) = self.checked("move", true)? else { return Ok(ERROR) };
        if !self.verified("move", &row)? {
            return Ok(ERROR);
        }
        if self.in_the_way(&row.path, copying::mounted_below(self.ctx, &row.path)?.into_iter()) {
            return Ok(ERROR);
        }
        let Some(_lock) = self.lock(&row)? else { return Ok(ERROR) };
        if let Some(message) = copying::relocate(self.ctx, &row, path)? {
            eprintln!("{message}");
            return Ok(ERROR);
        }
        Ok(OK)
    }

    fn mark(&self, arguments: &[String]) -> Result<i32> {
        if arguments != ["incomplete"] {
            return Ok(sub_usage("mark"));
        }
        let Some(row) = self.checked("mark", true)? else { return Ok(ERROR) };
        table::set_state(self.ctx, &row.name, ZoneState::Incomplete)?;
        Ok(OK)
    }

    /// The checks before every subcommand: a zone is named, it is not the global one and, for some, does not run.
    fn checked(&self, command: &str, unsafe_when_running: bool) -> Result<Option<Row>> {
        let Some(zone) = self.zone.as_deref() else {
            self.say("no zone specified");
            return Ok(None);
        };
        if zone == GLOBAL {
            self.say(format_args!("{command} operation is invalid for the global zone."));
            return Ok(None);
        }
        if zone.starts_with("SUNW") {
            self.say(format_args!("{command} operation is invalid for zones starting with SUNW."));
            return Ok(None);
        }
        let Some(row) = table::row(self.ctx, zone)? else {
            eprintln!("zoneadm: {zone}: No such zone configured");
            return Ok(None);
        };
        if unsafe_when_running && row.state >= State::Ready {
            self.say(format_args!(
                "{command} operation is invalid for {} zones.",
                row.state.as_str()
            ));
            return Ok(None);
        }
        Ok(Some(row))
    }

    /// What must be there before the zone can be instantiated: its zone path, the sources of its file systems and its
    /// delegated datasets.
    fn verified(&self, command: &str, row: &Row) -> Result<bool> {
        let mut errors = Vec::new();
        let zonepath = self.ctx.path(&row.path);
        if command != "install" && command != "verify" && !zonepath.join("root").is_dir() {
            errors.push(format!("zoneadm: {}/root: No such file or directory", row.path));
            errors.push(format!(
                "could not verify zonepath {} because of the above errors.",
                row.path
            ));
        }
        let config = table::config(self.ctx, &row.name)?;
        for fs in config.filesystems().filter(|fs| fs.fs_type == "lofs") {
            if !self.ctx.path(&fs.special).exists() {
                errors.push(format!(
                    "could not verify fs {}: could not access {}: No such file or directory",
                    fs.dir, fs.special
                ));
            }
        }
        // vmadm makes the delegated dataset after the install.
        if command != "install" {
            for dataset in config.datasets() {
                if self.ctx.zfs_get("name", dataset)?.is_none() {
                    errors.push(format!(
                        "could not verify zfs dataset {dataset}: dataset does not exist"
                    ));
                }
            }
        }
        if errors.is_empty() {
            return Ok(true);
        }
        for error in errors {
            eprintln!("{error}");
        }
        eprintln!("zoneadm: zone {} failed to verify", row.name);
        Ok(false)
    }

    fn lock(&self, row: &Row) -> Result<Option<impl Sized + use<>>> {
        let name = format!("zone.{}", row.name);
        Ok(Some(locks::lock(self.ctx, &name)?))
    }

    fn call(&self, row: &Row, command: zoneadmd::Command) -> Result<i32> {
        let command = zoneadmd::prepared(self.ctx, &row.name, &row.brand, command)?;
        zoneadmd::call(self.ctx, &row.name, command, &|message| self.say(message))
    }
}

/// Whether the root is SmartOS rather than another illumos distribution.
pub fn is_smartos(ctx: &Ctx) -> bool {
    std::fs::read_to_string(ctx.path("/etc/release")).is_ok_and(|text| text.contains("SmartOS"))
}

fn line(row: &Row, parsable: bool, verbose: bool) -> String {
    let id = row.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let ip = match row.ip_type {
        IpType::Exclusive => "excl",
        IpType::Shared => "shared",
    };
    let state = row.state.as_str();
    if verbose {
        return format!(
            "{id:>4} {:<16} {state:<10} {:<30} {:<8} {ip:<6}\n",
            row.name, row.path, row.brand
        );
    }
    if !parsable {
        return format!("{}\n", row.name);
    }
    let path = row.path.replace(':', "\\:");
    let debugid = row.debugid.map(|id| id.to_string()).unwrap_or_default();
    format!("{id}:{}:{state}:{path}:{}:{}:{ip}:{debugid}\n", row.name, row.uuid, row.brand)
}
