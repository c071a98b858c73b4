# fish completion of vmadm; written by `cargo xtask completions`
set -l commands boot console create create-snapshot delete delete-snapshot destroy events get halt help info install json kill links list lookup reboot receive recover recv reprovision rollback-snapshot send start stop sysrq update validate
complete -c vmadm -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c vmadm -n "__fish_seen_subcommand_from $commands" -a "(vmadm lookup 2>/dev/null)"
complete -c vmadm -n "__fish_seen_subcommand_from create" -l dry-run -l strict -l keep-failed -s f
complete -c vmadm -n "__fish_seen_subcommand_from delete destroy" -l force -s F
complete -c vmadm -n "__fish_seen_subcommand_from events" -l full -s f -l json -s j -l ready -s r
complete -c vmadm -n "__fish_seen_subcommand_from kill" -l signal -s s
complete -c vmadm -n "__fish_seen_subcommand_from links" -l follow -s f
complete -c vmadm -n "__fish_seen_subcommand_from list" -l order -s o -l sortby -s s -l parsable -s p -l header -s h -s H
complete -c vmadm -n "__fish_seen_subcommand_from lookup" -l json -s j -l output -s o -l unique -s 1
complete -c vmadm -n "__fish_seen_subcommand_from receive recv" -l from-json -l have -l pool -s P -l resumable -s s -s f
complete -c vmadm -n "__fish_seen_subcommand_from reprovision" -s f
complete -c vmadm -n "__fish_seen_subcommand_from send" -l since -l have -l resumable
complete -c vmadm -n "__fish_seen_subcommand_from create-snapshot" -l all-datasets
complete -c vmadm -n "__fish_seen_subcommand_from reboot" -l timeout -s t -l force -s F
complete -c vmadm -n "__fish_seen_subcommand_from stop halt" -l timeout -s t -l force -s F
complete -c vmadm -n "__fish_seen_subcommand_from update" -l dry-run -l strict -s f
complete -c vmadm -n "__fish_seen_subcommand_from validate" -s f
