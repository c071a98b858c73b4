//! What bash completes.

use std::fmt::Write as _;

use super::{Operand, Program, ZONECFG_OPTIONS};

pub(super) fn script(program: &Program) -> String {
    let name = program.name;
    let function = format!("_{}", name.replace('-', "_"));
    let mut text = format!("# bash completion of {name}; written by `cargo xtask completions`\n");
    let _ = writeln!(text, "{function}() {{");
    text.push_str("  local word=${COMP_WORDS[COMP_CWORD]} options=\n  COMPREPLY=()\n");
    let _ = writeln!(
        text,
        "  if ((COMP_CWORD == 1)); then\n    mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")\n    return\n  fi",
        program.names().join(" ")
    );
    text.push_str("  case ${COMP_WORDS[1]} in\n");
    for command in program.with_options() {
        let _ = writeln!(
            text,
            "    {}) options='{}' ;;",
            command.names.join(" | "),
            command.options.concat().join(" ")
        );
    }
    text.push_str("  esac\n");
    let _ = writeln!(
        text,
        "  if [[ $word == -* ]]; then\n    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n  else\n    \
         mapfile -t COMPREPLY < <(compgen -W \"$({})\" -- \"$word\")\n  fi",
        program.operand.candidates()
    );
    let _ = writeln!(text, "}}\ncomplete -o default -F {function} {name}");
    text
}

pub(super) fn zonecfg() -> String {
    let options = ZONECFG_OPTIONS.join(" ");
    format!(
        "# bash completion of zonecfg; written by `cargo xtask completions`\n_zonecfg() {{\n  \
         local word=${{COMP_WORDS[COMP_CWORD]}}\n  COMPREPLY=()\n  case ${{COMP_WORDS[COMP_CWORD - 1]}} in\n    \
         -z) mapfile -t COMPREPLY < <(compgen -W \"$({})\" -- \"$word\") ;;\n    \
         zonecfg) mapfile -t COMPREPLY < <(compgen -W '{options} lint' -- \"$word\") ;;\n    \
         *) [[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W '{options}' -- \"$word\") ;;\n  esac\n}}\n\
         complete -o default -F _zonecfg zonecfg\n",
        Operand::Zone.candidates()
    )
}
