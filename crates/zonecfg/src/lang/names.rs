//! The words of the command language.

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),* }

        impl $name {
            /// All words of this kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The word's value, if it is one of this kind.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// A command word.
    Verb {
        Add = "add",
        Cancel = "cancel",
        Clear = "clear",
        Commit = "commit",
        Create = "create",
        Delete = "delete",
        End = "end",
        Exit = "exit",
        Export = "export",
        Help = "help",
        Info = "info",
        Remove = "remove",
        Revert = "revert",
        Select = "select",
        Set = "set",
        Verify = "verify",
    }
}

words! {
    /// A kind of resource.
    ResourceType {
        Fs = "fs",
        Net = "net",
        Device = "device",
        Rctl = "rctl",
        Attr = "attr",
        Dataset = "dataset",
        DedicatedCpu = "dedicated-cpu",
        CappedCpu = "capped-cpu",
        CappedMemory = "capped-memory",
        Admin = "admin",
        SecurityFlags = "security-flags",
    }
}

words! {
    /// A property of a zone or of a resource.
    PropertyName {
        Zonename = "zonename",
        Zonepath = "zonepath",
        Autoboot = "autoboot",
        Pool = "pool",
        Dir = "dir",
        Special = "special",
        Type = "type",
        Options = "options",
        Address = "address",
        Physical = "physical",
        Name = "name",
        Value = "value",
        Match = "match",
        Priv = "priv",
        Limit = "limit",
        Action = "action",
        Raw = "raw",
        Limitpriv = "limitpriv",
        Bootargs = "bootargs",
        Brand = "brand",
        Ncpus = "ncpus",
        Importance = "importance",
        Swap = "swap",
        Locked = "locked",
        CpuShares = "cpu-shares",
        MaxLwps = "max-lwps",
        MaxShmMemory = "max-shm-memory",
        MaxShmIds = "max-shm-ids",
        MaxMsgIds = "max-msg-ids",
        MaxSemIds = "max-sem-ids",
        SchedulingClass = "scheduling-class",
        IpType = "ip-type",
        Defrouter = "defrouter",
        Hostid = "hostid",
        User = "user",
        Auths = "auths",
        FsAllowed = "fs-allowed",
        MaxProcesses = "max-processes",
        AllowedAddress = "allowed-address",
        ZfsIoPriority = "zfs-io-priority",
        MacAddr = "mac-addr",
        VlanId = "vlan-id",
        GlobalNic = "global-nic",
        Property = "property",
        Uuid = "uuid",
        Default = "default",
        Lower = "lower",
        Upper = "upper",
    }
}

impl PropertyName {
    /// The properties of the zone itself, in the order in which help lists them.
    pub const GLOBAL: &'static [Self] = &[
        Self::Zonename,
        Self::Zonepath,
        Self::Brand,
        Self::Autoboot,
        Self::Bootargs,
        Self::Pool,
        Self::Limitpriv,
        Self::SchedulingClass,
        Self::IpType,
        Self::Hostid,
        Self::FsAllowed,
        Self::MaxLwps,
        Self::MaxProcesses,
        Self::MaxShmMemory,
        Self::MaxShmIds,
        Self::MaxMsgIds,
        Self::MaxSemIds,
        Self::CpuShares,
        Self::Uuid,
        Self::ZfsIoPriority,
    ];

    /// Whether it belongs to the zone itself.
    pub fn is_global(self) -> bool {
        Self::GLOBAL.contains(&self)
    }
}
