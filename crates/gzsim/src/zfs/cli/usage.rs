//! Usage texts.

use super::super::proptable::{Attr, NATIVE};

const TEXTS: &[(&str, &str)] = &[
    (
        "create",
        "\tcreate [-Pnpv] [-o property=value] ... <filesystem>\n\tcreate [-Pnpsv] [-b blocksize] [-o property=value] ... -V <size> <volume>\n",
    ),
    (
        "destroy",
        "\tdestroy [-fnpRrv] <filesystem|volume>\n\tdestroy [-dnpRrv] <filesystem|volume>@<snap>[%<snap>][,...]\n\tdestroy <filesystem|volume>#<bookmark>\n",
    ),
    ("snapshot", "\tsnapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...\n"),
    ("rollback", "\trollback [-rRf] <snapshot>\n"),
    ("clone", "\tclone [-p] [-o property=value] ... <snapshot> <filesystem|volume>\n"),
    ("promote", "\tpromote <clone-filesystem>\n"),
    (
        "rename",
        "\trename [-f] <filesystem|volume|snapshot> <filesystem|volume|snapshot>\n\trename [-f] -p <filesystem|volume> <filesystem|volume>\n\trename -r <snapshot> <snapshot>\n",
    ),
    ("bookmark", "\tbookmark <snapshot> <bookmark>\n"),
    (
        "list",
        "\tlist [-Hp] [-r|-d max] [-o property[,...]] [-s property]...\n\t    [-S property]... [-t type[,...]] [filesystem|volume|snapshot] ...\n",
    ),
    ("set", "\tset <property=value> ... <filesystem|volume|snapshot> ...\n"),
    (
        "get",
        "\tget [-crHp] [-d max] [-o \"all\" | field[,...]]\n\t    [-t type[,...]] [-s source[,...]]\n\t    <\"all\" | property[,...]> [filesystem|volume|snapshot|bookmark] ...\n",
    ),
    ("inherit", "\tinherit [-rS] <property> <filesystem|volume|snapshot> ...\n"),
    ("mount", "\tmount\n\tmount [-lvO] [-o opts] <-a | filesystem>\n"),
    ("unmount", "\tunmount [-f] <-a | filesystem|mountpoint>\n"),
    (
        "send",
        "\tsend [-DnPpRvLecwhb] [-[iI] snapshot] <snapshot>\n\tsend [-nvPLecw] [-i snapshot|bookmark] <filesystem|volume|snapshot>\n\tsend [-nvPe] -t <receive_resume_token>\n",
    ),
    (
        "receive",
        "\treceive [-vnsFhu] [-o <property>=<value>] ... [-x <property>] ...\n\t    <filesystem|volume|snapshot>\n\treceive [-vnsFhu] [-o <property>=<value>] ... [-x <property>] ... \n\t    [-d | -e] <filesystem>\n\treceive -A <filesystem|volume>\n",
    ),
    ("hold", "\thold [-r] <tag> <snapshot> ...\n"),
    ("holds", "\tholds [-r] <snapshot> ...\n"),
    ("release", "\trelease [-r] <tag> <snapshot> ...\n"),
];

/// What `zfs` prints without a valid subcommand.
pub fn all() -> String {
    let mut text =
        String::from("usage: zfs command args ...\nwhere 'command' is one of the following:\n\n");
    for (_, usage) in TEXTS {
        text.push_str(usage);
    }
    text.push_str("\nEach dataset is of the form: pool/[dataset/]*dataset[@name]\n");
    text.push_str(TAIL);
    text
}

const TAIL: &str = "\nFor the property list, run: zfs set|get\n\nFor the delegated permission list, run: zfs allow|unallow\n";

/// What a subcommand prints after the reason.
pub fn of(command: &str) -> String {
    let mut text = String::from("usage:\n");
    if let Some((_, usage)) = TEXTS.iter().find(|(name, _)| *name == command) {
        text.push_str(usage);
    }
    if !matches!(command, "set" | "get" | "inherit" | "list") {
        text.push_str(TAIL);
        return text;
    }
    text.push_str("\nThe following properties are supported:\n");
    text.push_str(&format!("\n\t{:<14} {}  {}   {}\n\n", "PROPERTY", "EDIT", "INHERIT", "VALUES"));
    let mut rows: Vec<_> = NATIVE.iter().filter(|n| !n.hidden).collect();
    rows.sort_by_key(|n| n.name);
    for native in rows {
        let edit = if native.settable() && native.attr != Attr::Once { "YES" } else { " NO" };
        let inherit = if native.inheritable() { "  YES" } else { "   NO" };
        text.push_str(&format!("\t{:<15} {edit}    {inherit}   {}\n", native.name, native.values));
    }
    text.push_str("\nSizes are specified in bytes with standard units such as K, M, G, etc.\n");
    text.push_str(
        "\nUser-defined properties can be specified by using a name containing a colon (:).\n",
    );
    text
}
