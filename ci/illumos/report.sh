# shellcheck shell=bash
# report FILE...: what linked files need; fails on an import that illumos does not export and on a missing DTrace probe.

imports_of() { # FILE: "BINDING NAME" for each undefined dynamic symbol
  readelf --dyn-syms -W "$1" | awk '$7 == "UND" && $8 != "" { sub(/@.*/, "", $8); print $5, $8 }' | sort -u
}

TOOL_PROBES=('tool-start(char*)' 'tool-done(char*, int32_t, uint64_t)')

# The programs that run tools have probes around that; what else they have around what they do depends on it.
check_probes() { # FILE
  local wanted=("${TOOL_PROBES[@]}") found probe
  case ${1##*/} in
    vmadm) wanted+=('step-start(char*)' 'step-done(char*, uint8_t)') ;;
    imgadm) wanted+=('stage-start(char*, char*)' 'stage-done(char*, char*, uint8_t)') ;;
    bhyve-ctl) ;;
    *) return 0 ;;
  esac
  found=$("$CARGO" run -q -p probes --example records -- "$1") || return 1
  for probe in "${wanted[@]}"; do
    grep -q -x -F "zonekit:::$probe" <<<"$found" || { echo "  no probe $probe"; return 1; }
  done
  sed 's/^/  probe /' <<<"$found"
}

report() {
  local f bad=0
  (($#)) || { say "nothing was linked"; return 1; }
  for f in "$@"; do
    printf '%s: %s bytes, needs %s\n' "${f##*/}" "$(stat -c %s "$f")" \
      "$(readelf -dW "$f" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | paste -sd' ')"
    imports_of "$f" | awk '
      FNR == NR { have[$2] = $3; next }
      $2 ~ /^(_Unwind_|__register_frame_info|__deregister_frame_info|__stack_chk_)/ { next }
      !($2 in have) {
        print "  not exported by illumos" ($1 == "WEAK" ? " (weak, may be absent): " : ": ") $2
        if ($1 != "WEAK") bad = 1
        next
      }
      have[$2] ~ /^ILLUMOS_0\./ {
        n = substr(have[$2], 11) + 0
        if (n > top) { top = n; who = $2 }
      }
      END { if (top) print "  newest interface: " who " (ILLUMOS_0." top ")"; exit bad }
    ' "$EXPORTS" - || bad=1
    check_probes "$f" || bad=1
  done
  return $bad
}
