# bash completion of bhyve-ctl; written by `cargo xtask completions`
_bhyve_ctl() {
  local word=${COMP_WORDS[COMP_CWORD]} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'cmdline console devices list metadata nmi powerdown poweroff qmp reset screenshot seed stats status vnc' -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
    cmdline) options='--xml --flavour -j --json --config' ;;
    status) options='-j --json' ;;
    stats) options='-j --json' ;;
    devices) options='-j --json' ;;
    powerdown) options='-t --timeout' ;;
    list) options='-j --json' ;;
    vnc) options='--listen' ;;
    metadata) options='--socket --file' ;;
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(vmadm lookup 2>/dev/null)" -- "$word")
  fi
}
complete -o default -F _bhyve_ctl bhyve-ctl
