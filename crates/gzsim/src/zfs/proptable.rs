//! The native dataset properties of illumos: one row each, in the order that `zfs get all` prints them.

/// Bits for the types of dataset that a property applies to.
pub const FS: u8 = 1;
pub const VOL: u8 = 2;
pub const SNAP: u8 = 4;
pub const BOOKMARK: u8 = 8;
const FV: u8 = FS | VOL;
const ALL: u8 = FS | VOL | SNAP;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Number,
    Text,
    /// One of a set of words.
    Index(&'static [&'static str]),
}

/// Who may set a property, and whether children get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attr {
    ReadOnly,
    /// Settable, not inherited.
    Own,
    Inherit,
    /// Only when the dataset is made.
    Once,
}

/// One native property.
#[derive(Debug, PartialEq, Eq)]
pub struct Native {
    pub name: &'static str,
    /// Column header; also an alias of the name, in any case (`recsize`, `avail`).
    pub header: &'static str,
    pub form: Form,
    pub attr: Attr,
    /// Types of dataset it applies to.
    pub types: u8,
    /// Value (in `-p` form) where nothing is set.
    pub default: &'static str,
    /// The set of values as the usage text has it.
    pub values: &'static str,
    /// Not part of `all`.
    pub hidden: bool,
}

const ON_OFF: Form = Form::Index(&["on", "off"]);
const CACHE: Form = Form::Index(&["all", "none", "metadata"]);
const CHECKSUM: Form = Form::Index(&[
    "on",
    "off",
    "fletcher2",
    "fletcher4",
    "sha256",
    "noparity",
    "sha512",
    "skein",
    "edonr",
]);
const COMPRESSION: Form = Form::Index(&[
    "on", "off", "lzjb", "gzip", "gzip-1", "gzip-2", "gzip-3", "gzip-4", "gzip-5", "gzip-6",
    "gzip-7", "gzip-8", "gzip-9", "zle", "lz4",
]);
const DEDUP: Form = Form::Index(&[
    "on",
    "off",
    "verify",
    "sha256",
    "sha256,verify",
    "sha512",
    "sha512,verify",
    "skein",
    "skein,verify",
    "edonr,verify",
]);

const fn row(
    name: &'static str,
    header: &'static str,
    form: Form,
    attr: Attr,
    types: u8,
    default: &'static str,
    values: &'static str,
) -> Native {
    Native { name, header, form, attr, types, default, values, hidden: false }
}

const fn hidden(name: &'static str, header: &'static str, form: Form, types: u8) -> Native {
    Native {
        name,
        header,
        form,
        attr: Attr::ReadOnly,
        types,
        default: "",
        values: "",
        hidden: true,
    }
}

use Attr::{Inherit, Once, Own, ReadOnly};
use Form::{Index, Number, Text};

/// No limit, as `-p` prints it.
pub const UNLIMITED: &str = "18446744073709551615";

