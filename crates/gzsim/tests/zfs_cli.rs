//! The programs `zfs`, `zpool` and `zdb` as scripts see them: output, messages and exit codes of illumos.

mod zfs_machine;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use zfs_machine::Machine;

/// Runs commands in order; each with its exit code, stdout and the first lines of stderr.
fn transcript(m: &Machine, commands: &[(&str, i32, &str, &str)]) {
    for (command, code, stdout, stderr) in commands {
        let mut words = command.split_whitespace();
        let tool = words.next().unwrap();
        let args: Vec<&str> = words.collect();
        let ended = m.run(tool, &args);
        assert_eq!(ended.stdout, *stdout, "{command}");
        if *code == 2 {
            assert!(ended.stderr.starts_with(stderr), "{command}: {}", ended.stderr);
            assert!(ended.stderr.contains("usage:"), "{command}: {}", ended.stderr);
        } else {
            assert_eq!(ended.stderr, *stderr, "{command}");
        }
        assert_eq!(ended.code, *code, "{command}");
    }
}

#[test]
fn a_virtual_machine_is_made_as_vmadm_makes_it() {
    let m = Machine::new();
    m.zfs(&["create", "-s", "-V", "5G", "zones/img"]).ok();
    transcript(
        &m,
        &[
            ("zfs snapshot zones/img@final", 0, "", ""),
            ("zpool list -H -p -o name", 0, "zones\n", ""),
            ("zfs create zones/vm", 0, "", ""),
            (
                "zfs get -Hpo property,value volblocksize,copies zones/img",
                0,
                "volblocksize\t8192\ncopies\t1\n",
                "",
            ),
            (
                "zfs create -nPV 5368709120 -o copies=1 -o volblocksize=8192 zones/vm/disk0",
                0,
                "create\tzones/vm/disk0\nproperty\tvolsize\t5368709120\nproperty\tcopies\t1\n\
             property\tvolblocksize\t8192\nproperty\trefreservation\t5538578432\n",
                "",
            ),
            ("zfs get -Hpo property,value quota zones/vm", 0, "quota\t0\n", ""),
            ("zfs clone -F -o refreservation=auto zones/img@final zones/vm/disk0", 0, "", ""),
            ("zfs create -o volblocksize=8192 -V 2048M zones/vm/disk1", 0, "", ""),
            ("zfs set refreservation=none refquota=5368709120 zones/vm", 0, "", ""),
            (
                "zfs list -Hrpt volume -o name,volsize zones/vm",
                0,
                "zones/vm/disk0\t5368709120\nzones/vm/disk1\t2147483648\n",
                "",
            ),
            ("zfs set refreservation=auto zones/vm/disk0", 0, "", ""),
            (
                "zfs list -Hpr -t volume -o refreservation zones/vm",
                0,
                "5538578432\n2216689664\n",
                "",
            ),
            (
                "zfs set quota=13123977216 reservation=13123977216 refreservation=1072693248 zones/vm",
                0,
                "",
                "",
            ),
            ("zfs get -Ho value origin zones/vm/disk0", 0, "zones/img@final\n", ""),
            ("zfs get -Ho value origin zones/vm/disk1", 0, "-\n", ""),
            ("zfs get -Ho value type zones/img@final", 0, "snapshot\n", ""),
            (
                "zfs destroy -r zones/img",
                1,
                "",
                "cannot destroy 'zones/img': volume has dependent clones\n\
             use '-R' to destroy the following datasets:\nzones/vm/disk0\n",
            ),
            ("zfs destroy -rF zones/vm/disk0", 0, "", ""),
            ("zfs destroy -rf zones/vm", 0, "", ""),
            (
                "zfs list -H -p -o name zones/vm",
                1,
                "",
                "cannot open 'zones/vm': dataset does not exist\n",
            ),
            ("zfs destroy -r zones/img", 0, "", ""),
        ],
    );
}

