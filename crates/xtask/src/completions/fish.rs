//! What fish completes.

use std::fmt::Write as _;

use super::{Operand, Program, ZONECFG_OPTIONS};

pub(super) fn script(program: &Program) -> String {
    let name = program.name;
    let mut text = format!(
        "# fish completion of {name}; written by `cargo xtask completions`\nset -l commands {}\n\
         complete -c {name} -n \"not __fish_seen_subcommand_from $commands\" -f -a \"$commands\"\n\
         complete -c {name} -n \"__fish_seen_subcommand_from $commands\" -a \"({})\"\n",
        program.names().join(" "),
        program.operand.candidates()
    );
    for command in program.with_options() {
        let _ = writeln!(
            text,
            "complete -c {name} -n \"__fish_seen_subcommand_from {}\"{}",
            command.names.join(" "),
            flags(command.options.iter().flatten().map(String::as_str))
        );
    }
    text
}

/// Options as `complete` is told of them.
fn flags<'a>(options: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for option in options {
        match option.strip_prefix("--") {
            Some(long) => text.push_str(&format!(" -l {long}")),
            None => text.push_str(&format!(" -s {}", option.trim_start_matches('-'))),
        }
    }
    text
}

pub(super) fn zonecfg() -> String {
    let others = ZONECFG_OPTIONS.iter().copied().filter(|option| *option != "-z");
    format!(
        "# fish completion of zonecfg; written by `cargo xtask completions`\n\
         complete -c zonecfg -s z -x -a \"({})\"\ncomplete -c zonecfg{} -r\n\
         complete -c zonecfg -n __fish_use_subcommand -a lint\n",
        Operand::Zone.candidates(),
        flags(others)
    )
}
