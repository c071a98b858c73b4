//! What can go wrong in a configuration, with the words that scripts match on.

use std::fmt;

/// A reason, as libzonecfg(3LIB) words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing of that kind.
    NoEntry,
    /// Not a zone name.
    BogusZoneName,
    /// A resource that every zone needs is missing.
    RequiredResourceMissing,
    /// A property that a resource needs is missing.
    RequiredPropertyMissing,
    /// A value that cannot be.
    Invalid,
    /// Not allowed.
    Access,
    /// Too long.
    TooBig,
    /// A file operation failed.
    FileSystem,
    /// The zone is not configured.
    NoZone,
    /// There is no such resource.
    NoResourceType,
    /// No resource matches.
    NoResourceId,
    /// There is no such property here.
    NoPropertyType,
    /// The property has no such value.
    NoPropertyId,
    /// The zone's state does not allow it.
    BadZoneState,
    /// The document is not a zone's.
    InvalidDocument,
    /// The zone name is taken.
    NameInUse,
    /// The index could not be changed.
    UpdatingIndex,
    /// The index could not be locked.
    LockingFile,
    /// More than one resource matches, or nothing was asked for.
    InsufficientSpecification,
    /// The brand's own check failed.
    BrandError,
    /// Settings that exclude each other.
    Incompatible,
    /// A resource control that is not the alias's.
    AliasDisallowed,
    /// The property cannot be cleared.
    ClearDisallowed,
    /// A property with a value that it cannot have.
    InvalidProperty,
    /// A stored value that is wrong.
    BadProperty,
    /// The document could not be written.
    SavingFile,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntry => "No such entry",
            Self::BogusZoneName => "Bogus zone name",
            Self::RequiredResourceMissing => "Required resource missing",
            Self::RequiredPropertyMissing => "Required property missing",
            Self::Invalid => "Invalid argument",
            Self::Access => "Permission denied",
            Self::TooBig => "Argument list too long",
            Self::FileSystem => "Miscellaneous file system error",
            Self::NoZone => "No such zone configured",
            Self::NoResourceType => "No such resource type",
            Self::NoResourceId => "No such resource with that id",
            Self::NoPropertyType => "No such property type",
            Self::NoPropertyId => "No such property with that id",
            Self::BadZoneState => "Zone state is invalid for the requested operation",
            Self::InvalidDocument => "Invalid document",
            Self::NameInUse => "Zone name already in use",
            Self::UpdatingIndex => "Problem updating index file",
            Self::LockingFile => "Locking index file",
            Self::InsufficientSpecification => "Insufficient specification",
            Self::BrandError => "Brand-specific error",
            Self::Incompatible => "Incompatible settings",
            Self::AliasDisallowed => "An incompatible rctl already exists for this property",
            Self::ClearDisallowed => "Clearing this property is not allowed",
            Self::InvalidProperty => "Specified property is invalid",
            Self::BadProperty => "Bad document property",
            Self::SavingFile => "Problem saving file",
        })
    }
}

impl std::error::Error for Fault {}
