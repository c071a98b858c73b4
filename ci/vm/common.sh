# shellcheck shell=bash
# What ci/omnios-vm.sh and ci/smartos-vm.sh share: bring a machine up, install the package, run the tests, fetch the
# results. The caller sets NAME and defines prepare_image (before the boot), boot_arguments (QEMU's, one a line) and
# prepare_machine (before the tests); REQUIRED names tests that may not be skipped.

# The device that says that there may be hardware virtualisation; any other path has the processor emulated.
KVM=${KVM:-/dev/kvm}

usage() {
  sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//p}' "$SCRIPT"
  exit 2
}

# shellcheck disable=SC2034 # the callers read what is set here
parse() {
  IMAGE='' POOL='' SSH_HOST='' PACKAGE='' OUT=$PWD/target/$NAME DRY='' KEY='' PORT=2222
  while (($#)); do
    case $1 in
      --image) IMAGE=${2:?} && shift 2 ;;
      --pool) POOL=${2:?} && shift 2 ;;
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
  # Each boot of a new overlay has host keys of its own.
  do_it rm -f "$OUT/known_hosts"
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

# Acceleration where it works, which a device that opens does not tell: QEMU may end at once, or the guest may stop or
# crawl. Emulated processors are without what QEMU 7.2 emulates wrongly on several threads (ci/zfs-vm.sh).
accelerator() {
  local why
  if [[ ! -w $KVM ]]; then
    why="no $KVM to write to"
  elif why=$(try_kvm); then
    printf '%s\n' -accel kvm -cpu host
    return 0
  fi
  say "emulating the processor, which is slow: $why"
  printf '%s\n' -accel tcg,thread=multi -cpu max,-cx16,-la57
}

# Boots a machine from a sector that ends it by its own instruction, with the exit code 85; says why where it does not.
try_kvm() {
  local directory code=0
  directory=$(mktemp -d)
  # mov dx, 0xf4; mov al, 42; out dx, al; hlt
  { printf '\xba\xf4\x00\xb0\x2a\xee\xf4' && head -c 503 /dev/zero && printf '\x55\xaa'; } >"$directory/sector"
  timeout 10 qemu-system-x86_64 -accel kvm -cpu host -m 64 -nodefaults -display none -no-reboot \
    -drive "file=$directory/sector,format=raw,if=ide" -device isa-debug-exit,iobase=0xf4,iosize=1 \
    </dev/null >"$directory/said" 2>&1 || code=$?
  case $code in
    85) ;;
    124) echo "a guest under KVM did not boot within 10 s" ;;
    *) echo "a guest under KVM ended with $code: $(head -n 1 "$directory/said")" ;;
  esac
  rm -rf "$directory"
  [[ $code == 85 ]]
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
  sed "s/@REQUIRED@/${REQUIRED-}/" <<'END'
cd /var/tmp/zonekit-tests || exit
# SSH may give a command no more of a PATH than /usr/bin.
ZONEKIT_E2E_REQUIRED='@REQUIRED@'
PATH=/opt/zonekit/bin:/usr/sbin:/usr/bin:/sbin:$PATH ZONEKIT_BIN_DIR=/opt/zonekit/bin ZONEKIT_E2E_ROOT=/ ZONEKIT_E2E_SKIPPED=$PWD/skipped
export PATH ZONEKIT_BIN_DIR ZONEKIT_E2E_ROOT ZONEKIT_E2E_SKIPPED ZONEKIT_E2E_REQUIRED
failed=0 limit=
! command -v timeout >/dev/null || limit='timeout 1800'
for program in ./*-*; do
  echo "--- $program"
  $limit "$program" --test-threads=1 || failed=1
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
  prepare_machine
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
