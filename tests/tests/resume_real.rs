//! Receives that are cut off and taken up again, on the simulated zfs and on a real one: what is left of them, what
//! their tokens tell, what they refuse, and that each system reads the other's tokens.
//!
//! `ci/real-zfs.sh` runs it in a throw-away machine with OpenZFS.

use std::fs;
use std::process::{Command, Output};

use e2e::both::Both;
use e2e::{Need, needs};

/// Where the streams are received.
const TARGET: &str = "zones/r";

/// `zones/made@a` and `@b`, the same on both: a volume, which the simulation holds in the same blocks.
fn make(both: &Both) {
    both.real(&["create", "-V", "8M", "-o", "volblocksize=8K", "zones/made"]);
    assert!(Command::new("udevadm").arg("settle").status().unwrap().success());
    let text = (0..200_000).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
    fs::write("/dev/zvol/zones/made", text.as_bytes()).unwrap();
    both.real(&["snapshot", "zones/made@a"]);
    fs::write("/dev/zvol/zones/made", &text.as_bytes()[text.len() / 2..]).unwrap();
    both.real(&["snapshot", "zones/made@b"]);
    let file = both.gz.path("/tmp/whole");
    fs::write(&file, both.real(&["send", "-R", "zones/made@b"])).unwrap();
    let simulated = both.run_simulated(&["receive", "-u", "zones/made"], Some(&file));
    assert!(simulated.status.success(), "{}", stderr(&simulated));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks that both did the same with a command: whether it worked, what was printed, the first line of the message.
fn alike(both: &Both, arguments: &[&str]) {
    let [ours, theirs] = both.run(arguments, None).map(|output| {
        let message = stderr(&output).lines().next().unwrap_or_default().to_owned();
        (output.status.success(), stdout(&output), message)
    });
    assert_eq!(ours, theirs, "zfs {}", arguments.join(" "));
}

/// Receives the first `length` bytes of a stream on both: both refuse it in the same words and name a way to go on.
fn cut(both: &Both, stream: &[u8], length: usize) {
    let file = both.gz.path("/tmp/cut");
    fs::write(&file, &stream[..length]).unwrap();
    let [ours, theirs] = both.run(&["receive", "-s", "-u", TARGET], Some(&file)).map(|output| {
        assert!(!output.status.success(), "cut at {length}");
        let words: Vec<String> = stderr(&output).lines().map(str::to_owned).collect();
        words
    });
    let count = ours.len().saturating_sub(1);
    assert_eq!(ours[..count], theirs[..theirs.len().saturating_sub(1)], "cut at {length}");
    assert!(ours[count].starts_with("    zfs send -t 1-"), "{ours:?}");
    assert!(theirs[count].starts_with("    zfs send -t 1-"), "{theirs:?}");
}

/// The tokens that the target has on both.
fn tokens(both: &Both) -> [String; 2] {
    let get = ["get", "-H", "-o", "value", "receive_resume_token", TARGET];
    both.run(&get, None).map(|output| stdout(&output).trim().to_owned())
}

/// What `send -nvt` shows of a token, without the estimate of the size: `name = value`, one a line. `bytes`, and how far
/// the last write went, are the receiver's own affair.
fn contents(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = stdout(output);
    let lines =
        text.lines().take_while(|line| !line.contains(" send of ") && !line.contains("estimated"));
    lines
        .map(|line| match line.split_once(" = ") {
            Some((name @ ("\tbytes" | "\toffset" | "\tobject"), _)) => name.to_owned(),
            _ => line.to_owned(),
        })
        .collect()
}

#[test]
fn a_cut_receive_leaves_and_refuses_the_same() {
    needs!(Need::RealZfs);
    let both = Both::new();
    make(&both);
    let stream = both.real(&["send", "zones/made@a"]);
    for length in [stream.len() / 4, stream.len() * 3 / 4, stream.len() - 1] {
        cut(&both, &stream, length);
        alike(&both, &["list", "-H", "-t", "all", "-o", "name,type", "-r", TARGET]);
        alike(&both, &["get", "-H", "-o", "value", "volsize,origin,type", TARGET]);
        let whole = both.gz.path("/tmp/stream");
        fs::write(&whole, &stream).unwrap();
        let [ours, theirs] = both.run(&["receive", "-F", TARGET], Some(&whole));
        assert_eq!(
            (ours.status.success(), stderr(&ours).lines().next()),
            (theirs.status.success(), stderr(&theirs).lines().next()),
            "a whole stream over the part"
        );
        if !ours.status.success() {
            alike(&both, &["receive", "-A", TARGET]);
        }
        alike(&both, &["receive", "-A", TARGET]);
        alike(&both, &["list", "-H", "-t", "all", "-o", "name", "-r", TARGET]);
        let _ = both.run(&["destroy", "-r", TARGET], None);
    }
    alike(&both, &["receive", "-A", "zones/made"]);
}

#[test]
fn each_zfs_reads_the_tokens_of_the_other() {
    needs!(Need::RealZfs);
    let both = Both::new();
    make(&both);
    let sends: [&[&str]; 2] = [&["send", "zones/made@a"], &["send", "-c", "-e", "zones/made@a"]];
    for arguments in sends {
        let stream = both.real(arguments);
        cut(&both, &stream, stream.len() / 2);
        let tokens = tokens(&both);
        let mut told = Vec::new();
        for token in &tokens {
            told.extend(both.run(&["send", "-nvt", token], None).map(|output| contents(&output)));
        }
        for other in &told[1..] {
            assert_eq!(told[0], *other, "{arguments:?}: {tokens:?}");
        }
        assert!(told[0].contains(&"\ttoname = zones/made@a".to_owned()), "{told:?}");
        both.succeed(&["receive", "-A", TARGET], None);
    }
    let wrong = [
        "",
        "nonsense",
        "1-1-1",
        "2-1-1-1",
        "1-1-1-zz",
        "1-1-1-1",
        "1-0-8-",
        "1-c740b4779-e8-789c",
    ];
    for wrong in wrong {
        alike(&both, &["send", "-nvt", wrong]);
    }
}

#[test]
fn the_rest_arrives_by_the_token() {
    needs!(Need::RealZfs);
    let both = Both::new();
    make(&both);
    let first = both.real(&["send", "zones/made@a"]);
    let second = both.real(&["send", "-i", "@a", "zones/made@b"]);
    for (stream, snapshot) in [(first, "a"), (second, "b")] {
        cut(&both, &stream, stream.len() / 2);
        let rest = both.gz.path("/tmp/rest");
        // Half of what is left, then the rest of that.
        for share in [2, 1] {
            let own = tokens(&both);
            let run = [Both::run_simulated, Both::run_real];
            for (run, token) in run.iter().zip(&own) {
                let sent = run(&both, &["send", "-t", token], None);
                assert!(sent.status.success(), "{}", stderr(&sent));
                let length = sent.stdout.len();
                assert!(length < stream.len(), "{length} of {}", stream.len());
                fs::write(&rest, &sent.stdout[..length / share]).unwrap();
                let received = run(&both, &["receive", "-s", "-u", TARGET], Some(&rest));
                assert_eq!(received.status.success(), share == 1, "{}", stderr(&received));
            }
            for (later, token) in tokens(&both).iter().zip(&own) {
                assert_ne!(later, token, "it went on");
            }
        }
        assert_eq!(tokens(&both), ["-", "-"]);
        alike(&both, &["list", "-H", "-t", "all", "-o", "name", "-r", TARGET]);
        let name = format!("{TARGET}@{snapshot}");
        alike(&both, &["get", "-H", "-p", "-o", "value", "guid", &name]);
    }
}
