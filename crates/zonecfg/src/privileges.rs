//! Which privileges a zone may be limited to (privileges(7), and the `privilege` elements that all brands
//! of SmartOS and OmniOS have in common).

use crate::model::IpType;

const BASIC: &[&str] = &[
    "file_link_any",
    "file_read",
    "file_write",
    "net_access",
    "proc_exec",
    "proc_fork",
    "proc_info",
    "proc_secflags",
    "proc_session",
];

const OTHERS: &[&str] = &[
    "contract_event",
    "contract_identity",
    "contract_observer",
    "cpc_cpu",
    "dtrace_kernel",
    "dtrace_proc",
    "dtrace_user",
    "file_chown",
    "file_chown_self",
    "file_dac_execute",
    "file_dac_read",
    "file_dac_search",
    "file_dac_write",
    "file_downgrade_sl",
    "file_flag_set",
    "file_owner",
    "file_setid",
    "file_upgrade_sl",
    "graphics_access",
    "graphics_map",
    "hyprlofs_control",
    "ipc_dac_read",
    "ipc_dac_write",
    "ipc_owner",
    "net_bindmlp",
    "net_icmpaccess",
    "net_mac_aware",
    "net_mac_implicit",
    "net_observability",
    "net_privaddr",
    "net_rawaccess",
    "proc_audit",
    "proc_chroot",
    "proc_clock_highres",
    "proc_lock_memory",
    "proc_meminfo",
    "proc_owner",
    "proc_priocntl",
    "proc_prioup",
    "proc_setid",
    "proc_taskid",
    "proc_zone",
    "sys_acct",
    "sys_admin",
    "sys_audit",
    "sys_config",
    "sys_devices",
    "sys_dl_config",
    "sys_flow_config",
    "sys_fs_import",
    "sys_ip_config",
    "sys_ipc_config",
    "sys_iptun_config",
    "sys_linkdir",
    "sys_mount",
    "sys_net_config",
    "sys_nfs",
    "sys_ppp_config",
    "sys_res_bind",
    "sys_res_config",
    "sys_resource",
    "sys_smb",
    "sys_suser_compat",
    "sys_time",
    "sys_trans_label",
    "virt_manage",
    "win_colormap",
    "win_config",
    "win_dac_read",
    "win_dac_write",
    "win_devices",
    "win_dga",
    "win_downgrade_sl",
    "win_fontpath",
    "win_mac_read",
    "win_mac_write",
    "win_selection",
    "win_upgrade_sl",
    "xvm_control",
];

/// What of `default` matters to the rules below.
const DEFAULT: &[&str] = &["sys_mount", "sys_admin"];
const DEFAULT_EXCLUSIVE: &[&str] =
    &["sys_ip_config", "sys_iptun_config", "sys_ppp_config", "net_rawaccess"];

/// In the order in which they are looked for.
const PROHIBITED: &[&str] = &[
    "sys_ppp_config",
    "virt_manage",
    "xvm_control",
    "sys_suser_compat",
    "sys_res_config",
    "sys_net_config",
    "sys_linkdir",
    "sys_ip_config",
    "sys_devices",
    "sys_config",
    "proc_zone",
    "dtrace_kernel",
];

/// Allowed to zones with an IP stack of their own.
const OF_EXCLUSIVE: &[&str] = &["sys_ppp_config", "sys_ip_config"];

/// In the order in which they are looked for.
const REQUIRED: &[&str] = &["sys_mount", "sys_ip_config", "proc_fork", "proc_exec"];

/// Checks the `limitpriv` property of a zone.
///
/// # Errors
/// The privilege that is unknown, prohibited or missing.
pub fn check(limitpriv: &str, brand: &str, ip_type: IpType) -> Result<(), String> {
    if limitpriv.is_empty() || limitpriv == "default" {
        return Ok(());
    }
    let exclusive = ip_type == IpType::Exclusive;
    let mut set: Vec<&str> = Vec::new();
    // The original takes any beginning of the word for it.
    let rest = match limitpriv.split_once(',') {
        Some((first, rest)) if "default".starts_with(first) => {
            set.extend(BASIC.iter().chain(DEFAULT));
            if exclusive {
                set.extend(DEFAULT_EXCLUSIVE);
            }
            rest
        }
        _ => limitpriv,
    };
    if rest.split(',').any(|word| word == "zone") {
        return Err("zone".to_owned());
    }
    for word in rest.split(',').filter(|word| !word.is_empty()) {
        apply(&mut set, word)?;
    }
    let virtual_machine = matches!(brand, "kvm" | "bhyve");
    let prohibited = PROHIBITED.iter().filter(|name| !(exclusive && OF_EXCLUSIVE.contains(name)));
    if let Some(name) = prohibited.into_iter().find(|name| set.contains(name)) {
        return Err((*name).to_owned());
    }
    let required = REQUIRED.iter().filter(|name| match **name {
        "sys_ip_config" => exclusive && !virtual_machine,
        "proc_fork" => !virtual_machine,
        _ => true,
    });
    match required.into_iter().find(|name| !set.contains(name)) {
        Some(name) => Err((*name).to_owned()),
        None => Ok(()),
    }
}

/// Adds or takes away what one word names.
fn apply(set: &mut Vec<&'static str>, word: &str) -> Result<(), String> {
    let (adds, name) = match word.strip_prefix(['-', '!']) {
        Some(name) => (false, name),
        None => (true, word),
    };
    let lower = name.to_ascii_lowercase();
    let lower = lower.strip_prefix("priv_").unwrap_or(&lower);
    let all = || BASIC.iter().chain(OTHERS);
    let named: Vec<&'static str> = match lower {
        "all" => all().copied().collect(),
        "none" => Vec::new(),
        "basic" => BASIC.to_vec(),
        _ => vec![all().copied().find(|known| *known == lower).ok_or_else(|| word.to_owned())?],
    };
    if adds {
        set.extend(named);
    } else {
        set.retain(|name| !named.contains(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_held_to_what_a_zone_needs_and_may_have() {
        let check = |text, brand| check(text, brand, IpType::Exclusive);
        assert_eq!(check("default", "lx"), Ok(()));
        assert_eq!(check("default,dtrace_user,-net_access", "joyent"), Ok(()));
        assert_eq!(check("default,!proc_fork", "bhyve"), Ok(()));
        assert_eq!(check("default,-proc_fork", "joyent"), Err("proc_fork".into()));
        assert_eq!(check("default,proc_zone", "joyent"), Err("proc_zone".into()));
        assert_eq!(check("default,fly", "joyent"), Err("fly".into()));
        assert_eq!(check("basic", "joyent"), Err("sys_mount".into()));
    }
}
