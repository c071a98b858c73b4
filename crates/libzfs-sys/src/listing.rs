//! Walking datasets and reading their properties.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::library::{Error, Handle, Libzfs, text};

/// `zfs_type_t`: one bit a kind of dataset, the same on illumos and OpenZFS.
const FILESYSTEM: c_int = 1;
const VOLUME: c_int = 4;
/// `ZFS_MAXPROPLEN`: no property's text is longer.
const LONGEST: usize = 4096;

/// The kinds of dataset a listing holds. Snapshots are left to the `zfs` program: the two systems' functions for them
/// take different arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types {
    pub filesystems: bool,
    pub volumes: bool,
}

impl Types {
    fn mask(self) -> c_int {
        FILESYSTEM * c_int::from(self.filesystems) + VOLUME * c_int::from(self.volumes)
    }
}

/// One column: a property by the library's number, or a user property by name.
enum Column {
    Native(c_int),
    User(CString),
}

struct Walk<'a> {
    library: &'a Libzfs,
    columns: &'a [Column],
    mask: c_int,
    /// How many levels below the present one are still wanted; `None`: all.
    depth: Option<u32>,
    rows: Vec<Vec<String>>,
    failed: bool,
}

impl Libzfs {
    /// The rows of `zfs list -H -p -r -t TYPES -o PROPERTIES`, in the order in which the library goes through the
    /// datasets. `below` and `depth` are as for `zfs list -d`; an empty `below` means every pool.
    pub fn list(
        &self,
        types: Types,
        properties: &[&str],
        below: &[&str],
        depth: Option<u32>,
    ) -> Result<Vec<Vec<String>>, Error> {
        let columns = properties
            .iter()
            .map(|name| match self.property(name)? {
                Some(number) => Ok(Column::Native(number)),
                None => CString::new(*name).map(Column::User).map_err(|_| Error::Name),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut walk = Walk {
            library: self,
            columns: &columns,
            mask: types.mask(),
            depth,
            rows: Vec::new(),
            failed: false,
        };
        let context = (&raw mut walk).cast::<c_void>();
        if below.is_empty() {
            // SAFETY: `visit` takes what this iterator passes: a dataset to close and our context.
            let code = unsafe { (self.functions.iter_root)(self.handle, visit, context) };
            walk.failed |= code != 0;
        }
        for name in below {
            let name_text = CString::new(*name).map_err(|_| Error::Name)?;
            // SAFETY: an open library and a NUL-terminated name; null says that it failed.
            let dataset = unsafe {
                (self.functions.open)(self.handle, name_text.as_ptr(), FILESYSTEM | VOLUME)
            };
            if dataset.is_null() {
                return Err(Error::Dataset((*name).to_owned()));
            }
            // SAFETY: as an iterator would call it, with a dataset that it closes.
            walk.failed |= unsafe { visit(dataset, context) } != 0;
        }
        if walk.failed { Err(Error::Listing) } else { Ok(walk.rows) }
    }
}

/// The `zfs_iter_f`: takes the dataset over. No panic may pass through the C code that calls it.
///
/// # Safety
/// `dataset` is an open dataset that nobody else closes; `context` is a `Walk` that nobody else uses meanwhile.
unsafe extern "C" fn visit(dataset: *mut Handle, context: *mut c_void) -> c_int {
    // SAFETY: `context` is the Walk that `list` passed, used by this thread alone.
    let walk = unsafe { &mut *context.cast::<Walk<'_>>() };
    let library = walk.library;
    let code = catch_unwind(AssertUnwindSafe(|| walk.dataset(dataset))).unwrap_or(1);
    // SAFETY: the dataset was given over to this function.
    unsafe { (library.functions.close)(dataset) };
    code
}

impl Walk<'_> {
    fn dataset(&mut self, dataset: *mut Handle) -> c_int {
        let functions = &self.library.functions;
        // SAFETY: an open dataset.
        let kind = unsafe { (functions.get_type)(dataset) };
        if kind & self.mask != 0 {
            let row = self.columns.iter().map(|column| self.value(dataset, column)).collect();
            self.rows.push(row);
        }
        if kind != FILESYSTEM || self.depth == Some(0) {
            return 0;
        }
        self.depth = self.depth.map(|depth| depth - 1);
        let context = std::ptr::from_mut(self).cast::<c_void>();
        // SAFETY: `self` is not touched while the library calls `visit` with it.
        let code = unsafe { (functions.iter_filesystems)(dataset, visit, context) };
        self.depth = self.depth.map(|depth| depth + 1);
        code
    }

    /// The value as `zfs list -p` prints it: `-` where the dataset has none.
    fn value(&self, dataset: *mut Handle, column: &Column) -> String {
        let value = match column {
            Column::Native(number) => self.native(dataset, *number),
            Column::User(name) => self.user(dataset, name),
        };
        value.unwrap_or_else(|| "-".to_owned())
    }

    fn native(&self, dataset: *mut Handle, number: c_int) -> Option<String> {
        let mut buffer = [0u8; LONGEST];
        let start = buffer.as_mut_ptr().cast::<c_char>();
        // SAFETY: the buffer is as long as is said; the source is not asked for, which null pointers mean.
        let code = unsafe {
            (self.library.functions.prop_get)(
                dataset,
                number,
                start,
                buffer.len(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                0,
                1,
            )
        };
        if code != 0 {
            return None;
        }
        CStr::from_bytes_until_nul(&buffer).ok().map(|text| text.to_string_lossy().into_owned())
    }

    fn user(&self, dataset: *mut Handle, name: &CStr) -> Option<String> {
        let functions = &self.library.functions;
        let mut entry = std::ptr::null_mut();
        let mut value = std::ptr::null();
        // SAFETY: the list belongs to the dataset and lives as long; the look-ups only write where they succeed.
        unsafe {
            let list = (functions.get_user_props)(dataset);
            if list.is_null()
                || (functions.lookup_nvlist)(list, name.as_ptr(), &raw mut entry) != 0
                || (functions.lookup_string)(entry, c"value".as_ptr(), &raw mut value) != 0
            {
                return None;
            }
            Some(text(value))
        }
    }
}
