# bash completion of zonecfg; written by `cargo xtask completions`
_zonecfg() {
  local word=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    -z) mapfile -t COMPREPLY < <(compgen -W "$(zoneadm list -c 2>/dev/null)" -- "$word") ;;
    zonecfg) mapfile -t COMPREPLY < <(compgen -W '-z -u -f -R lint' -- "$word") ;;
    *) [[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W '-z -u -f -R' -- "$word") ;;
  esac
}
complete -o default -F _zonecfg zonecfg
