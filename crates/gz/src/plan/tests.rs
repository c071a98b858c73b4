use super::*;
use crate::interrupt::Shield;
use crate::root::Root;

/// A root whose tools note how they were called and fail where `fail` is part of that.
fn root(fail: &str) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let sbin = dir.path().join("usr/sbin");
    std::fs::create_dir_all(&sbin).unwrap();
    std::fs::create_dir_all(dir.path().join("etc/zones")).unwrap();
    let script = format!(
        "#!/bin/sh\nname=${{0##*/}}\necho \"$name $*\" >> {log}\ncase \"$name $*\" in *'{fail}'*) echo boom >&2; exit 1;; esac\n",
        log = dir.path().join("log").display(),
        fail = if fail.is_empty() { "never" } else { fail },
    );
    write_script(&sbin.join("zfs"), &script);
    for tool in ["zonecfg", "zoneadm"] {
        std::fs::hard_link(sbin.join("zfs"), sbin.join(tool)).unwrap();
    }
    let root = Root::new(dir.path());
    (dir, root)
}

/// Written by another process: a descriptor that a parallel test's fork still holds open for writing would make the run
/// fail with "text file busy".
fn write_script(path: &std::path::Path, script: &str) {
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "rm -f \"$1\"; printf %s \"$2\" > \"$1\"; chmod 755 \"$1\"", "sh"])
        .arg(path)
        .arg(script)
        .status()
        .unwrap();
    assert!(status.success());
}

