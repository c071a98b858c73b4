# shellcheck shell=bash
# report FILE...: what linked files need; fails on an import that illumos does not export.

imports_of() { # FILE: "BINDING NAME" for each undefined dynamic symbol
  readelf --dyn-syms -W "$1" | awk '$7 == "UND" && $8 != "" { sub(/@.*/, "", $8); print $5, $8 }' | sort -u
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
  done
  return $bad
}
