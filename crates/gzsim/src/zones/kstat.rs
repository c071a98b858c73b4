//! kstat(8): the statistics of zones that zone management reads.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::zones::live::{self, Live};

/// Length that the kernel cuts names of statistics to.
const NAME_LENGTH: usize = 30;

/// One set of statistics.
struct Stat {
    module: &'static str,
    class: &'static str,
    instance: u32,
    name: String,
    data: Map<String, Value>,
    /// Whether the class is among the statistics asked for, as which `-p` prints it.
    show_class: bool,
}

/// What the operands and options ask for; empty is anything.
#[derive(Default)]
struct Filter {
    module: String,
    instance: String,
    name: String,
    statistic: String,
    class: String,
}

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "qjlpCT:m:i:n:s:c:");
    if options.unknown.is_some() {
        eprintln!(
            "Usage:\nkstat [ -Cjlpq ] [ -T d|u ] [ -c class ]\n      [ -m module ] [ -i instance ] [ -n name ] \
             [ -s statistic ]\n      [ interval [ count ] ]\nkstat [ -Cjlpq ] [ -T d|u ] [ -c class ]\n      \
             [ module[:instance[:name[:statistic]]] ... ]\n      [ interval [ count ] ]"
        );
        return Ok(2);
    }
    let value = |letter| options.value(letter).unwrap_or_default().to_owned();
    let class = value('c');
    let mut filters: Vec<Filter> = options
        .operands
        .iter()
        .filter(|operand| operand.contains(':') || operand.parse::<u32>().is_err())
        .map(|operand| {
            let mut parts = operand.split(':').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_default();
            Filter {
                module: part(),
                instance: part(),
                name: part(),
                statistic: part(),
                class: class.clone(),
            }
        })
        .collect();
    if filters.is_empty() {
        filters.push(Filter {
            module: value('m'),
            instance: value('i'),
            name: value('n'),
            statistic: value('s'),
            class,
        });
    }
    let zones = live::current(ctx)?;
    let mut stats: Vec<Stat> =
        zones.live.iter().flat_map(|(name, zone)| of_zone(name, zone)).collect();
    stats.sort_by(|a, b| (a.module, a.instance, &a.name).cmp(&(b.module, b.instance, &b.name)));
    let mut shown = Vec::new();
    for mut stat in stats {
        let matching: Vec<&Filter> = filters.iter().filter(|filter| filter.takes(&stat)).collect();
        if matching.is_empty() {
            continue;
        }
        let wanted = |key: &str| matching.iter().any(|filter| fits(&filter.statistic, key));
        stat.show_class = wanted("class");
        stat.data = stat.data.into_iter().filter(|(key, _)| wanted(key)).collect();
        if !stat.data.is_empty() || stat.show_class {
            shown.push(stat);
        }
    }
    if options.has('q') {
        return Ok(i32::from(shown.is_empty()));
    }
    if options.has('j') {
        print_json(&shown)?;
    } else if options.has('p') || options.has('l') {
        print_lines(&shown, options.has('l'));
    } else {
        print_tables(&shown);
    }
    Ok(i32::from(shown.is_empty()))
}

impl Filter {
    fn takes(&self, stat: &Stat) -> bool {
        fits(&self.module, stat.module)
            && fits(&self.instance, &stat.instance.to_string())
            && fits(&self.name, &stat.name)
            && fits(&self.class, stat.class)
    }
}

/// Whether the pattern (`*` and `?`, empty for anything) fits the whole text.
fn fits(pattern: &str, text: &str) -> bool {
    fn glob(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                glob(rest, text) || text.split_first().is_some_and(|(_, more)| glob(pattern, more))
            }
            (Some((b'?', rest)), Some((_, more))) => glob(rest, more),
            (Some((wanted, rest)), Some((found, more))) => wanted == found && glob(rest, more),
            _ => false,
        }
    }
    pattern.is_empty() || glob(pattern.as_bytes(), text.as_bytes())
}

fn of_zone(name: &str, zone: &Live) -> Vec<Stat> {
    let short: String = name.chars().take(NAME_LENGTH).collect();
    let cap = |rctl: &str| zone.rctls.get(rctl).map_or(u64::MAX, |limit| limit.limit);
    let misc = json!({
        "avenrun_15min": 0, "avenrun_1min": 0, "avenrun_5min": 0,
        "boot_time": zone.boot_time,
        "forkfail_cap": 0, "forkfail_misc": 0, "forkfail_nomem": 0, "forkfail_noproc": 0,
        "init_pid": zone.pid.unwrap_or(0),
        "init_restarts": zone.init_restarts,
        "mapfail_seglim": 0, "nested_interp": 0,
        "nsec_sys": 0, "nsec_user": 0, "nsec_waitrq": 0,
        "zonename": name,
    });
    let memory = json!({
        "anon_alloc_fail": 0, "anonpgin": 0, "execpgin": 0, "fspgin": 0, "n_pf_throttle": 0,
        "n_pf_throttle_usec": 0, "nover": 0, "pagedout": 0, "pgpgin": 0,
        "physcap": cap("zone.max-physical-memory"),
        "rss": 0, "swap": 0,
        "swapcap": cap("zone.max-swap"),
        "zonename": name,
    });
    [("zones", "zone_misc", misc), ("memory_cap", "zone_memory_cap", memory)]
        .into_iter()
        .map(|(module, class, data)| Stat {
            module,
            class,
            instance: zone.id,
            name: short.clone(),
            show_class: true,
            data: match data {
                Value::Object(map) => map,
                _ => Map::new(),
            },
        })
        .collect()
}

fn print_json(stats: &[Stat]) -> Result<()> {
    let all: Vec<Value> = stats
        .iter()
        .map(|stat| {
            json!({
                "module": stat.module, "instance": stat.instance, "name": stat.name,
                "class": stat.class, "type": 1, "snaptime": 0.0, "data": stat.data,
            })
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}

fn print_lines(stats: &[Stat], names_only: bool) {
    for stat in stats {
        let mut lines: Vec<(&str, String)> =
            stat.data.iter().map(|(key, value)| (key.as_str(), plain(value))).collect();
        if stat.show_class {
            lines.push(("class", stat.class.to_owned()));
        }
        lines.sort();
        for (key, value) in lines {
            let head = format!("{}:{}:{}:{key}", stat.module, stat.instance, stat.name);
            if names_only {
                println!("{head}");
            } else {
                println!("{head}\t{value}");
            }
        }
    }
}

fn print_tables(stats: &[Stat]) {
    for stat in stats {
        println!("module: {:<30}  instance: {:<6}", stat.module, stat.instance);
        println!("name:   {:<30}  class:    {:<30}", stat.name, stat.class);
        for (key, value) in &stat.data {
            println!("\t{key:<30}  {}", plain(value));
        }
        println!();
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(fits("", "x"));
        assert!(fits("init_*", "init_pid"));
        assert!(fits("z?nes", "zones"));
        assert!(!fits("zone", "zones"));
    }
}