#[test]
fn the_listing_that_vmadm_reads() {
    let m = Machine::new();
    transcript(
        &m,
        &[
            (
                "zfs create -o quota=10g -o compression=gzip -o filesystem_limit=4 zones/vm",
                0,
                "",
                "",
            ),
            ("zfs create -o compression=lz4 zones/vm/data", 0, "", ""),
            (
                "zfs create -V 10G zones/vm/disk0",
                1,
                "",
                "cannot create 'zones/vm/disk0': out of space\n",
            ),
            ("zfs create -s -V 10G zones/vm/disk0", 0, "", ""),
            ("zfs snapshot zones/vm@indestructible", 0, "", ""),
            ("zfs hold do_not_destroy zones/vm@indestructible", 0, "", ""),
            (
                "zfs list -H -p -t filesystem,snapshot,volume -o compression,filesystem_limit,mountpoint,name,quota,recsize,\
             refquota,refreservation,snapshot_limit,type,usedbysnapshots,userrefs,volblocksize,volsize,zoned -d 2",
                0,
                "off\t18446744073709551615\t/zones\tzones\t0\t131072\t0\t0\t18446744073709551615\tfilesystem\t0\t-\t-\t-\toff\n\
             gzip\t4\t/zones/vm\tzones/vm\t10737418240\t131072\t0\t0\t18446744073709551615\tfilesystem\t0\t-\t-\t-\toff\n\
             -\t-\t-\tzones/vm@indestructible\t-\t-\t-\t-\t-\tsnapshot\t-\t1\t-\t-\t-\n\
             lz4\t18446744073709551615\t/zones/vm/data\tzones/vm/data\t0\t131072\t0\t0\t18446744073709551615\tfilesystem\t0\t-\t-\t-\toff\n\
             gzip\t-\t-\tzones/vm/disk0\t-\t-\t-\t0\t18446744073709551615\tvolume\t0\t-\t8192\t10737418240\t-\n",
                "",
            ),
            (
                "zfs destroy zones/vm@indestructible",
                1,
                "",
                "cannot destroy snapshot zones/vm@indestructible: dataset is busy\n",
            ),
            (
                "zfs release other zones/vm@indestructible",
                1,
                "",
                "cannot release hold from snapshot 'zones/vm@indestructible': no such tag on this dataset\n",
            ),
            ("zfs release do_not_destroy zones/vm@indestructible", 0, "", ""),
            ("zfs destroy zones/vm@indestructible", 0, "", ""),
            ("zfs list -t snapshot", 0, "no datasets available\n", ""),
            ("zfs list -H -t snapshot", 0, "", ""),
        ],
    );
}

