//! Opening libzfs and naming the functions of it that are used.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;

use libloading::Library;

/// `libzfs_handle_t`, `zfs_handle_t` and `nvlist_t`: only ever pointed at.
pub(crate) type Handle = c_void;
/// `zfs_iter_f`: called with a dataset that the callee then owns.
pub(crate) type Visit = unsafe extern "C" fn(*mut Handle, *mut c_void) -> c_int;

/// Why libzfs could not be used. Callers fall back to the `zfs` program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No libzfs on this system, or one without a function that is needed.
    #[error("libzfs: {0}")]
    Load(#[from] libloading::Error),
    /// The library refused to start: no privileges or no zfs in the kernel.
    #[error("libzfs_init failed")]
    Init,
    /// A name that is neither a property of this libzfs nor a user property.
    #[error("libzfs does not know the property \"{0}\"")]
    Property(String),
    /// A dataset that is not there or cannot be read.
    #[error("cannot open '{0}'")]
    Dataset(String),
    /// Going through the datasets stopped early.
    #[error("listing the datasets failed")]
    Listing,
    /// A name with a NUL byte.
    #[error("a name holds a NUL byte")]
    Name,
}

/// The functions used, as libzfs.h (illumos and OpenZFS) declares them.
pub(crate) struct Functions {
    pub init: unsafe extern "C" fn() -> *mut Handle,
    pub fini: unsafe extern "C" fn(*mut Handle),
    pub print_on_error: unsafe extern "C" fn(*mut Handle, c_int),
    pub open: unsafe extern "C" fn(*mut Handle, *const c_char, c_int) -> *mut Handle,
    pub close: unsafe extern "C" fn(*mut Handle),
    pub iter_root: unsafe extern "C" fn(*mut Handle, Visit, *mut c_void) -> c_int,
    pub iter_filesystems: unsafe extern "C" fn(*mut Handle, Visit, *mut c_void) -> c_int,
    pub get_type: unsafe extern "C" fn(*const Handle) -> c_int,
    pub name_to_prop: unsafe extern "C" fn(*const c_char) -> c_int,
    pub prop_get: unsafe extern "C" fn(
        *mut Handle,
        c_int,
        *mut c_char,
        usize,
        *mut c_int,
        *mut c_char,
        usize,
        c_int,
    ) -> c_int,
    pub get_user_props: unsafe extern "C" fn(*mut Handle) -> *mut Handle,
    pub lookup_nvlist: unsafe extern "C" fn(*mut Handle, *const c_char, *mut *mut Handle) -> c_int,
    pub lookup_string:
        unsafe extern "C" fn(*mut Handle, *const c_char, *mut *const c_char) -> c_int,
}

/// An open libzfs. Not shared between threads: the library keeps state in its handle.
pub struct Libzfs {
    pub(crate) functions: Functions,
    pub(crate) handle: *mut Handle,
    // Closed after `handle` is given back, which `drop` sees to; the functions point into it.
    _libraries: (Library, Library),
    _not_send: PhantomData<*mut ()>,
}

impl std::fmt::Debug for Libzfs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Libzfs")
    }
}

/// libzfs and libnvpair by the names under which systems have them, newest first.
const NAMES: [(&str, &str); 4] = [
    ("libzfs.so.1", "libnvpair.so.1"),
    ("libzfs.so.6", "libnvpair.so.3"),
    ("libzfs.so.7", "libnvpair.so.3"),
    ("libzfs.so.4", "libnvpair.so.3"),
];

fn open_libraries() -> Result<(Library, Library), Error> {
    let mut last = None;
    for (zfs, nvpair) in NAMES {
        // SAFETY: both are libraries of the system whose initialisers only set up their own state.
        match unsafe { Library::new(zfs).and_then(|z| Ok((z, Library::new(nvpair)?))) } {
            Ok(libraries) => return Ok(libraries),
            // The first failure tells of the name that this system should have had.
            Err(error) => last = last.or(Some(error)),
        }
    }
    Err(last.map_or(Error::Init, Error::Load))
}

impl Libzfs {
    /// Opens the system's libzfs. Fails where there is none, or no zfs in the kernel.
    pub fn load() -> Result<Self, Error> {
        let (zfs, nvpair) = open_libraries()?;
        // SAFETY: the names and types are those of libzfs.h and libnvpair.h on both systems; `boolean_t` is an int.
        let functions = unsafe {
            Functions {
                init: *zfs.get(c"libzfs_init")?,
                fini: *zfs.get(c"libzfs_fini")?,
                print_on_error: *zfs.get(c"libzfs_print_on_error")?,
                open: *zfs.get(c"zfs_open")?,
                close: *zfs.get(c"zfs_close")?,
                iter_root: *zfs.get(c"zfs_iter_root")?,
                iter_filesystems: *zfs.get(c"zfs_iter_filesystems")?,
                get_type: *zfs.get(c"zfs_get_type")?,
                name_to_prop: *zfs.get(c"zfs_name_to_prop")?,
                prop_get: *zfs.get(c"zfs_prop_get")?,
                get_user_props: *zfs.get(c"zfs_get_user_props")?,
                lookup_nvlist: *nvpair.get(c"nvlist_lookup_nvlist")?,
                lookup_string: *nvpair.get(c"nvlist_lookup_string")?,
            }
        };
        // SAFETY: takes nothing, and a null pointer says that it failed.
        let handle = unsafe { (functions.init)() };
        if handle.is_null() {
            return Err(Error::Init);
        }
        // SAFETY: the handle is fresh. Errors are reported by us, not by the library on stderr.
        unsafe { (functions.print_on_error)(handle, 0) };
        Ok(Self { functions, handle, _libraries: (zfs, nvpair), _not_send: PhantomData })
    }

    /// The library's number of a property; `None` for a user property (its name holds a colon).
    pub(crate) fn property(&self, name: &str) -> Result<Option<c_int>, Error> {
        let text = CString::new(name).map_err(|_| Error::Name)?;
        // SAFETY: a NUL-terminated name; libzfs compares it with the names it knows.
        let number = unsafe { (self.functions.name_to_prop)(text.as_ptr()) };
        if number >= 0 {
            return Ok(Some(number));
        }
        if name.contains(':') { Ok(None) } else { Err(Error::Property(name.to_owned())) }
    }
}

impl Drop for Libzfs {
    fn drop(&mut self) {
        // SAFETY: `load` made the handle, and no dataset is held open beyond a call.
        unsafe { (self.functions.fini)(self.handle) };
    }
}

/// The text at a pointer that libzfs gave.
///
/// # Safety
/// `pointer` is NUL-terminated and lives for the call.
pub(crate) unsafe fn text(pointer: *const c_char) -> String {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
