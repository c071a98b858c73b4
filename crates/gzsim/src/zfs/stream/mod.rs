//! ZFS send streams: records, checksums, name-value lists; reading, checking and writing them.
//!
//! The format is that of illumos's zfs_ioctl.h and dmu_send.c, which OpenZFS shares.

pub mod archive;
pub mod fletcher;
pub mod nvlist;
pub mod reader;
pub mod record;
pub mod volume;
pub mod writer;

/// Object number of the records that carry our own archive of a filesystem's files. Real filesystems number their
/// objects from 1 upwards and never get there.
pub const ARCHIVE_OBJECT: u64 = 0x0067_7a73_696d_0001;