#[test]
fn sources_of_properties() {
    let m = Machine::new();
    transcript(
        &m,
        &[
            ("zfs create -o compression=lz4 -o test:note=a zones/a", 0, "", ""),
            ("zfs create zones/a/b", 0, "", ""),
            ("zfs snapshot zones/a/b@s", 0, "", ""),
            (
                "zfs get -H -o name,property,value,source compression,recsize,test:note,mountpoint,origin zones/a zones/a/b",
                0,
                "zones/a\tcompression\tlz4\tlocal\nzones/a\trecordsize\t128K\tdefault\nzones/a\ttest:note\ta\tlocal\n\
             zones/a\tmountpoint\t/zones/a\tdefault\nzones/a\torigin\t-\t-\n\
             zones/a/b\tcompression\tlz4\tinherited from zones/a\nzones/a/b\trecordsize\t128K\tdefault\n\
             zones/a/b\ttest:note\ta\tinherited from zones/a\nzones/a/b\tmountpoint\t/zones/a/b\tdefault\n\
             zones/a/b\torigin\t-\t-\n",
                "",
            ),
            ("zfs get -H -s local -o property all zones/a", 0, "compression\ntest:note\n", ""),
            (
                "zfs get -r -H -o name,value compression zones/a",
                0,
                "zones/a\tlz4\nzones/a/b\tlz4\nzones/a/b@s\t-\n",
                "",
            ),
            ("zfs inherit compression zones/a", 0, "", ""),
            ("zfs get -H -o value,source compression zones/a/b", 0, "off\tdefault\n", ""),
            (
                "zfs inherit quota zones/a",
                1,
                "",
                "'quota' property cannot be inherited\nuse 'zfs set quota=none' to clear\nuse 'zfs inherit -S quota' to revert to received value\n",
            ),
            ("zfs set mountpoint=/opt/x test:note=b zones/a", 0, "", ""),
            (
                "zfs get -H -o value,source mountpoint zones/a/b",
                0,
                "/opt/x/b\tinherited from zones/a\n",
                "",
            ),
            (
                "zfs get quota,mountpoint zones/a",
                0,
                "NAME     PROPERTY    VALUE   SOURCE\nzones/a  quota       none    default\nzones/a  mountpoint  /opt/x  local\n",
                "",
            ),
            ("zfs set filesystem_limit=none snapshot_limit=3 zones/a", 0, "", ""),
            (
                "zfs get -H -o value,source filesystem_limit,snapshot_limit,snapshot_count zones/a",
                0,
                "none\tdefault\n3\tlocal\n1\t-\n",
                "",
            ),
            ("zfs get -Hp -o value filesystem_limit zones/a", 0, "18446744073709551615\n", ""),
        ],
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    let m = Machine::new();
    transcript(
        &m,
        &[
            ("zfs", 2, "", "missing command\n"),
            ("zfs frobnicate", 2, "", "unrecognized command 'frobnicate'\n"),
            ("zfs create", 2, "", "missing filesystem argument\nusage:\n\tcreate"),
            ("zfs create -V 1G", 2, "", "missing volume argument\n"),
            ("zfs create -V", 2, "", "missing size argument\n"),
            (
                "zfs create -s zones/x",
                2,
                "",
                "'-s' and '-b' can only be used when creating a volume\n",
            ),
            ("zfs create -y zones/x", 2, "", "invalid option 'y'\n"),
            (
                "zfs list -o nosuch",
                2,
                "",
                "bad property list: invalid property 'nosuch'\nusage:\n\tlist",
            ),
            ("zfs list -t disk", 2, "", "invalid type 'disk'\n"),
            ("zfs get", 2, "", "missing property argument\n"),
            ("zfs get -o colour quota", 2, "", "invalid column name 'colour'\n"),
            ("zfs set quota=1G", 2, "", "missing dataset name(s)\n"),
            ("zfs set zones", 2, "", "missing property=value argument(s)\n"),
            ("zfs set zones quota=1G", 2, "", "invalid argument order\n"),
            ("zfs rename zones/a", 2, "", "missing target dataset argument\n"),
            (
                "zfs rename -r zones/a zones/b",
                2,
                "",
                "source dataset for recursive rename must be a snapshot\n",
            ),
            ("zfs snapshot", 2, "", "missing snapshot argument\n"),
            (
                "zfs snapshot zones/none@s",
                2,
                "",
                "cannot open 'zones/none': dataset does not exist\nusage:",
            ),
            ("zfs destroy", 2, "", "missing dataset argument\n"),
            ("zfs rollback", 2, "", "missing dataset argument\n"),
            ("zfs send", 2, "", "missing snapshot argument\n"),
            ("zfs receive", 2, "", "missing snapshot argument\n"),
            ("zfs hold tag", 2, "", "usage:"),
            ("zpool", 2, "", "missing command\n"),
            ("zpool list -o nosuch", 2, "", "bad property list: invalid property 'nosuch'\n"),
        ],
    );
}

#[test]
fn refusals() {
    let m = Machine::new();
    for args in
        [&["create", "zones/a"][..], &["create", "zones/a/b"], &["create", "-V", "8M", "zones/v"]]
    {
        m.zfs(args).ok();
    }
    transcript(
        &m,
        &[
            ("zfs create zones/a", 1, "", "cannot create 'zones/a': dataset already exists\n"),
            ("zfs create -p zones/a", 0, "", ""),
            ("zfs create -p zones/p/q/r", 0, "", ""),
            ("zfs create zones/x/y", 1, "", "cannot create 'zones/x/y': parent does not exist\n"),
            ("zfs create tank/y", 1, "", "cannot create 'tank/y': no such pool 'tank'\n"),
            ("zfs create -V 1G tank/y", 1, "", "cannot open 'tank': no such pool\n"),
            (
                "zfs create -V 1000 zones/y",
                1,
                "",
                "cannot create 'zones/y': volume size must be a multiple of volume block size\n",
            ),
            (
                "zfs create -V 1Q zones/y",
                1,
                "",
                "bad volume size '1Q': invalid numeric suffix 'Q'\n",
            ),
            (
                "zfs create -V 8M -b 3000 zones/y",
                1,
                "",
                "cannot create 'zones/y': 'volblocksize' must be power of 2 from 512B to 128KB\n",
            ),
            (
                "zfs create -o quota=1G -o quota=2G zones/y",
                1,
                "",
                "property 'quota' specified multiple times\n",
            ),
            ("zfs create -V 2T zones/y", 1, "", "cannot create 'zones/y': out of space\n"),
            (
                "zfs set volsize=10000 zones/v",
                1,
                "",
                "cannot set property for 'zones/v': 'volsize' must be a multiple of volume block size (8K)\n",
            ),
            (
                "zfs set refreservation=9M zones/v",
                1,
                "",
                "cannot set property for 'zones/v': 'refreservation' is greater than current volume size\n",
            ),
            (
                "zfs set refreservation=auto zones/a",
                1,
                "",
                "cannot set property for 'zones/a': 'refreservation=auto' only allowed on volumes\n",
            ),
            (
                "zfs set mountpoint=here zones/a",
                1,
                "",
                "cannot set property for 'zones/a': 'mountpoint' must be an absolute path, 'none', or 'legacy'\n",
            ),
            (
                "zfs destroy zones",
                1,
                "",
                "cannot destroy 'zones': operation does not apply to pools\nuse 'zfs destroy -r zones' to destroy all datasets in the pool\nuse 'zpool destroy zones' to destroy the pool itself\n",
            ),
            (
                "zfs destroy zones/a@none",
                1,
                "",
                "could not find any snapshots to destroy; check snapshot names.\n",
            ),
            (
                "zfs rename zones/a zones/a/b/c",
                1,
                "",
                "cannot rename to 'zones/a/b/c': New dataset name cannot be a descendant of current dataset name\n",
            ),
            (
                "zfs rename zones/a zones/v",
                1,
                "",
                "cannot rename 'zones/a': dataset already exists\n",
            ),
            (
                "zfs list -t volume zones/a",
                1,
                "",
                "cannot open 'zones/a': operation not applicable to datasets of this type\n",
            ),
            ("zfs mount zones/a", 1, "", "cannot mount 'zones/a': filesystem already mounted\n"),
            ("zfs snapshot -r zones/a@one", 0, "", ""),
            (
                "zfs snapshot -r zones/a@one",
                1,
                "",
                "cannot create snapshot 'zones/a@one': dataset already exists\ncannot create snapshot 'zones/a/b@one': dataset already exists\nno snapshots were created\n",
            ),
            (
                "zfs snapshot zones/v@one zones/a@one",
                1,
                "",
                "cannot create snapshot 'zones/a@one': dataset already exists\nno snapshots were created\n",
            ),
            (
                "zfs list -H -o name -t snapshot zones/v@one",
                1,
                "",
                "cannot open 'zones/v@one': dataset does not exist\n",
            ),
            ("zfs rename -r zones/a@one @two", 0, "", ""),
            ("zfs list -H -o name -t snapshot", 0, "zones/a@two\nzones/a/b@two\n", ""),
            ("zfs snapshot zones/a@three", 0, "", ""),
            (
                "zfs rollback zones/a@two",
                1,
                "",
                "cannot rollback to 'zones/a@two': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\nzones/a@three\n",
            ),
            ("zfs rollback -r zones/a@two", 0, "", ""),
            (
                "zfs send zones/a@none",
                1,
                "",
                "WARNING: could not send zones/a@none: does not exist\n",
            ),
            ("zfs bookmark zones/a@two zones/a#mark", 0, "", ""),
            ("zfs list -H -t bookmark -o name -r zones/a", 0, "zones/a#mark\n", ""),
            ("zfs destroy zones/a#mark", 0, "", ""),
            ("zfs destroy -nv zones/a@%", 0, "would destroy zones/a@two\nwould reclaim 0\n", ""),
            (
                "zfs destroy -nvr zones/a",
                0,
                "would destroy zones/a/b@two\nwould destroy zones/a/b\nwould destroy zones/a@two\nwould destroy zones/a\n",
                "",
            ),
            ("zpool list -H -o name,health nosuch", 1, "", "cannot open 'nosuch': no such pool\n"),
            ("zpool status -x", 0, "all pools are healthy\n", ""),
            ("zpool status -x zones", 0, "pool 'zones' is healthy\n", ""),
        ],
    );
}

#[test]
fn a_mountpoint_that_is_not_empty_is_in_the_way() {
    let m = Machine::new();
    fs::create_dir_all(m.path("zones/a/used")).unwrap();
    let ended = m.zfs(&["create", "zones/a"]);
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.stderr,
        "cannot mount '/zones/a': directory is not empty\n\
         filesystem successfully created, but not mounted\n"
    );
    assert_eq!(m.get("zones/a", "mounted"), "no");
    fs::remove_dir(m.path("zones/a/used")).unwrap();
    m.zfs(&["mount", "zones/a"]).ok();
    fs::write(m.path("zones/a/file"), "kept").unwrap();
    m.zfs(&["unmount", "/zones/a"]).ok();
    assert!(m.path("zones/a").is_dir() && !m.path("zones/a/file").exists());
    m.zfs(&["mount", "-a"]).ok();
    assert_eq!(fs::read_to_string(m.path("zones/a/file")).unwrap(), "kept");
}

