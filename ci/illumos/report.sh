# shellcheck shell=bash
# report FILE...: what linked files need; fails on an import that illumos does not export and on a missing DTrace probe.

imports_of() { # FILE: "BINDING NAME" for each undefined dynamic symbol
  readelf --dyn-syms -W "$1" | awk '$7 == "UND" && $8 != "" { sub(/@.*/, "", $8); print $5, $8 }' | sort -u
}

# DTrace learns of probes from a section in which each has a record that holds its name.
PROBES="tool__start tool__done step__start step__done stage__start stage__done"

probes_of() { # FILE: the names of the probes in it
  readelf -p set_dtrace_probes -W "$1" 2>/dev/null | grep -o -w -E "${PROBES// /|}" | sort -u
}

# The programs that run tools have probes around that; what else they have around what they do depends on it.
check_probes() { # FILE
  local wanted='' name
  case ${1##*/} in
    vmadm) wanted="tool__start tool__done step__start step__done" ;;
    imgadm) wanted="tool__start tool__done stage__start stage__done" ;;
    bhyve-ctl) wanted="tool__start tool__done" ;;
  esac
  for name in $wanted; do
    probes_of "$1" | grep -q -x "$name" || { echo "  no DTrace probe $name"; return 1; }
  done
  [[ -z $wanted ]] || echo "  DTrace probes: $(probes_of "$1" | paste -sd' ')"
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
