# shellcheck shell=bash
# What ci/omnios-vm.sh and ci/smartos-vm.sh share: bring a machine up, install the package, run the tests, fetch the
# results. The caller sets NAME and defines prepare_image (before the boot) and boot_arguments (QEMU's, one a line).

usage() {
  sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//p}' "$SCRIPT"
  exit 2
}

parse() {
  IMAGE='' SSH_HOST='' PACKAGE='' OUT=$PWD/target/$NAME DRY='' KEY='' PORT=2222
  while (($#)); do
    case $1 in
      --image) IMAGE=${2:?} && shift 2 ;;
      --ssh) SSH_HOST=${2:?} && shift 2 ;;
      --package) PACKAGE=${2:?} && shift 2 ;;
      --out) OUT=${2:?} && shift 2 ;;
      --key) KEY=${2:?} && shift 2 ;;
      --port) PORT=${2:?} && shift 2 ;;
      --dry-run) DRY=1 && shift ;;
      *) usage ;;
    esac
  done
  [[ -n $IMAGE || -n $SSH_HOST ]] || usage
}

say() { printf '%s-vm: %s\n' "$NAME" "$*" >&2; }

# Prints the command in a dry run, else runs it.
do_it() {
  if [[ -n $DRY ]]; then printf '+ %s\n' "${*@Q}"; else "$@"; fi
}

ssh_options() {
  printf '%s\n' -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o "UserKnownHostsFile=$OUT/known_hosts" -o ConnectTimeout=5
  if [[ -n $KEY ]]; then printf '%s\n' -i "$KEY"; fi
  if [[ -n $IMAGE ]]; then printf '%s\n' -p "$PORT"; fi
}

remote() { # COMMAND...: runs it on the machine as root
  local options
  mapfile -t options < <(ssh_options)
  do_it ssh "${options[@]}" "$SSH_HOST" "$@"
}

# Starts the image in QEMU, its disk left as it is: what the run writes goes to an overlay.
bring_up() {
  [[ -n $IMAGE ]] || return 0
  SSH_HOST=root@127.0.0.1
  prepare_image
  local arguments
  mapfile -t arguments < <(accelerator; boot_arguments)
  say "booting $IMAGE"
  if [[ -n $DRY ]]; then
    printf '+ %s &\n' "qemu-system-x86_64 ${arguments[*]@Q}"
    return 0
  fi
  qemu-system-x86_64 "${arguments[@]}" &
  QEMU=$!
  trap 'kill "$QEMU" 2>/dev/null || true' EXIT
  local waited=0
  until remote true 2>/dev/null; do
    kill -0 "$QEMU" 2>/dev/null || { say "the machine ended"; exit 1; }
    ((waited += 5)) && ((waited < 900)) || { say "no SSH after 15 minutes"; exit 1; }
    sleep 5
  done
}

# Acceleration where the host has it.
accelerator() {
  if [[ -w /dev/kvm ]]; then printf '%s\n' -enable-kvm -cpu host; else printf '%s\n' -cpu max; fi
}

build_package() {
  [[ -n $PACKAGE ]] && return 0
  do_it ci/package.sh --out "$OUT/package"
  PACKAGE=$OUT/package/zonekit.tar.gz
}

# The end-to-end tests, linked for illumos, one file each.
build_tests() {
  do_it ci/test-programs.sh "$OUT/tests" ci/check-illumos.sh test --release -p e2e
  do_it tar -cf "$OUT/tests.tar" -C "$OUT/tests" .
}

copy() { # FILE REMOTE
  if [[ -n $DRY ]]; then
    printf '+ copy %s to %s:%s\n' "$1" "$SSH_HOST" "$2"
  else
    remote "cat > $2" <"$1"
  fi
}

# What runs on the machine: each test program in its turn. Tests that need what it has not are skipped, and counted.
on_the_machine() {
  cat <<'END'
cd /var/tmp/zonekit-tests || exit
PATH=/opt/zonekit/bin:$PATH ZONEKIT_BIN_DIR=/opt/zonekit/bin ZONEKIT_E2E_ROOT=/ ZONEKIT_E2E_SKIPPED=$PWD/skipped
export PATH ZONEKIT_BIN_DIR ZONEKIT_E2E_ROOT ZONEKIT_E2E_SKIPPED
failed=0
for program in ./*-*; do
  echo "--- $program"
  timeout 1800 "$program" --test-threads=1 || failed=1
done
test ! -f skipped || { echo "skipped, $(wc -l <skipped) tests:"; cat skipped; }
exit $failed
END
}

# Installs the package, runs every test program with the real root, and brings the results back.
test_there() {
  copy "$PACKAGE" /var/tmp/zonekit.tar.gz
  copy "$OUT/tests.tar" /var/tmp/zonekit-tests.tar
  remote 'cd / && gzip -dc /var/tmp/zonekit.tar.gz | tar xf -'
  remote 'mkdir -p /var/tmp/zonekit-tests && cd /var/tmp/zonekit-tests && tar xf ../zonekit-tests.tar'
  local code=0
  if [[ -n $DRY ]]; then
    remote "$(on_the_machine)"
  else
    remote "$(on_the_machine)" >"$OUT/results.log" 2>&1 || code=$?
    say "results in $OUT/results.log"
  fi
  remote 'rm -rf /var/tmp/zonekit.tar.gz /var/tmp/zonekit-tests /var/tmp/zonekit-tests.tar'
  remote '/opt/zonekit/lib/uninstall'
  return $code
}

main() {
  parse "$@"
  [[ -n $DRY ]] || mkdir -p "$OUT"
  build_package
  build_tests
  bring_up
  test_there
}
