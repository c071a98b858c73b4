//! A root directory with stand-ins for zfs, zoneadm and sysinfo: enough of them to see what imgadm asks for and leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Keeps datasets in `sim/datasets`, a line each: name, tab, origin. A stream is a line `STREAM LENGTH ORIGIN SNAPSHOT…`
/// and as many bytes after it as LENGTH says. `sim/fail` holds an operation that fails and the message it fails with.
const ZFS: &str = r#"#!/bin/sh
top=${0%/usr/sbin/zfs}/sim
echo "zfs $*" >> "$top/calls"
if [ -f "$top/fail" ]; then
    operation=$(head -n 1 "$top/fail")
    case "zfs $*" in "$operation"*) [ "$1" = receive ] && cat > /dev/null; tail -n +2 "$top/fail" >&2; exit 1;; esac
fi
tab=$(printf '\t')
names() { cut -f 1 "$top/datasets" | sort; }
missing() { echo "cannot open '$1': dataset does not exist" >&2; exit 1; }
has() { names | grep -qxF "$1"; }
case $1 in
list)
    eval "last=\${$#}"
    case "$*" in
    "list -H -p -o name "*) has "$last" || missing "$last"; echo "$last";;
    "list -t filesystem,volume -pH -o name,origin,mountpoint,imgadm:ignore")
        awk -F '\t' '$1 !~ /@/' "$top/datasets" | sort | while IFS=$tab read -r name origin; do
            printf '%s\t%s\t/%s\t-\n' "$name" "$origin" "$name"
        done;;
    "list -t snapshot -pH -o name "*|"list -t filesystem,volume -pH -o name "*)
        shift 6; absent=0
        for name in "$@"; do
            if has "$name"; then echo "$name"; else
                echo "cannot open '$name': dataset does not exist" >&2; absent=1; fi
        done
        exit $absent;;
    "list -t all -pHr -o name "*) has "$last" || missing "$last"; names | grep -e "^$last\$" -e "^$last@";;
    "list -t filesystem,volume -o origin,name -pH")
        sort "$top/datasets" | awk -F '\t' '$1 !~ /@/ { print $2 "\t" $1 }';;
    *) echo "unexpected: zfs $*" >&2; exit 2;;
    esac;;
receive)
    if has "$2"; then
        cat > /dev/null
        echo "cannot receive new filesystem stream: destination '$2' exists" >&2; exit 1
    fi
    cat > "$top/stream.$$"
    read -r magic length origin snapshots < "$top/stream.$$"
    total=$(wc -c < "$top/stream.$$")
    head=$(head -n 1 "$top/stream.$$" | wc -c)
    rm "$top/stream.$$"
    [ "$magic" = STREAM ] || { echo "cannot receive: invalid stream (bad magic number)" >&2; exit 1; }
    [ $((total - head)) -eq "$length" ] ||
        { echo "cannot receive new filesystem stream: incomplete stream ($total bytes)" >&2; exit 1; }
    printf '%s\t%s\n' "$2" "$origin" >> "$top/datasets"
    for snapshot in $snapshots; do printf '%s@%s\t-\n' "$2" "$snapshot" >> "$top/datasets"; done;;
rename)
    shift; [ "$1" = -r ] && shift
    has "$1" || missing "$1"
    for place in . dev/zvol/rdsk; do
        [ -e "$top/../$place/$1" ] && mv "$top/../$place/$1" "$top/../$place/$2"
    done
    awk -F '\t' -v from="$1" -v to="$2" 'BEGIN { OFS = FS }
        $1 == from || index($1, from "@") == 1 { $1 = to substr($1, length(from) + 1) } { print }' \
        "$top/datasets" > "$top/new" && mv "$top/new" "$top/datasets";;
destroy)
    eval "last=\${$#}"
    has "$last" || missing "$last"
    awk -F '\t' -v gone="$last" '$1 != gone && index($1, gone "@") != 1' "$top/datasets" > "$top/new"
    mv "$top/new" "$top/datasets";;
create)
    if [ "$2" = -V ]; then
        device="$top/../dev/zvol/rdsk/$4"
        mkdir -p "${device%/*}"; truncate -s "$3" "$device"; shift 2
    else
        mkdir -p "$top/../$2"
    fi
    printf '%s\t-\n' "$2" >> "$top/datasets";;