#[test]
fn zdb_tells_the_ashift() {
    let m = Machine::new();
    let text = m.run("zdb", &["-C", "zones"]).ok();
    assert!(text.lines().any(|l| l.trim() == "ashift: 12"), "{text}");
    assert_eq!(m.run("zdb", &["-C", "nosuch"]).code, 2);
}

/// The state after a kill is the one before or the one after, and the next command finds it whole.
#[test]
fn a_kill_at_any_time_leaves_a_whole_state() {
    let m = Machine::new();
    m.zfs(&["create", "zones/a"]).ok();
    m.zfs(&["create", "zones/a/data"]).ok();
    fs::write(m.path("zones/a/data/file"), "kept").unwrap();
    let mut name = ("zones/a", "zones/b");
    let mut done = 0;
    for delay in 0..60u64 {
        let mut child = m
            .command("zfs", &["rename", name.0, name.1])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(delay * 150));
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = m.zfs(&["list", "-H", "-r", "-o", "name", "zones"]).ok();
        let renamed = listed.contains(name.1);
        if renamed {
            name = (name.1, name.0);
            done += 1;
        }
        assert_eq!(listed, format!("zones\n{0}\n{0}/data\n", name.0));
        let file = m.path(&format!("{}/data/file", name.0));
        assert_eq!(fs::read_to_string(file).unwrap(), "kept");
        assert!(!m.path(name.1).exists());
    }
    // otherwise all were killed too early to show anything
    assert!(done > 0);
}
