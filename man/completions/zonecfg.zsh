#compdef zonecfg
# zsh completion of zonecfg; written by `cargo xtask completions`
_zonecfg() {
  case ${words[CURRENT - 1]} in
    -z) compadd -- ${(f)"$(zoneadm list -c 2>/dev/null)"} ;;
    zonecfg) compadd -- -z -u -f -R lint ;;
    *) if [[ ${words[CURRENT]} == -* ]]; then compadd -- -z -u -f -R; else _files; fi ;;
  esac
}
_zonecfg "$@"
