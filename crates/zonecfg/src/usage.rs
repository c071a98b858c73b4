//! Usage and help texts. They are what zonecfg(8) prints, for scripts compare them.

use std::fmt::Write as _;

use crate::lang::{Listing, PropertyName, ResourceType, Verb};

/// What a help text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// How the program is called.
    Invocation,
    /// The commands.
    Commands,
    /// Zone names.
    Syntax,
    /// Network addresses.
    NetAddress,
    /// Resource types.
    Resources,
    /// Properties of all resources.
    Properties,
    /// Where more help is.
    More,
    /// The open resource.
    Scope(ResourceType),
}

/// How a command is written.
pub const fn short(verb: Verb) -> &'static str {
    match verb {
        Verb::Add => {
            "add <resource-type>\n\t(global scope)\nadd <property-name> <property-value>\n\t(resource scope)"
        }
        Verb::Cancel => "cancel",
        Verb::Clear => "clear <property-name>",
        Verb::Commit => "commit",
        Verb::Create => "create [-F] [ -a <path> | -b | -t <template> ]",
        Verb::Delete => "delete [-F]",
        Verb::End => "end",
        Verb::Exit => "exit [-F]",
        Verb::Export => "export [-f output-file]",
        Verb::Help => "help [commands] [syntax] [usage] [<command-name>]",
        Verb::Info => "info [<resource-type> [property-name=property-value]*]",
        Verb::Remove => {
            "remove [-F] <resource-type> [ <property-name>=<property-value> ]*\n\t(global scope)\n\
             remove [-F] <property-name> <property-value>\n\t(resource scope)"
        }
        Verb::Revert => "revert [-F]",
        Verb::Select => "select <resource-type> { <property-name>=<property-value> }",
        Verb::Set => "set <property-name>=<property-value>",
        Verb::Verify => "verify",
    }
}

/// What a command does.
pub const fn long(verb: Verb) -> &'static str {
    match verb {
        Verb::Add => "Add specified resource to configuration.",
        Verb::Cancel => "Cancels resource/property specification.",
        Verb::Clear => "Clears property values.",
        Verb::Commit => {
            "Commits current configuration.  Configuration must be committed to\n\tbe used by zoneadm.  \
             Until the configuration is committed, changes \n\tcan be removed with the revert command.  \
             This operation is\n\tattempted automatically upon completion of a zonecfg session."
        }
        Verb::Create => {
            "Creates a configuration for the specified zone.  create should be\n\tused to begin configuring \
             a new zone.  If overwriting an existing\n\tconfiguration, the -F flag can be used to force the \
             action.  If\n\t-t template is given, creates a configuration identical to the\n\tspecified \
             template, except that the zone name is changed from\n\ttemplate to zonename.  'create -a' \
             creates a configuration from a\n\tdetached zonepath.  'create -b' results in a blank \
             configuration.\n\t'create' with no arguments applies the Sun default settings."
        }
        Verb::Delete => {
            "Deletes the specified zone.  The -F flag can be used to force the\n\taction."
        }
        Verb::End => "Ends resource/property specification.",
        Verb::Exit => "Exits the program.  The -F flag can be used to force the action.",
        Verb::Export => {
            "Prints configuration to standard output, or to output-file if\n\tspecified, in a form suitable \
             for use in a command-file."
        }
        Verb::Help => "Prints help message.",
        Verb::Info => {
            "Displays information about the current configuration.  If resource\n\ttype is specified, \
             displays only information about resources of\n\tthe relevant type.  If resource id is \
             specified, displays only\n\tinformation about that resource."
        }
        Verb::Remove => {
            "Remove specified resource from configuration.  The -F flag can be used\n\tto force the action."
        }
        Verb::Revert => {
            "Reverts configuration back to the last committed state.  The -F flag\n\tcan be used to force \
             the action."
        }
        Verb::Select => {
            "Selects a resource to modify.  Resource modification is completed\n\twith the command \"end\".  \
             The property name/value pairs must uniquely\n\tidentify a resource.  Note that the curly \
             braces ('{', '}') mean one\n\tor more of whatever is between them."
        }
        Verb::Set => "Sets property values.",
        Verb::Verify => {
            "Verifies current configuration for correctness (some resource types\n\thave required \
             properties)."
        }
    }
}