#[rustfmt::skip] // a table: one row a property
pub static NATIVE: &[Native] = &[
    row("type", "TYPE", Text, ReadOnly, ALL | BOOKMARK, "", "filesystem | volume | snapshot | bookmark"),
    row("creation", "CREATION", Number, ReadOnly, ALL | BOOKMARK, "", "<date>"),
    row("used", "USED", Number, ReadOnly, ALL, "0", "<size>"),
    row("available", "AVAIL", Number, ReadOnly, FV, "0", "<size>"),
    row("referenced", "REFER", Number, ReadOnly, ALL, "0", "<size>"),
    row("compressratio", "RATIO", Number, ReadOnly, ALL, "", "<1.00x or higher if compressed>"),
    row("mounted", "MOUNTED", Index(&["yes", "no"]), ReadOnly, FS, "no", "yes | no"),
    row("origin", "ORIGIN", Text, ReadOnly, FV, "", "<snapshot>"),
    row("quota", "QUOTA", Number, Own, FS, "0", "<size> | none"),
    row("reservation", "RESERV", Number, Own, FV, "0", "<size> | none"),
    row("volsize", "VOLSIZE", Number, Own, VOL, "0", "<size>"),
    row("volblocksize", "VOLBLOCK", Number, Once, VOL, "8192", "512 to 128k, power of 2"),
    row("recordsize", "RECSIZE", Number, Inherit, FS, "131072", "512 to 1M, power of 2"),
    row("mountpoint", "MOUNTPOINT", Text, Inherit, FS, "/", "<path> | legacy | none"),
    row("sharenfs", "SHARENFS", Text, Inherit, FS, "off", "on | off | share(8) options"),
    row("checksum", "CHECKSUM", CHECKSUM, Inherit, FV, "on", "on | off | fletcher2 | fletcher4 | sha256 | sha512 | skein | edonr"),
    row("compression", "COMPRESS", COMPRESSION, Inherit, FV, "off", "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4"),
    row("atime", "ATIME", ON_OFF, Inherit, FS, "on", "on | off"),
    row("devices", "DEVICES", ON_OFF, Inherit, FS | SNAP, "on", "on | off"),
    row("setuid", "SETUID", ON_OFF, Inherit, FS | SNAP, "on", "on | off"),
    row("exec", "EXEC", ON_OFF, Inherit, FS | SNAP, "on", "on | off"),
    row("readonly", "RDONLY", ON_OFF, Inherit, FV, "off", "on | off"),
    row("zoned", "ZONED", ON_OFF, Inherit, FS, "off", "on | off"),
    row("snapdir", "SNAPDIR", Index(&["hidden", "visible"]), Inherit, FS, "hidden", "hidden | visible"),
    row("aclmode", "ACLMODE", Index(&["discard", "groupmask", "passthrough", "restricted"]), Inherit, FS, "discard", "discard | groupmask | passthrough | restricted"),
    row("aclinherit", "ACLINHERIT", Index(&["discard", "noallow", "restricted", "passthrough", "secure", "passthrough-x"]), Inherit, FS, "restricted", "discard | noallow | restricted | passthrough | passthrough-x"),
    row("createtxg", "CREATETXG", Number, ReadOnly, ALL | BOOKMARK, "", "<uint64>"),
    hidden("name", "NAME", Text, ALL | BOOKMARK),
    row("canmount", "CANMOUNT", Index(&["on", "off", "noauto"]), Own, FS, "on", "on | off | noauto"),
    row("xattr", "XATTR", ON_OFF, Inherit, FS | SNAP, "on", "on | off"),
    hidden("numclones", "NUMCLONES", Number, SNAP),
    row("copies", "COPIES", Index(&["1", "2", "3"]), Inherit, FV, "1", "1 | 2 | 3"),
    row("version", "VERSION", Index(&["1", "2", "3", "4", "5", "current"]), Own, FS | SNAP, "5", "1 | 2 | 3 | 4 | 5 | current"),
    row("utf8only", "UTF8ONLY", ON_OFF, Once, FS | SNAP, "off", "on | off"),
    row("normalization", "NORMALIZATION", Index(&["none", "formD", "formKC", "formC", "formKD"]), Once, FS | SNAP, "none", "none | formC | formD | formKC | formKD"),
    row("casesensitivity", "CASE", Index(&["sensitive", "insensitive", "mixed"]), Once, FS | SNAP, "sensitive", "sensitive | insensitive | mixed"),
    row("vscan", "VSCAN", ON_OFF, Inherit, FS, "off", "on | off"),
    row("nbmand", "NBMAND", ON_OFF, Inherit, FS | SNAP, "off", "on | off"),
    row("sharesmb", "SHARESMB", Text, Inherit, FS, "off", "on | off | sharemgr(8) options"),
    row("refquota", "REFQUOTA", Number, Own, FS, "0", "<size> | none"),
    row("refreservation", "REFRESERV", Number, Own, FV, "0", "<size> | none"),
    row("guid", "GUID", Number, ReadOnly, ALL | BOOKMARK, "", "<uint64>"),
    row("primarycache", "PRIMARYCACHE", CACHE, Inherit, ALL, "all", "all | none | metadata"),
    row("secondarycache", "SECONDARYCACHE", CACHE, Inherit, ALL, "all", "all | none | metadata"),
    row("usedbysnapshots", "USEDSNAP", Number, ReadOnly, FV, "0", "<size>"),
    row("usedbydataset", "USEDDS", Number, ReadOnly, FV, "0", "<size>"),
    row("usedbychildren", "USEDCHILD", Number, ReadOnly, FV, "0", "<size>"),
    row("usedbyrefreservation", "USEDREFRESERV", Number, ReadOnly, FV, "0", "<size>"),
    row("defer_destroy", "DEFER_DESTROY", Index(&["yes", "no"]), ReadOnly, SNAP, "off", "yes | no"),
    row("userrefs", "USERREFS", Number, ReadOnly, SNAP, "0", "<count>"),
    row("logbias", "LOGBIAS", Index(&["latency", "throughput"]), Inherit, FV, "latency", "latency | throughput"),
    row("dedup", "DEDUP", DEDUP, Inherit, FV, "off", "on | off | verify | sha256[,verify], sha512[,verify], skein[,verify], edonr,verify"),
    row("mlslabel", "MLSLABEL", Text, Inherit, ALL, "none", "<sensitivity label>"),
    row("sync", "SYNC", Index(&["standard", "always", "disabled"]), Inherit, FV, "standard", "standard | always | disabled"),
    row("dnodesize", "DNSIZE", Index(&["legacy", "auto", "1k", "2k", "4k", "8k", "16k"]), Inherit, FS, "legacy", "legacy | auto | 1k | 2k | 4k | 8k | 16k"),
    row("refcompressratio", "REFRATIO", Number, ReadOnly, ALL, "", "<1.00x or higher if compressed>"),
    row("written", "WRITTEN", Number, ReadOnly, ALL, "0", "<size>"),
    row("clones", "CLONES", Text, ReadOnly, SNAP, "", "<dataset>[,...]"),
    row("logicalused", "LUSED", Number, ReadOnly, FV, "0", "<size>"),
    row("logicalreferenced", "LREFER", Number, ReadOnly, ALL, "0", "<size>"),
    row("filesystem_limit", "FSLIMIT", Number, Own, FS, UNLIMITED, "<count> | none"),
    row("snapshot_limit", "SSLIMIT", Number, Own, FV, UNLIMITED, "<count> | none"),
    row("filesystem_count", "FSCOUNT", Number, ReadOnly, FS, UNLIMITED, "<count>"),
    row("snapshot_count", "SSCOUNT", Number, ReadOnly, FV, UNLIMITED, "<count>"),
    row("redundant_metadata", "REDUND_MD", Index(&["all", "most"]), Inherit, FV, "all", "all | most"),
    row("receive_resume_token", "RESUMETOK", Text, ReadOnly, FV, "", "<string token>"),
    row("special_small_blocks", "SPECIAL_SMALL_BLOCKS", Number, Inherit, FS, "0", "zero or 512 to 128K, power of 2"),
    hidden("objsetid", "OBJSETID", Number, ALL),
    hidden("prevsnap", "PREVSNAP", Text, FV),
];

