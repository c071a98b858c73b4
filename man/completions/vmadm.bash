# bash completion of vmadm; written by `cargo xtask completions`
_vmadm() {
  local word=${COMP_WORDS[COMP_CWORD]} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'boot console create create-snapshot delete delete-snapshot destroy events get halt help info install json kill links list lookup reboot receive recover recv reprovision rollback-snapshot send start stop sysrq update validate' -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
    create) options='-f --dry-run --strict --keep-failed' ;;
    delete | destroy) options='-F --force' ;;
    events) options='-f -j -r --full --json --ready' ;;
    kill) options='-s --signal' ;;
    links) options='-f --follow' ;;
    list) options='-o -s -p -h -H --order --sortby --parsable --header' ;;
    lookup) options='-j -o -1 --json --output --unique' ;;
    receive | recv) options='-f -P -s --from-json --have --pool --resumable' ;;
    reprovision) options='-f' ;;
    send) options='--since --have --resumable' ;;
    create-snapshot) options='--all-datasets' ;;
    reboot) options='-t -F --timeout --force' ;;
    stop | halt) options='-t -F --timeout --force' ;;
    update) options='-f --dry-run --strict' ;;
    validate) options='-f' ;;
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(vmadm lookup 2>/dev/null)" -- "$word")
  fi
}
complete -o default -F _vmadm vmadm
