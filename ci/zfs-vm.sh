#!/bin/bash
# zfs-vm.sh - run a command against REAL OpenZFS in a throw-away QEMU (TCG) machine.
#
#   zfs-vm.sh build                build the cached guest once (kernel + OpenZFS modules + rootfs)
#   zfs-vm.sh run CMD [ARG...]     boot the guest, run CMD inside it as root, propagate stdout,
#                                  stderr and the exit code, power the guest off
#   zfs-vm.sh clean                remove the cache
#
# Host needs: root, Debian bookworm (or trixie) with trixie main+contrib reachable by apt.
# No host kernel modules, no network in the guest, no KVM.
#
# Environment (all optional):
#   ZFS_VM_CACHE    cache directory                         [/var/cache/zfs-vm]
#   ZFS_VM_SUITE    Debian suite of the guest               [trixie]   (OpenZFS 2.3, Linux 6.12)
#   ZFS_VM_MIRROR   Debian mirror                           [the one that this machine's apt uses]
#   ZFS_VM_SHARE    host directory shared read-write        [$PWD]     (same path inside the guest)
#   ZFS_VM_MEM      guest memory in MiB                     [2048]
#   ZFS_VM_CPUS     guest CPUs                              [1]        (two are slower under TCG, and then the kernel, which patches itself while the other runs, may panic)
#   ZFS_VM_DISK     size of the scratch disk /dev/vda       [64G]      (sparse, new for each run)
#   ZFS_VM_POOL     pool made on /dev/vda before CMD, ""=none [zones]  (mounted on /zones)
#   ZFS_VM_TIMEOUT  seconds for the whole run               [1800]
#   ZFS_VM_ENV      names of variables to pass through      ["RUST_BACKTRACE RUST_LOG"]
#   ZFS_VM_ACCEL    QEMU accelerator                        [tcg,thread=multi,tb-size=512]
#   ZFS_VM_CPU      QEMU CPU model                          [max,-cx16,-la57] (QEMU 7.2 corrupts flags in cmpxchg16b under multi-threaded TCG: guest panics without -cx16)
#   ZFS_VM_CONSOLE  where the guest's console log is kept   [a temporary file, shown on a boot failure]
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

CACHE=${ZFS_VM_CACHE:-/var/cache/zfs-vm}
SUITE=${ZFS_VM_SUITE:-trixie}
MIRROR=${ZFS_VM_MIRROR-}
ROOTFS=$CACHE/rootfs
STAMP=$CACHE/ready-7
log() { printf 'zfs-vm: %s\n' "$*" >&2; }
die() { log "$*"; exit 125; }

