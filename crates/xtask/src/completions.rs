//! `cargo xtask completions`: bash completions out of the programs' own tables of commands and options.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use imgadm::cli::options::Row;

/// One command: its names and the options it takes, with their dashes.
struct Command {
    names: Vec<String>,
    options: Vec<String>,
}

/// What a word that is no option stands for.
#[derive(Clone, Copy)]
enum Operand {
    /// The UUID of a VM.
    Vm,
    /// The UUID of an installed image.
    Image,
    /// A zone's name, behind `-z`.
    Zone,
}

impl Operand {
    /// The command that lists the candidates, one a line.
    fn candidates(self) -> &'static str {
        match self {
            Self::Vm => "vmadm lookup 2>/dev/null",
            Self::Image => "imgadm list -H -o uuid 2>/dev/null",
            Self::Zone => "zoneadm list -c 2>/dev/null",
        }
    }
}

/// Writes the completions of each program below `root`.
pub fn write(root: &Path) -> Result<()> {
    let directory = root.join("man/completions");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    for (program, contents) in all() {
        crate::write_changed(&directory.join(format!("{program}.bash")), &contents)?;
    }
    Ok(())
}

fn all() -> Vec<(&'static str, String)> {
    vec![
        ("vmadm", script("vmadm", &vmadm(), Operand::Vm)),
        ("imgadm", script("imgadm", &imgadm(), Operand::Image)),
        ("bhyve-ctl", script("bhyve-ctl", &bhyve_ctl(), Operand::Vm)),
        ("zonecfg", zonecfg()),
    ]
}

/// An option as it is typed.
fn dashed(name: &str) -> String {
    if name.len() == 1 { format!("-{name}") } else { format!("--{name}") }
}

fn vmadm() -> Vec<Command> {
    vmadm::commands::all()
        .map(|command| {
            let shorts = command.syntax.shorts.iter().map(|(name, _)| dashed(name));
            let longs = command.syntax.types.iter().map(|(name, _)| dashed(name));
            Command {
                names: command.names.iter().map(ToString::to_string).collect(),
                options: shorts.chain(longs).collect(),
            }
        })
        .collect()
}

fn imgadm() -> Vec<Command> {
    imgadm::commands::ALL
        .iter()
        .map(|command| {
            let names = command.options.iter().filter_map(|row| match row {
                Row::Opt(option) => Some(option.names),
                Row::Hidden(_) | Row::Gap => None,
            });
            Command {
                names: std::iter::once(&command.name)
                    .chain(command.aliases)
                    .map(ToString::to_string)
                    .collect(),
                options: names.flatten().map(|name| dashed(name)).collect(),
            }
        })
        .collect()
}

fn bhyve_ctl() -> Vec<Command> {
    bhyve_ctl::cli::program()
        .get_subcommands()
        .map(|command| Command {
            names: vec![command.get_name().to_owned()],
            options: command
                .get_arguments()
                .filter_map(clap::Arg::get_long)
                .map(|name| format!("--{name}"))
                .collect(),
        })
        .collect()
}

fn script(program: &str, commands: &[Command], operand: Operand) -> String {
    let function = format!("_{}", program.replace('-', "_"));
    let names: BTreeSet<&str> = commands
        .iter()
        .flat_map(|command| &command.names)
        .map(String::as_str)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let mut text =
        format!("# bash completion of {program}; written by `cargo xtask completions`\n");
    let _ = writeln!(text, "{function}() {{");
    text.push_str("  local word=${COMP_WORDS[COMP_CWORD]} options=\n  COMPREPLY=()\n");
    let names: Vec<&str> = names.into_iter().collect();
    let _ = writeln!(
        text,
        "  if ((COMP_CWORD == 1)); then\n    mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")\n    return\n  fi",
        names.join(" ")
    );
    text.push_str("  case ${COMP_WORDS[1]} in\n");
    for command in commands.iter().filter(|command| !command.options.is_empty()) {
        let _ = writeln!(
            text,
            "    {}) options='{}' ;;",
            command.names.join(" | "),
            command.options.join(" ")
        );
    }
    text.push_str("  esac\n");
    let _ = writeln!(
        text,
        "  if [[ $word == -* ]]; then\n    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n  else\n    \
         mapfile -t COMPREPLY < <(compgen -W \"$({})\" -- \"$word\")\n  fi",
        operand.candidates()
    );
    let _ = writeln!(text, "}}\ncomplete -o default -F {function} {program}");
    text
}

/// zonecfg's command language has completion of its own; here it is the zone and the file that are completed.
fn zonecfg() -> String {
    format!(
        "# bash completion of zonecfg; written by `cargo xtask completions`\n_zonecfg() {{\n  \
         local word=${{COMP_WORDS[COMP_CWORD]}}\n  COMPREPLY=()\n  case ${{COMP_WORDS[COMP_CWORD - 1]}} in\n    \
         -z) mapfile -t COMPREPLY < <(compgen -W \"$({})\" -- \"$word\") ;;\n    \
         zonecfg) mapfile -t COMPREPLY < <(compgen -W '-z -u -f -R lint' -- \"$word\") ;;\n    \
         *) [[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W '-z -u -f -R' -- \"$word\") ;;\n  esac\n}}\n\
         complete -o default -F _zonecfg zonecfg\n",
        Operand::Zone.candidates()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_checked_in_are_those_of_the_tables() {
        for (program, contents) in all() {
            let path = crate::root().join(format!("man/completions/{program}.bash"));
            let there = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(there == contents, "run `cargo xtask completions`: {program} has changed");
        }
    }

    #[test]
    fn bash_takes_them() {
        for (program, contents) in all() {
            let check = std::process::Command::new("bash").args(["-n", "-c", &contents]).output();
            let check = check.expect("bash can be run");
            assert!(
                check.status.success(),
                "{program}: {}",
                String::from_utf8_lossy(&check.stderr)
            );
        }
    }
}
