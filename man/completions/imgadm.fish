# fish completion of imgadm; written by `cargo xtask completions`
set -l commands ancestry avail available create delete destroy get import info install latest list mirror publish serve show sources update vacuum verify
complete -c imgadm -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c imgadm -n "__fish_seen_subcommand_from $commands" -a "(imgadm list -H -o uuid 2>/dev/null)"
complete -c imgadm -n "__fish_seen_subcommand_from sources" -l help -s h -l verbose -s v -l json -s j -s a -l add-docker-hub -s d -s e -l check -s c -l type -s t -l insecure -s k -l force -s f
complete -c imgadm -n "__fish_seen_subcommand_from avail available" -l help -s h -l json -s j -s H -s o -s s
complete -c imgadm -n "__fish_seen_subcommand_from show" -l help -s h
complete -c imgadm -n "__fish_seen_subcommand_from import" -l channel -s C -l help -s h -l quiet -s q -s P -l source -s S -l zstream -l name -l version -l os -l save
complete -c imgadm -n "__fish_seen_subcommand_from install" -l help -s h -s m -s f -l quiet -s q -s P
complete -c imgadm -n "__fish_seen_subcommand_from list" -l help -s h -l json -s j -s H -s o -s s -l docker
complete -c imgadm -n "__fish_seen_subcommand_from get info" -l help -s h -s P -s r
complete -c imgadm -n "__fish_seen_subcommand_from update" -l help -s h -l dry-run -s n
complete -c imgadm -n "__fish_seen_subcommand_from delete destroy" -l help -s h -s P
complete -c imgadm -n "__fish_seen_subcommand_from ancestry" -l help -s h -l json -s j -s H -s o -s P
complete -c imgadm -n "__fish_seen_subcommand_from vacuum" -l help -s h -l dry-run -s n -l force -s f
complete -c imgadm -n "__fish_seen_subcommand_from create" -l help -s h -s m -l output-template -s o -l compression -s c -l incremental -s i -l max-origin-depth -s s -l publish -s p -l quiet -s q
complete -c imgadm -n "__fish_seen_subcommand_from publish" -l help -s h -s m -s f -l quiet -s q
complete -c imgadm -n "__fish_seen_subcommand_from serve" -l help -s h -l listen -s l -l port -s p -l token-file
complete -c imgadm -n "__fish_seen_subcommand_from mirror" -l help -s h -l quiet -s q -l source -s S -l dry-run -s n
complete -c imgadm -n "__fish_seen_subcommand_from latest" -l help -s h -l json -s j -s H -s o
complete -c imgadm -n "__fish_seen_subcommand_from verify" -l help -s h -s P -s f