host_deps() {
    local need=()
    command -v qemu-system-x86_64 >/dev/null || need+=(qemu-system-x86)
    command -v mmdebstrap >/dev/null || need+=(mmdebstrap)
    command -v virtiofsd >/dev/null || [ -x /usr/lib/qemu/virtiofsd ] || [ -x /usr/libexec/virtiofsd ] ||
        { apt-cache show virtiofsd >/dev/null 2>&1 && need+=(virtiofsd) || need+=(qemu-system-common); }
    [ ${#need[@]} -eq 0 ] && return
    log "installing on the host: ${need[*]}"
    "$HERE/apt-install.sh" "${need[@]}"
}

build() {
    [ -e "$STAMP" ] && return 0
    [ "$(id -u)" = 0 ] || die "build needs root"
    local t0=$SECONDS zdir
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"; flock 9
    [ -e "$STAMP" ] && return 0
    host_deps
    [ -n "$MIRROR" ] || find_mirror
    rm -rf --one-file-system "$ROOTFS"
    log "guest root file system ($SUITE) ..."
    mmdebstrap --quiet --variant=minbase --components=main,contrib \
        --aptopt='APT::Install-Recommends "false"' \
        --include=kmod,udev,linux-image-cloud-amd64,linux-headers-cloud-amd64,zfsutils-linux,libzfslinux-dev,make,gcc,libc6-dev,file \
        --customize-hook='chroot "$1" sh -c "cd /var/tmp && apt-get download -qq zfs-dkms && dpkg-deb -x zfs-dkms_*.deb / && rm zfs-dkms_*.deb"' \
        "$SUITE" "$ROOTFS" "$MIRROR" >&2
    log "root file system done after $((SECONDS - t0)) s; building the OpenZFS modules ..."
    zdir=$(basename "$ROOTFS"/usr/src/zfs-*)
    install -m 755 "$HERE/zfs-vm/build-modules" "$ROOTFS/root/build-zfs"
    # proc and dev only inside a private mount name space: nothing is left mounted on a failure
    unshare -m sh -ec '
        mount --make-rprivate /
        mount -t proc proc "$1/proc"; mount --bind /dev "$1/dev"
        exec env -u TMPDIR chroot "$1" bash /root/build-zfs' sh "$ROOTFS" ||
        { tail -n 30 "$ROOTFS/root/configure.log" "$ROOTFS/root/make.log" >&2; die "building the modules failed"; }
    log "modules done after $((SECONDS - t0)) s"
    rm -f "$ROOTFS"/boot/initrd.img*
    mkdir -p "$ROOTFS/zones"
    touch "$STAMP"
    log "guest ready after $((SECONDS - t0)) s: OpenZFS ${zdir#zfs-}, $(du -sxh "$ROOTFS" | cut -f1)"
    flock -u 9
}

# The mirror of Debian that this machine's apt uses; apt knows it once its lists are there.
find_mirror() {
    local try
    for try in 1 2; do
        MIRROR=$(apt-get indextargets --format '$(REPO_URI)' | awk '/\/debian\/?$/ && !n++')
        [ -z "$MIRROR" ] || return 0
        [ $try = 2 ] || apt-get update -qq
    done
    die "apt has no mirror of Debian: name one in ZFS_VM_MIRROR"
}

virtiofsd_bin() {
    local b
    for b in virtiofsd /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do
        command -v "$b" && return
    done
    die "no virtiofsd"
}

# virtiofs NAME DIR: starts a daemon serving DIR
start_fs() {
    local vfd; vfd=$(virtiofsd_bin)
    if "$vfd" --help 2>&1 | grep -q -- --shared-dir; then
        "$vfd" --socket-path="$W/$1.sock" --shared-dir "$2" --cache "$3" --sandbox none --xattr >"$W/$1.log" 2>&1 &
    else
        "$vfd" --socket-path="$W/$1.sock" -o source="$2" -o cache="$3" -o sandbox=chroot -o xattr >"$W/$1.log" 2>&1 &
    fi
    PIDS+=($!)
    for _ in $(seq 100); do [ -S "$W/$1.sock" ] && return; sleep 0.05; done
    cat "$W/$1.log" >&2; die "virtiofsd for $1 did not start"
}

run() {
    [ $# -gt 0 ] || die "run: no command"
    build
    local share=${ZFS_VM_SHARE:-$PWD} mem=${ZFS_VM_MEM:-2048} rc v
    share=$(readlink -f "$share")
    install -m 755 "$HERE/zfs-vm/init" "$ROOTFS/sbin/zfs-vm-init" # not from the cache: it may have changed since
    # the guest's root is read-only: its mount points are made from outside
    mkdir -p "$ROOTFS$share" "$ROOTFS/rpool"
    W=$(mktemp -d /tmp/zfs-vm.XXXXXX); PIDS=()
    cleanup() { for p in "${PIDS[@]}"; do kill "$p" 2>/dev/null || :; done; wait 2>/dev/null || :; rm -rf "$W"; }
    trap cleanup EXIT; trap 'exit 130' INT TERM
    local con=${ZFS_VM_CONSOLE:-$W/console}
    mkdir "$W/ctl"
    { echo "ZFS_VM_POOL=${ZFS_VM_POOL-zones}"
      for v in ${ZFS_VM_ENV-RUST_BACKTRACE RUST_LOG}; do [ -n "${!v+x}" ] && printf 'export %s=%q\n' "$v" "${!v}"; done
      echo "export ZFS_VM=1"; } >"$W/ctl/env"
    printf '%s\n' "$share" >"$W/ctl/share"
    if [ $# -eq 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; echo; fi >"$W/ctl/cmd"
    truncate -s "${ZFS_VM_DISK:-64G}" "$W/disk"
    start_fs root "$ROOTFS" always; start_fs ctl "$W/ctl" none; start_fs share "$share" auto
    local fs=() n
    for n in root ctl share; do
        fs+=(-chardev "socket,id=$n,path=$W/$n.sock" -device "vhost-user-fs-pci,chardev=$n,tag=$n,queue-size=512")
    done
    # two FIFOs: QEMU would open (and so truncate or overwrite) a regular file of the caller's
    mkfifo "$W/out" "$W/err"
    cat "$W/out" & local c1=$!; cat "$W/err" >&2 & local c2=$!; PIDS+=("$c1" "$c2")
    set +e
    timeout --foreground "${ZFS_VM_TIMEOUT:-1800}" qemu-system-x86_64 \
        -machine q35,memory-backend=mem -accel "${ZFS_VM_ACCEL:-tcg,thread=multi,tb-size=512}" -cpu "${ZFS_VM_CPU:-max,-cx16,-la57}" \
        -smp "${ZFS_VM_CPUS:-1}" -m "$mem" -object memory-backend-memfd,id=mem,size="${mem}M",share=on \
        -nodefaults -display none -no-reboot -no-user-config \
        -kernel "$(ls "$ROOTFS"/boot/vmlinuz-*)" \
        -append "root=root rootfstype=virtiofs ro init=/sbin/zfs-vm-init console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on tsc=reliable audit=0 ${ZFS_VM_APPEND-}" \
        -serial "file:$con" \
        -drive "if=none,id=d0,file=$W/disk,format=raw,cache=unsafe,discard=unmap" -device virtio-blk-pci,drive=d0 \
        -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
        "${fs[@]}" -device virtio-serial-pci \
        -chardev file,id=out,path="$W/out" -device virtserialport,chardev=out,name=out \
        -chardev file,id=err,path="$W/err" -device virtserialport,chardev=err,name=err \
        </dev/null
    rc=$?
    # a QEMU that died before opening them would leave the readers waiting: open and close each once
    timeout 1 bash -c ': >"$1"; : >"$2"' sh "$W/out" "$W/err"; wait $c1 $c2
    set -e
    if [ -s "$W/ctl/rc" ]; then exit "$(cat "$W/ctl/rc")"; fi
    log "the guest gave no exit code (qemu: $rc); end of its console:"; tail -n 40 "$con" >&2
    [ "$rc" = 124 ] && exit 124
    exit 125
}

case ${1-} in
build) build ;;
run) shift; run "$@" ;;
clean) rm -rf --one-file-system "$CACHE" ;;
*) sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//p}' "$HERE/zfs-vm.sh"; exit 2 ;;
esac
