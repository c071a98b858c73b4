# fish completion of vmadm; written by `cargo xtask completions`
set -l commands boot console create create-snapshot delete delete-snapshot destroy events get halt help info install json kill links list lookup reboot receive recover recv reprovision rollback-snapshot send start stop sysrq update validate
complete -c vmadm -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c vmadm -n "__fish_seen_subcommand_from $commands" -a "(vmadm lookup 2>/dev/null)"
complete -c vmadm -n "__fish_seen_subcommand_from create" -s f -l dry-run -l strict -l keep-failed
complete -c vmadm -n "__fish_seen_subcommand_from delete destroy" -s F -l force
complete -c vmadm -n "__fish_seen_subcommand_from events" -s f -s j -s r -l full -l json -l ready
complete -c vmadm -n "__fish_seen_subcommand_from kill" -s s -l signal
complete -c vmadm -n "__fish_seen_subcommand_from links" -s f -l follow
complete -c vmadm -n "__fish_seen_subcommand_from list" -s o -s s -s p -s h -s H -l order -l sortby -l parsable -l header
complete -c vmadm -n "__fish_seen_subcommand_from lookup" -s j -s o -s 1 -l json -l output -l unique
complete -c vmadm -n "__fish_seen_subcommand_from receive recv" -s f -s P -s s -l from-json -l have -l pool -l resumable
complete -c vmadm -n "__fish_seen_subcommand_from reprovision" -s f
complete -c vmadm -n "__fish_seen_subcommand_from send" -l since -l have -l resumable
complete -c vmadm -n "__fish_seen_subcommand_from create-snapshot" -l all-datasets
complete -c vmadm -n "__fish_seen_subcommand_from reboot" -s t -s F -l timeout -l force
complete -c vmadm -n "__fish_seen_subcommand_from stop halt" -s t -s F -l timeout -l force
complete -c vmadm -n "__fish_seen_subcommand_from update" -s f -l dry-run -l strict
complete -c vmadm -n "__fish_seen_subcommand_from validate" -s f