/// What `help VERB` lists after the command's own text.
pub const fn listing_of(verb: Verb) -> Listing {
    match verb {
        Verb::Add | Verb::Info | Verb::Remove | Verb::Select => Listing::ResourcesAndProperties,
        Verb::Clear | Verb::Set => Listing::Properties,
        _ => Listing::None,
    }
}

/// The topics of a listing.
pub const fn topics_of(listing: Listing) -> &'static [Topic] {
    match listing {
        Listing::None => &[],
        Listing::Properties => &[Topic::Properties],
        Listing::ResourcesAndProperties => &[Topic::Resources, Topic::Properties],
    }
}

/// The text of some topics; `verbose` where help was asked for. `program` is the program's name.
pub fn text(topics: &[Topic], verbose: bool, program: &str) -> String {
    let mut out = String::new();
    for topic in topics {
        match topic {
            Topic::More => out.push_str(MORE),
            Topic::Scope(resource) => {
                out.push_str(scope(*resource));
                out.push_str(SCOPE_END);
            }
            Topic::Invocation => {
                let zone = format!("{program} {{-z <zone>|-u <uuid>}}");
                let _ = write!(
                    out,
                    "usage:\t{program} help\n\t{zone}\t\t\t(interactive)\n\t{zone} <command>\n\
                     \t{zone} -f <command-file>\n"
                );
            }
            Topic::Commands => {
                out.push_str("Commands:\n\n");
                for verb in Verb::ALL {
                    let _ = writeln!(out, "{}", short(*verb));
                    if verbose {
                        let _ = write!(out, "\t{}\n\n", long(*verb));
                    }
                }
            }
            Topic::Syntax => {
                let blank = if verbose { ("", "\n") } else { ("\n", "") };
                let _ = write!(
                    out,
                    "{}<zone> := [A-Za-z0-9][A-Za-z0-9_.-]*\n\t(except the reserved words 'global' and \
                     anything starting with 'SUNW')\n\tName must be less than 64 characters.\n{}",
                    blank.0, blank.1
                );
            }
            Topic::NetAddress => out.push_str(NET_ADDRESS),
            Topic::Resources => out.push_str(RESOURCES),
            Topic::Properties => {
                out.push_str("For resource type ... there are property types ...:\n");
                for name in PropertyName::GLOBAL {
                    let _ = writeln!(out, "\t(global)\t{name}");
                }
                out.push_str(RESOURCE_PROPERTIES);
            }
        }
    }
    out
}

const MORE: &str = "More help is available for the following:\n\n\tcommands ('help commands')\n\
    \tsyntax ('help syntax')\n\tusage ('help usage')\n\nYou may also obtain help on any command by typing \
    'help <command-name>.'\n";

const NET_ADDRESS: &str = "\n<net-addr> :=\t<IPv4-address>[/<IPv4-prefix-length>] |\n\
    \t\t<IPv6-address>/<IPv6-prefix-length> |\n\t\t<hostname>[/<IPv4-prefix-length>]\n\
    See inet(3SOCKET) for IPv4 and IPv6 address syntax.\n<IPv4-prefix-length> := [0-32]\n\
    <IPv6-prefix-length> := [0-128]\n<hostname> := [A-Za-z0-9][A-Za-z0-9-.]*\n";

const RESOURCES: &str = "<resource type> := fs | net | device | rctl | attr |\n\
    \tdataset | dedicated-cpu | capped-cpu | capped-memory | admin\n\n";

const RESOURCE_PROPERTIES: &str = "\tfs\t\tdir, special, raw, type, options\n\
    \tnet\t\taddress, allowed-address, global-nic, mac-addr, physical, property, vlan-id defrouter\n\
    \tdevice\t\tmatch, property\n\
    \trctl\t\tname, value\n\
    \tattr\t\tname, type, value\n\
    \tdataset\t\tname\n\
    \tdedicated-cpu\tncpus, importance\n\
    \tcapped-cpu\tncpus\n\
    \tcapped-memory\tphysical, swap, locked\n\
    \tadmin\t\tuser, auths\n\
    \tsecurity-flags\t\tdefault, lower, upper\n";

const SCOPE_END: &str = "And from any resource scope, you can:\n\tend\t(to conclude this operation)\n\
    \tcancel\t(to cancel this operation)\n\texit\t(to exit the zonecfg utility)\n";