/// Finds a property by its name, or by its column header in any case.
pub fn find(name: &str) -> Option<&'static Native> {
    NATIVE
        .iter()
        .find(|n| n.name == name)
        .or_else(|| NATIVE.iter().find(|n| n.header.eq_ignore_ascii_case(name)))
}

/// Whether a name is that of a user property: it has a colon and is made of `a-z 0-9 : + . _ -`.
pub fn is_user(name: &str) -> bool {
    name.contains(':')
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b':' | b'+' | b'.' | b'_' | b'-'))
}

impl Native {
    pub fn applies_to(&self, types: u8) -> bool {
        self.types & types != 0
    }

    pub fn settable(&self) -> bool {
        self.attr != Attr::ReadOnly
    }

    pub fn inheritable(&self) -> bool {
        self.attr == Attr::Inherit || self.attr == Attr::Once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_aliases() {
        for (alias, name) in [
            ("recsize", "recordsize"),
            ("avail", "available"),
            ("refer", "referenced"),
            ("compress", "compression"),
            ("reserv", "reservation"),
            ("refreserv", "refreservation"),
            ("rdonly", "readonly"),
            ("volblock", "volblocksize"),
            ("usedds", "usedbydataset"),
        ] {
            assert_eq!(find(alias).map(|n| n.name), Some(name), "{alias}");
        }
        assert!(find("nosuch").is_none());
    }

    #[test]
    fn user_property_names() {
        assert!(is_user("imgadm:ignore") && is_user("smartdc:owner_uuid") && is_user("org.x:a-b"));
        assert!(!is_user("imgadm") && !is_user("A:b") && !is_user("a:b c"));
    }
}
