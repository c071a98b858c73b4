#compdef bhyve-ctl
# zsh completion of bhyve-ctl; written by `cargo xtask completions`
_bhyve-ctl() {
  local -a options
  if ((CURRENT == 2)); then
    compadd -- cmdline console devices list metadata nmi powerdown poweroff qmp reset screenshot seed stats status vnc
    return
  fi
  case ${words[2]} in
    cmdline) options=(--xml --flavour -j --json --config) ;;
    status) options=(-j --json) ;;
    stats) options=(-j --json) ;;
    devices) options=(-j --json) ;;
    powerdown) options=(-t --timeout) ;;
    list) options=(-j --json) ;;
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
