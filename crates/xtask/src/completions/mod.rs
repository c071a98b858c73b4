//! `cargo xtask completions`: what shells complete, out of the programs' own tables of commands and options.

mod bash;
mod fish;
mod zsh;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::commands::{self, Command};

/// A program with commands.
struct Program {
    name: &'static str,
    commands: Vec<Command>,
    operand: Operand,
}

impl Program {
    /// The names of all commands, sorted.
    fn names(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self
            .commands
            .iter()
            .flat_map(|command| &command.names)
            .map(String::as_str)
            .filter(|name| !name.starts_with('-'))
            .collect();
        names.into_iter().collect()
    }

    /// The commands that take options.
    fn with_options(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(|command| !command.options.is_empty())
    }
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

/// Options of zonecfg: its command language has completion of its own, here it is the zone and the file that are
/// completed.
const ZONECFG_OPTIONS: [&str; 4] = ["-z", "-u", "-f", "-R"];

/// Writes the completions of each program below `root`.
pub fn write(root: &Path) -> Result<()> {
    let directory = root.join("man/completions");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    for (file, contents) in all() {
        crate::write_changed(&directory.join(file), &contents)?;
    }
    Ok(())
}

/// Each file's name and contents.
fn all() -> Vec<(String, String)> {
    let programs = [
        Program { name: "vmadm", commands: commands::vmadm(), operand: Operand::Vm },
        Program { name: "imgadm", commands: commands::imgadm(), operand: Operand::Image },
        Program { name: "bhyve-ctl", commands: commands::bhyve_ctl(), operand: Operand::Vm },
    ];
    let mut files = vec![
        ("zonecfg.bash".to_owned(), bash::zonecfg()),
        ("zonecfg.zsh".to_owned(), zsh::zonecfg()),
        ("zonecfg.fish".to_owned(), fish::zonecfg()),
    ];
    for program in &programs {
        let name = program.name;
        files.push((format!("{name}.bash"), bash::script(program)));
        files.push((format!("{name}.zsh"), zsh::script(program)));
        files.push((format!("{name}.fish"), fish::script(program)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_checked_in_are_those_of_the_tables() {
        for (file, contents) in all() {
            let path = crate::root().join("man/completions").join(&file);
            let there = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(there == contents, "run `cargo xtask completions`: {file} has changed");
        }
    }

    /// What is at hand of the shells takes what is written for it; the package's test has all of them.
    #[test]
    fn shells_take_them() {
        for (file, contents) in all() {
            let shell = file.rsplit('.').next().unwrap_or_default();
            let check = std::process::Command::new(shell).args(["-n", "-c", &contents]).output();
            let Ok(check) = check else {
                assert!(shell != "bash", "bash can be run");
                continue;
            };
            assert!(check.status.success(), "{file}: {}", String::from_utf8_lossy(&check.stderr));
        }
    }
}
