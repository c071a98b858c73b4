#compdef bhyve-ctl
# zsh completion of bhyve-ctl; written by `cargo xtask completions`
_bhyve-ctl() {
  local -a options
  if ((CURRENT == 2)); then
    compadd -- cmdline console devices list metadata nmi powerdown poweroff qmp reset screenshot seed stats status vnc
    return
  fi
  case ${words[2]} in
    cmdline) options=(--xml --flavour --json --config) ;;
    status) options=(--json) ;;
    stats) options=(--json) ;;
    devices) options=(--json) ;;
    powerdown) options=(--timeout) ;;
    list) options=(--json) ;;
    vnc) options=(--listen) ;;
    metadata) options=(--socket --file) ;;
  esac
  if [[ ${words[CURRENT]} == -* ]]; then
    compadd -- $options
  else
    compadd -- ${(f)"$(vmadm lookup 2>/dev/null)"}
    _files
  fi
}
_bhyve-ctl "$@"
