#compdef vmadm
# zsh completion of vmadm; written by `cargo xtask completions`
_vmadm() {
  local -a options
  if ((CURRENT == 2)); then
    compadd -- boot console create create-snapshot delete delete-snapshot destroy events get halt help info install json kill links list lookup reboot receive recover recv reprovision rollback-snapshot send start stop sysrq update validate
    return
  fi
  case ${words[2]} in
    create) options=(-f --dry-run --strict --keep-failed) ;;
    delete | destroy) options=(-F --force) ;;
    events) options=(-f -j -r --full --json --ready) ;;
    kill) options=(-s --signal) ;;
    links) options=(-f --follow) ;;
    list) options=(-o -s -p -h -H --order --sortby --parsable --header) ;;
    lookup) options=(-j -o -1 --json --output --unique) ;;
    receive | recv) options=(-f -P -s --from-json --have --pool --resumable) ;;
    reprovision) options=(-f) ;;
    send) options=(--since --have --resumable) ;;
    create-snapshot) options=(--all-datasets) ;;
    reboot) options=(-t -F --timeout --force) ;;
    stop | halt) options=(-t -F --timeout --force) ;;
    update) options=(-f --dry-run --strict) ;;
    validate) options=(-f) ;;
  esac
  if [[ ${words[CURRENT]} == -* ]]; then
    compadd -- $options
  else
    compadd -- ${(f)"$(vmadm lookup 2>/dev/null)"}
    _files
  fi
}
_vmadm "$@"
