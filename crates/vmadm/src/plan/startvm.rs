//! The script that runs a virtual machine in its zone (`/startvm`).

use bhyve_ctl::smartos::kvm::{self, Extra as GuestExtra};
use bhyve_ctl::smartos::vm::{Disk, Vm};
use serde_json::Value;

use super::start::Extra;

const QEMU_EXEC: &str = "/smartdc/bin/qemu-exec";
const QEMU: &str = "/smartdc/bin/qemu-system-x86_64";

/// The script for a VM object. The commands have checked that the extra disks exist.
pub(super) fn script(vm: &Value, extra: &Extra) -> Result<String, String> {
    let disk = |(path, model, media): &(String, String, String)| Disk {
        path: path.clone(),
        model: model.clone(),
        media: media.clone(),
        ..Disk::default()
    };
    let extra =
        GuestExtra { boot: extra.boot.clone(), disks: extra.disks.iter().map(disk).collect() };
    let line = kvm::command_line(&Vm::from_object(vm), &extra, &|_| true)
        .map_err(|refusal| refusal.to_string())?;
    let arguments: Vec<String> = line.arguments.iter().map(|word| quoted(word)).collect();
    let arguments = arguments.join(" ");
    let options = &line.shell_options;
    Ok(format!(
        "#!/usr/bin/bash\n\nexec >/tmp/vm.startvm.log 2>&1\n\nset -o xtrace\n\n\
         if [[ -x /startvm.zone ]]; then\n    exec {QEMU_EXEC} /startvm.zone {arguments} {options}\n\
         else\n    exec {QEMU_EXEC} {QEMU} {arguments} {options}\nfi\n\nexit 1\n"
    ))
}

/// One word of the shell, in double quotes as the original has it, but with the shell's own characters taken literally.
fn quoted(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_literally() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("$(x) \"`\\"), "\"\\$(x) \\\"\\`\\\\\"");
    }
}