const fn scope(resource: ResourceType) -> &'static str {
    match resource {
        ResourceType::Fs => {
            "The 'fs' resource scope is used to configure a file-system.\nValid commands:\n\
             \tset dir=<path>\n\tset special=<path>\n\tset raw=<raw-device>\n\
             \tset type=<file-system type>\n\tadd options <file-system options>\n\
             \tremove options <file-system options>\n\
             Consult the file-system specific manual page, such as mount_ufs(8), for\n\
             details about file-system options.  Note that any file-system options with an\n\
             embedded '=' character must be enclosed in double quotes, such as \"retry=5\".\n"
        }
        ResourceType::Net => {
            "The 'net' resource scope is used to configure a network interface.\nValid commands:\n\
             \tset address=<IP-address>\n\tadd property (name=<value>,value=<value>)\n\
             \tset allowed-address=<IP-address>\n\tset physical=<interface>\n\
             \tset mac-addr=<mac-address>\n\tset global-nic=<global zone NIC>\n\
             \tset vlan-id=<vlan ID>\nSee ifconfig(8) for details of the <interface> string.\n\
             set address is valid if the ip-type property is set to shared, otherwise it must not be set.\n\
             set (allowed-address, mac-addr, vlan-id, global-nic) are valid if the ip-type property is set \
             to exclusive, otherwise they must not be set.\n\tset defrouter=<IP-address>\n\
             set defrouter is valid if the address or allowed-address property is set, otherwise it must \
             not be set\n"
        }
        ResourceType::Device => {
            "The 'device' resource scope is used to configure a device node.\nValid commands:\n\
             \tadd property (name=<value>,value=<value>)\n\tset match=<device-path>\n"
        }
        ResourceType::Rctl => {
            "The 'rctl' resource scope is used to configure a resource control.\nValid commands:\n\
             \tset name=<string>\n\
             \tadd value (priv=<priv-value>,limit=<number>,action=<action-value>)\n\
             \tremove value (priv=<priv-value>,limit=<number>,action=<action-value>)\n\
             Where\n\t<priv-value> := privileged\n\t<action-value> := none | deny\n"
        }
        ResourceType::Attr => {
            "The 'attr' resource scope is used to configure a generic attribute.\nValid commands:\n\
             \tset name=<name>\n\tset type=boolean\n\tset value=true | false\nor\n\tset type=int\n\
             \tset value=<integer>\nor\n\tset type=string\n\tset value=<string>\nor\n\tset type=uint\n\
             \tset value=<unsigned integer>\n"
        }
        ResourceType::Dataset => {
            "The 'dataset' resource scope is used to export ZFS datasets.\nValid commands:\n\
             \tset name=<name>\n"
        }
        ResourceType::DedicatedCpu => {
            "The 'dedicated-cpu' resource scope configures the 'pools' facility to dedicate\n\
             a subset of the system's processors to this zone while it is running.\nValid commands:\n\
             \tset ncpus=<unsigned integer | range>\n\tset importance=<unsigned integer>\n"
        }
        ResourceType::CappedCpu => {
            "The 'capped-cpu' resource scope is used to set an upper limit (a cap) on the\n\
             percentage of CPU that can be used by this zone.  A 'ncpus' value of 1\n\
             corresponds to one cpu.  The value can be set higher than 1, up to the total\n\
             number of CPUs on the system.  The value can also be less than 1,\n\
             representing a fraction of a cpu.\nValid commands:\n\tset ncpus=<unsigned decimal>\n"
        }
        ResourceType::CappedMemory => {
            "The 'capped-memory' resource scope is used to set an upper limit (a cap) on the\n\
             amount of physical memory, swap space and locked memory that can be used by\nthis zone.\n\
             Valid commands:\n\tset physical=<qualified unsigned decimal>\n\
             \tset swap=<qualified unsigned decimal>\n\tset locked=<qualified unsigned decimal>\n"
        }
        ResourceType::Admin => {
            "The 'admin' resource scope is used to delegate specific zone management\n\
             rights to users and roles. These rights are only applicable to this zone.\n\
             Valid commands:\n\tset user=<single user or role name>\n\tset auths=<comma separated list>\n"
        }
        ResourceType::SecurityFlags => {
            "The 'security-flags' resource scope is used to specify the default security-flags\n\
             of this zone, and their upper and lower bound.\n\tset default=<security flags>\n\
             \tset lower=<security flags>\n\tset upper=<security flags>\n"
        }
    }
}
