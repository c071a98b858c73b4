# fish completion of bhyve-ctl; written by `cargo xtask completions`
set -l commands cmdline console devices list metadata nmi powerdown poweroff qmp reset screenshot seed stats status vnc
complete -c bhyve-ctl -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c bhyve-ctl -n "__fish_seen_subcommand_from $commands" -a "(vmadm lookup 2>/dev/null)"
complete -c bhyve-ctl -n "__fish_seen_subcommand_from cmdline" -l xml -l flavour -s j -l json -l config
complete -c bhyve-ctl -n "__fish_seen_subcommand_from status" -s j -l json
complete -c bhyve-ctl -n "__fish_seen_subcommand_from stats" -s j -l json
complete -c bhyve-ctl -n "__fish_seen_subcommand_from devices" -s j -l json
complete -c bhyve-ctl -n "__fish_seen_subcommand_from powerdown" -s t -l timeout
complete -c bhyve-ctl -n "__fish_seen_subcommand_from list" -s j -l json
complete -c bhyve-ctl -n "__fish_seen_subcommand_from vnc" -l listen
complete -c bhyve-ctl -n "__fish_seen_subcommand_from metadata" -l socket -l file
