# bash completion of vmadm; written by `cargo xtask completions`
_vmadm() {
  local word=${COMP_WORDS[COMP_CWORD]} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'boot console create create-snapshot delete delete-snapshot destroy events get halt help info install json kill links list lookup reboot receive recover recv reprovision rollback-snapshot send start stop sysrq update validate' -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
    create) options='--dry-run --strict --keep-failed -f' ;;
    delete | destroy) options='--force -F' ;;
    events) options='--full -f --json -j --ready -r' ;;
    kill) options='--signal -s' ;;
    links) options='--follow -f' ;;
    list) options='--order -o --sortby -s --parsable -p --header -h -H' ;;
    lookup) options='--json -j --output -o --unique -1' ;;
    receive | recv) options='--from-json --have --pool -P --resumable -s -f' ;;
    reprovision) options='-f' ;;
    send) options='--since --have --resumable' ;;
    create-snapshot) options='--all-datasets' ;;
    reboot) options='--timeout -t --force -F' ;;
    stop | halt) options='--timeout -t --force -F' ;;
    update) options='--dry-run --strict -f' ;;
    validate) options='-f' ;;
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(vmadm lookup 2>/dev/null)" -- "$word")
  fi
}
complete -o default -F _vmadm vmadm
