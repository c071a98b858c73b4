#compdef imgadm
# zsh completion of imgadm; written by `cargo xtask completions`
_imgadm() {
  local -a options
  if ((CURRENT == 2)); then
    compadd -- ancestry avail available create delete destroy get import info install latest list mirror publish serve show sources update vacuum verify
    return
  fi
  case ${words[2]} in
    sources) options=(--help -h --verbose -v --json -j -a --add-docker-hub -d -e --check -c --type -t --insecure -k --force -f) ;;
    avail | available) options=(--help -h --json -j -H -o -s) ;;
    show) options=(--help -h) ;;
    import) options=(--channel -C --help -h --quiet -q -P --source -S --zstream --name --version --os --save) ;;
    install) options=(--help -h -m -f --quiet -q -P) ;;
    list) options=(--help -h --json -j -H -o -s --docker) ;;
    get | info) options=(--help -h -P -r) ;;
    update) options=(--help -h --dry-run -n) ;;
    delete | destroy) options=(--help -h -P) ;;
    ancestry) options=(--help -h --json -j -H -o -P) ;;
    vacuum) options=(--help -h --dry-run -n --force -f) ;;
    create) options=(--help -h -m --output-template -o --compression -c --incremental -i --max-origin-depth -s --publish -p --quiet -q) ;;
    publish) options=(--help -h -m -f --quiet -q) ;;
    serve) options=(--help -h --listen -l --port -p --token-file) ;;
    mirror) options=(--help -h --quiet -q --source -S --dry-run -n) ;;
    latest) options=(--help -h --json -j -H -o) ;;
    verify) options=(--help -h -P -f) ;;
  esac
  if [[ ${words[CURRENT]} == -* ]]; then
    compadd -- $options
  else
    compadd -- ${(f)"$(imgadm list -H -o uuid 2>/dev/null)"}
    _files
  fi
}
_imgadm "$@"
