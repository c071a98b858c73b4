# shellcheck shell=bash
# report FILE...: what linked files need; fails on an import that illumos does not export and on a missing DTrace probe.

imports_of() { # FILE: "BINDING NAME" for each undefined dynamic symbol
  readelf --dyn-syms -W "$1" | awk '$7 == "UND" && $8 != "" { sub(/@.*/, "", $8); print $5, $8 }' | sort -u
}

# The probe sites in a file. The macros of the usdt crate are compiled for the machine that they run on: built here, a
# program has its sites where Linux looks for them, in notes; built on illumos, where DTrace does. A site that the
# linker left out keeps its note, with an address below the program's.
probes_of() { # FILE: their names
  readelf -nW "$1" 2>/dev/null |
    awk '/^ *Name: / { name = $2 } /^ *Location: / { sub(/^0x0*/, "", $2); if (length($2) > 6) print name }' | sort -u
}

# The programs that run tools have probes around that; what else they have around what they do depends on it.
check_probes() { # FILE
  local wanted='' name
  case ${1##*/} in
    vmadm) wanted="tool-start tool-done step-start step-done" ;;
    imgadm) wanted="tool-start tool-done stage-start stage-done" ;;
    bhyve-ctl) wanted="tool-start tool-done" ;;
  esac
  for name in $wanted; do
    probes_of "$1" | grep -q -x "$name" || { echo "  no probe site $name"; return 1; }
  done
  [[ -z $wanted ]] || echo "  probe sites: $(probes_of "$1" | paste -sd' ')"
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
