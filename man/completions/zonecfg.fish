# fish completion of zonecfg; written by `cargo xtask completions`
complete -c zonecfg -s z -x -a "(zoneadm list -c 2>/dev/null)"
complete -c zonecfg -s u -s f -s R -r
complete -c zonecfg -n __fish_use_subcommand -a lint
