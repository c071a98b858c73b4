//! What zsh completes.

use std::fmt::Write as _;

use super::{Operand, Program, ZONECFG_OPTIONS};

pub(super) fn script(program: &Program) -> String {
    let name = program.name;
    let mut text = format!(
        "#compdef {name}\n# zsh completion of {name}; written by `cargo xtask completions`\n_{name}() {{\n  \
         local -a options\n  if ((CURRENT == 2)); then\n    compadd -- {}\n    return\n  fi\n  case ${{words[2]}} in\n",
        program.names().join(" ")
    );
    for command in program.with_options() {
        let names = command.names.join(" | ");
        let _ = writeln!(text, "    {names}) options=({}) ;;", command.options.concat().join(" "));
    }
    let _ = write!(
        text,
        "  esac\n  if [[ ${{words[CURRENT]}} == -* ]]; then\n    compadd -- $options\n  else\n    \
         compadd -- ${{(f)\"$({})\"}}\n    _files\n  fi\n}}\n_{name} \"$@\"\n",
        program.operand.candidates()
    );
    text
}

pub(super) fn zonecfg() -> String {
    let options = ZONECFG_OPTIONS.join(" ");
    format!(
        "#compdef zonecfg\n# zsh completion of zonecfg; written by `cargo xtask completions`\n_zonecfg() {{\n  \
         case ${{words[CURRENT - 1]}} in\n    -z) compadd -- ${{(f)\"$({})\"}} ;;\n    \
         zonecfg) compadd -- {options} lint ;;\n    \
         *) if [[ ${{words[CURRENT]}} == -* ]]; then compadd -- {options}; else _files; fi ;;\n  esac\n}}\n\
         _zonecfg \"$@\"\n",
        Operand::Zone.candidates()
    )
}