clone)
    has "$2" || missing "$2"
    cp -R "$top/../${2%@*}" "$top/../$3"; printf '%s\t%s\n' "$3" "$2" >> "$top/datasets";;
snapshot) printf '%s\t-\n' "$2" >> "$top/datasets";;
get)
    case $6 in
    mountpoint) echo "mountpoint$tab/$7";;
    available) printf 'available\t%s\n' "$(cat "$top/available" 2>/dev/null || echo 1099511627776)";;
    type,origin) grep "^$7$tab" "$top/datasets" | sed "s/.*$tab/type${tab}filesystem\norigin$tab/";;
    guid) sed -n "s|^$7 guid=||p" "$top/properties" 2>/dev/null | sed "s/^/guid$tab/";;
    *) echo "unexpected: zfs $*" >&2; exit 2;;
    esac;;
*) echo "unexpected: zfs $*" >&2; exit 2;;
esac
"#;

const ZONEADM: &str = "#!/bin/sh\necho '0:global:running:/::liveimg:shared:0'\n";
const SYSINFO: &str =
    "#!/bin/sh\necho '{\"Live Image\": \"20260301T000000Z\", \"SDC Version\": \"7.0\"}'\n";

/// A root with its tools.
pub struct Sim {
    dir: tempfile::TempDir,
}

impl Sim {
    pub fn new() -> Self {
        let sim = Self { dir: tempfile::tempdir().unwrap() };
        for (path, text) in
            [("usr/sbin/zfs", ZFS), ("usr/sbin/zoneadm", ZONEADM), ("usr/bin/sysinfo", SYSINFO)]
        {
            let path = sim.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir_all(sim.path("sim")).unwrap();
        fs::write(sim.path("sim/datasets"), "zones\t-\n").unwrap();
        sim
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(path)
    }

    /// The names of all datasets and snapshots, in order.
    pub fn datasets(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("sim/datasets")).unwrap();
        let mut names: Vec<String> =
            text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Makes an operation (`zfs rename`) fail with a message, or none.
    pub fn fail(&self, fault: Option<(&str, &str)>) {
        let path = self.path("sim/fail");
        match fault {
            Some((operation, message)) => {
                fs::write(path, format!("{operation}\n{message}\n")).unwrap();
            }
            None => drop(fs::remove_file(path)),
        }
    }

    /// The raw content of the only volume below this root.
    pub fn volume(&self) -> Vec<u8> {
        let list = fs::read_dir(self.path("dev/zvol/rdsk/zones")).unwrap();
        let mut paths: Vec<PathBuf> = list.map(|entry| entry.unwrap().path()).collect();
        let only = paths.pop().unwrap();
        assert!(paths.is_empty(), "{paths:?}");
        fs::read(only).unwrap()
    }

    /// Configures these sources and no others.
    pub fn sources(&self, urls: &[&str]) {
        let list: Vec<_> =
            urls.iter().map(|url| serde_json::json!({"type": "imgapi", "url": url})).collect();
        let conf = serde_json::json!({"upgradedToVer": "3.0.0", "sources": list});
        fs::create_dir_all(self.path("var/imgadm")).unwrap();
        fs::write(self.path("var/imgadm/imgadm.conf"), conf.to_string()).unwrap();
    }

    /// imgadm, about to be run on this root.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgadm"));
        command
            .args(arguments)
            .env("ZONEKIT_ROOT", self.dir.path())
            .env("IMGADM_RETRY_PAUSE", "1")
            .env_remove("IMGADM_LOG_LEVEL")
            .env_remove("IMGADM_CA_FILE")
            .env_remove("SSL_CERT_FILE");
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    pub fn imgadm(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// A stream as the stand-in for zfs reads it, `length` bytes in all.
pub fn stream(length: usize, origin: &str, snapshots: &[&str], seed: u32) -> Vec<u8> {
    let head = |rest: usize| format!("STREAM {rest} {origin} {}\n", snapshots.join(" "));
    let mut rest = length - head(length).len();
    while head(rest).len() + rest > length {
        rest -= 1;
    }
    while head(rest).len() + rest < length {
        rest += 1;
    }
    let mut data = head(rest).into_bytes();
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    data.extend(
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        })
        .take(rest),
    );
    data
}

pub fn sha1(data: &[u8]) -> String {
    let mut hasher =
        imgadm::pipeline::checksum::Hasher::new(Some(imgadm::pipeline::checksum::Algorithm::Sha1));
    hasher.update(data);
    hasher.hex()
}