fn log(dir: &tempfile::TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn plan(on_failure: OnFailure) -> Plan {
    let mut plan = Plan::new("create", "u1", on_failure);
    plan.steps = vec![
        Step::CreateFilesystem { dataset: "zones/u1".into(), properties: vec![] },
        Step::ConfigureZone { zone: "u1".into(), uuid: "u1".into(), script: "create -b\n".into() },
        Step::Install {
            zone: "u1".into(),
            uuid: "u1".into(),
            quota_gib: 10,
            image: Some("i1".into()),
            no_dataset: true,
        },
        Step::WriteFile { path: "/zones/u1/tags.json".into(), text: "{}\n".into(), mode: 0o644 },
    ];
    plan
}

const INSTALL: &str = "zoneadm -z u1 install -q 10 -t i1 -x nodataset";

#[test]
fn a_plan_is_carried_out_in_order_and_leaves_no_journal() {
    let (dir, root) = root("");
    std::fs::create_dir_all(dir.path().join("zones/u1")).unwrap();
    execute(&root, &plan(OnFailure::Undo)).unwrap();
    assert_eq!(log(&dir), ["zfs create zones/u1", "zonecfg -z u1", INSTALL]);
    assert_eq!(std::fs::read_to_string(dir.path().join("zones/u1/tags.json")).unwrap(), "{}\n");
    assert!(recover_all(&root).unwrap().is_empty());
}

#[test]
fn a_failure_undoes_what_was_begun_last_first() {
    let (dir, root) = root("install -q");
    let failed = execute(&root, &plan(OnFailure::Undo)).unwrap_err();
    assert_eq!(failed.step, INSTALL);
    assert!(failed.left.is_empty(), "{failed}");
    assert_eq!(
        log(&dir)[3..],
        ["zoneadm -u u1 uninstall -F", "zonecfg -u u1 delete -F", "zfs destroy -rF zones/u1"]
    );
    assert!(recover_all(&root).unwrap().is_empty());
}

#[test]
fn what_lies_in_something_new_is_undone_with_it() {
    // The zone's configuration and files go with the zone, and fail last: only the zone itself is noted and undone.
    let (dir, root) = root("set quota=1");
    std::fs::create_dir_all(dir.path().join("zones/u1/config")).unwrap();
    let mut plan = plan(OnFailure::Undo);
    plan.steps.drain(..1);
    let data = "zones/u1/data".to_owned();
    plan.steps.extend([
        Step::ChangeZone { uuid: "u1".into(), script: "set autoboot=true".into() },
        Step::CreateFilesystem { dataset: data.clone(), properties: vec![] },
        Step::SetProperties { dataset: data, properties: vec![("quota".into(), "5".into())] },
        Step::ChangeZone { uuid: "u1".into(), script: "set quota=1".into() },
    ]);
    let failed = execute(&root, &plan).unwrap_err();
    assert!(failed.left.is_empty(), "{failed}");
    assert_eq!(
        log(&dir)[2..],
        [
            "zonecfg -u u1 set autoboot=true",
            "zfs create zones/u1/data",
            "zfs set quota=5 zones/u1/data",
            "zonecfg -u u1 set quota=1",
            "zoneadm -u u1 uninstall -F",
            "zonecfg -u u1 delete -F"
        ]
    );
}

#[test]
fn what_is_new_in_a_failed_step_is_not_mistaken_for_what_was_there() {
    // "already exists" of a dataset in a new zone must not keep the zone from being undone.
    let (dir, root) = root("");
    let script = "#!/bin/sh\necho \"zfs $*\" >> \"$ZONEKIT_ROOT/log\"\ncase \"$*\" in *u1/data) echo 'dataset already exists' >&2; exit 1;; esac\n";
    write_script(&dir.path().join("usr/sbin/zfs"), script);
    let mut plan = plan(OnFailure::Undo);
    plan.steps.truncate(1);
    plan.steps.push(Step::CreateFilesystem { dataset: "zones/u1/data".into(), properties: vec![] });
    execute(&root, &plan).unwrap_err();
    assert_eq!(
        log(&dir),
        ["zfs create zones/u1", "zfs create zones/u1/data", "zfs destroy -rF zones/u1"]
    );
}

#[test]
fn what_was_there_before_is_not_undone() {
    let (dir, root) = root("");
    let script = "#!/bin/sh\necho \"zfs $*\" >> \"$ZONEKIT_ROOT/log\"\necho 'cannot create: dataset already exists' >&2\nexit 1\n";
    write_script(&dir.path().join("usr/sbin/zfs"), script);
    execute(&root, &plan(OnFailure::Undo)).unwrap_err();
    assert_eq!(log(&dir), ["zfs create zones/u1"]);
}

#[test]
fn kept_means_kept() {
    let (dir, root) = root("install -q");
    execute(&root, &plan(OnFailure::Keep)).unwrap_err();
    assert_eq!(log(&dir), ["zfs create zones/u1", "zonecfg -z u1", INSTALL]);
    assert!(recover_all(&root).unwrap().is_empty());
}

#[test]
fn a_cut_off_plan_is_undone() {
    let (dir, root) = root("");
    let plan = plan(OnFailure::Undo);
    let mut journal = journal::Journal::start(&root, &plan, &[]).unwrap();
    for index in 0..2 {
        let undo = plan.steps[index].undo(&root).unwrap();
        journal.begin(&journal::Begun { index, undo }).unwrap();
    }
    drop(journal);
    assert_eq!(recover_all(&root).unwrap(), ["u1"]);
    assert_eq!(recover(&root, "u1").unwrap(), Some(("create".to_owned(), false)));
    assert_eq!(log(&dir), ["zonecfg -u u1 delete -F", "zfs destroy -rF zones/u1"]);
    assert_eq!(recover(&root, "u1").unwrap(), None);
}

#[test]
fn a_cut_off_deletion_is_finished_from_the_step_that_was_begun() {
    let (dir, root) = root("");
    let mut plan = Plan::new("delete", "u1", OnFailure::Finish);
    plan.steps = vec![
        Step::Halt { uuid: "u1".into() },
        Step::Uninstall { uuid: "u1".into() },
        Step::DeleteZone { uuid: "u1".into() },
    ];
    let mut journal = journal::Journal::start(&root, &plan, &[]).unwrap();
    for index in 0..2 {
        journal.begin(&journal::Begun { index, undo: vec![] }).unwrap();
    }
    drop(journal);
    assert_eq!(recover(&root, "u1").unwrap(), Some(("delete".to_owned(), true)));
    assert_eq!(log(&dir), ["zoneadm -u u1 uninstall -F", "zonecfg -u u1 delete -F"]);
}

/// A plan whose first step can be undone and whose other two cannot.
fn one_way() -> Plan {
    let mut plan = Plan::new("update", "u1", OnFailure::Undo);
    plan.steps.push(Step::RenameDataset { from: "zones/a".into(), to: "zones/b".into() });
    plan.no_return_from_here();
    for name in ["c", "d"] {
        let dataset = format!("zones/{name}");
        plan.steps.push(Step::DestroyDataset { dataset, force: false });
    }
    plan
}

#[test]
fn behind_the_point_of_no_return_nothing_is_undone() {
    let (dir, root) = root("destroy -r zones/d");
    execute(&root, &one_way()).unwrap_err();
    assert_eq!(
        log(&dir),
        ["zfs rename -f zones/a zones/b", "zfs destroy -r zones/c", "zfs destroy -r zones/d"]
    );
    // The next command on the VM tries again, from where it failed.
    recover(&root, "u1").unwrap_err();
    assert_eq!(log(&dir)[3..], ["zfs destroy -r zones/d"]);
}

#[test]
fn what_only_the_operator_may_ask_for_again_is_not_tried_again() {
    let (dir, root) = root("destroy -r zones/d");
    let plan = Plan { only_if_cut_off: true, ..one_way() };
    execute(&root, &plan).unwrap_err();
    assert_eq!(log(&dir).len(), 3);
    assert_eq!(recover(&root, "u1").unwrap(), None);
    // What a crash has cut off is.
    let mut journal = journal::Journal::start(&root, &plan, &[]).unwrap();
    journal.begin(&journal::Begun { index: 1, undo: vec![] }).unwrap();
    drop(journal);
    recover(&root, "u1").unwrap_err();
    assert_eq!(log(&dir)[3..], ["zfs destroy -r zones/c", "zfs destroy -r zones/d"]);
    assert_eq!(recover_all(&root).unwrap(), ["u1"]);
}

#[test]
fn a_first_step_that_fails_whole_does_not_pass_the_point_of_no_return() {
    let (dir, root) = root("rollback");
    let mut plan = one_way();
    plan.steps[1] = Step::Rollback { snapshot: "zones/c@s".into() };
    execute(&root, &plan).unwrap_err();
    assert_eq!(
        log(&dir),
        [
            "zfs rename -f zones/a zones/b",
            "zfs rollback -r zones/c@s",
            "zfs rename -f zones/b zones/a"
        ]
    );
    assert_eq!(recover(&root, "u1").unwrap(), None);
}

#[test]
fn before_the_point_of_no_return_everything_is_undone() {
    let (dir, root) = root("rename -f zones/a");
    execute(&root, &one_way()).unwrap_err();
    assert_eq!(log(&dir), ["zfs rename -f zones/a zones/b", "zfs rename -f zones/b zones/a"]);
    assert_eq!(recover(&root, "u1").unwrap(), None);
}

#[test]
fn what_cannot_be_undone_is_said_and_stays_in_the_journal() {
    let (dir, root) = root("u1");
    let failed = execute(&root, &plan(OnFailure::Undo)).unwrap_err();
    assert_eq!(failed.left.len(), 1);
    assert!(failed.to_string().contains("could not undo: zfs destroy -rF zones/u1: "), "{failed}");
    assert_eq!(recover_all(&root).unwrap(), ["u1"]);
    drop(dir);
}

#[test]
fn what_was_removed_before_the_plan_was_cut_off_need_not_be_there() {
    let (dir, root) = root("");
    let mut plan = Plan::new("reprovision", "u1", OnFailure::Finish);
    let script = "remove attr name=transition".to_owned();
    plan.steps = vec![
        Step::ChangeZone { uuid: "u1".into(), script },
        Step::DestroyDataset { dataset: "zones/a".into(), force: false },
    ];
    let zonecfg = dir.path().join("usr/sbin/zonecfg");
    write_script(&zonecfg, "#!/bin/sh\necho 'No such resource with that id' >&2; exit 1\n");
    execute(&root, &plan).unwrap_err();
    assert_eq!(recover(&root, "u1").unwrap(), Some(("reprovision".to_owned(), true)));
    assert_eq!(log(&dir), ["zfs destroy -r zones/a"]);
}

#[test]
fn what_was_undone_is_not_undone_again() {
    let (dir, root) = root("");
    let destroy = Step::DestroyDataset { dataset: "zones/a".into(), force: true };
    let rename = Step::RenameDataset { from: "zones/b".into(), to: "zones/a".into() };
    let begun =
        [(0, rename), (1, destroy)].map(|(index, step)| journal::Begun { index, undo: vec![step] });
    let mut journal = journal::Journal::start(&root, &one_way(), &begun).unwrap();
    journal.undone(1).unwrap();
    drop(journal);
    assert_eq!(recover(&root, "u1").unwrap(), Some(("update".to_owned(), false)));
    assert_eq!(log(&dir), ["zfs rename -f zones/b zones/a"]);
}

#[test]
fn nothing_is_destroyed_that_a_dataset_could_not_be_moved_out_of() {
    let (dir, root) = root("rename");
    let mut plan = Plan::new("reprovision", "u1", OnFailure::Undo);
    plan.steps = vec![
        Step::CreateFilesystem { dataset: "zones/a".into(), properties: vec![] },
        Step::RenameDataset { from: "zones/kept".into(), to: "zones/a/data".into() },
    ];
    let failed = execute(&root, &plan).unwrap_err();
    assert_eq!(failed.left.len(), 1, "{failed}");
    recover(&root, "u1").unwrap_err();
    assert!(!log(&dir).iter().any(|call| call.contains("destroy")), "{:?}", log(&dir));
}

#[test]
fn undoing_brings_back_files_and_properties() {
    let (dir, root) = root("");
    let path = dir.path().join("etc/zones/u1.xml");
    std::fs::write(&path, "<old/>").unwrap();
    let step = Step::ChangeZone { uuid: "u1".into(), script: "set autoboot=true".into() };
    let undo = step.undo(&root).unwrap();
    std::fs::write(&path, "<new/>").unwrap();
    for step in undo {
        step.run(&root).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "<old/>");
    let step = Step::WriteFile { path: "/etc/zones/x".into(), text: String::new(), mode: 0o644 };
    assert_eq!(step.undo(&root).unwrap(), [Step::RemoveFile { path: "/etc/zones/x".into() }]);
}

#[test]
fn plans_print_as_commands() {
    let _ = Shield::new();
    assert_eq!(
        plan(OnFailure::Undo).to_string(),
        format!(
            "create u1: 4 steps, undone if a step fails\n  1. zfs create zones/u1\n  2. zonecfg -z u1 'create -b'\n  \
             3. {INSTALL}\n  4. write /zones/u1/tags.json (3 bytes, mode 644)\n"
        )
    );
}
