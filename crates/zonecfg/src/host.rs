//! The system below a root directory, for the zonecfg program.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use uuid::Uuid;

use crate::fault::Fault;
use crate::index::{self, Index, IndexEntry, Update, ZoneState};
use crate::model::{IpType, Zone};
use crate::store::{Error, Root};
use crate::system::{Save, System};
use crate::xml;

/// Brands of SmartOS and OmniOS, for roots in which no brand is installed.
pub(crate) const BRANDS: &[&str] = &[
    "bhyve",
    "builder",
    "illumos",
    "ipkg",
    "joyent",
    "joyent-minimal",
    "kvm",
    "labeled",
    "lipkg",
    "lx",
    "native",
    "pkgsrc",
    "sn1",
    "solaris10",
    "sparse",
];

/// Authorizations for zones, where no database of them is.
pub(crate) const AUTHORIZATIONS: &[&str] = &["clonefrom", "login", "manage"];

/// A root directory and the standard streams.
#[derive(Debug)]
pub struct Host {
    root: Root,
}

impl Host {
    /// The system below a root.
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    fn brand_dir(&self, brand: &str) -> PathBuf {
        self.root.path("usr/lib/brand").join(brand)
    }

    /// An element's text or an attribute's value in a brand's own files.
    fn brand_text(
        &self,
        brand: &str,
        file: &str,
        pick: impl Fn(&crate::model::Element) -> Option<String>,
    ) -> Option<String> {
        let text = std::fs::read_to_string(self.brand_dir(brand).join(file)).ok()?;
        pick(&xml::parse(&text).ok()?.root)
    }

    /// The command that checks a brand's configurations, split at blanks.
    fn verify_command(&self, brand: &str) -> Vec<String> {
        let text = self.brand_text(brand, "config.xml", |root| {
            let element = root.elements().find(|element| element.name == "verify_cfg")?;
            element.children.iter().find_map(|node| match node {
                crate::model::Node::Text(text) => Some(text.clone()),
                _ => None,
            })
        });
        text.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
    }
}

fn fault_of(error: &Error) -> Fault {
    match error {
        Error::NoZone(_) => Fault::NoZone,
        Error::Document { .. } => Fault::InvalidDocument,
        Error::Index(_) => Fault::UpdatingIndex,
        Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Fault::Access
        }
        Error::Io { .. } => Fault::FileSystem,
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        fault_of(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        fault_of(&error)
    }
}

impl System for Host {
    fn out(&mut self, text: &str) {
        // Whoever closed the pipe does not want to know more.
        let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    }

    fn err(&mut self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn ask(&mut self, question: &str, default: bool) -> Option<bool> {
        if !io::stdin().is_terminal() {
            return None;
        }
        loop {
            self.out(&format!("{question} ({})? ", if default { "[y]/n" } else { "y/[n]" }));
            let mut line = String::new();
            if io::stdin().read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.chars().next() {
                Some('\n') => return Some(default),
                Some('y' | 'Y') => return Some(true),
                Some('n' | 'N') => return Some(false),
                _ => {}
            }
        }
    }

    fn load(&mut self, name: &str) -> Result<Zone, Fault> {
        xml::read_strict(&self.root.zone_text(name)?).map_err(|_| Fault::InvalidDocument)
    }

    fn load_detached(&mut self, path: &str) -> Result<Zone, Fault> {
        let dir = self.root.path(path);
        if !dir.join("root").is_dir() {
            return Err(Fault::NoZone);
        }
        let text = std::fs::read_to_string(dir.join("SUNWdetached.xml")).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                Fault::NoZone
            } else {
                Fault::InvalidDocument
            }
        })?;
        let mut zone = xml::read_strict(&text).map_err(|_| Fault::InvalidDocument)?;
        // The software inventory describes the system that the zone comes from.
        zone.resources.retain(|entry| {
            !matches!(&entry.resource, crate::model::Resource::Unknown(element) if element.name == "package")
        });
        Ok(zone)
    }

    fn index(&mut self) -> Index {
        self.root.index().unwrap_or_default()
    }

    fn is_active(&mut self, name: &str) -> bool {
        if self.index().get(name).is_none_or(|entry| entry.state == ZoneState::Configured) {
            return false;
        }
        let zoneadm = self.root.path("usr/sbin/zoneadm");
        let output = Command::new(zoneadm)
            .args(["-z", name, "list", "-p"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        // Without zoneadm there is no kernel that could run a zone.
        let Ok(output) = output else { return false };
        let text = String::from_utf8_lossy(&output.stdout);
        let state = text.lines().find_map(|line| line.split(':').nth(2));
        state.is_some_and(|state| ZoneState::parse(state).is_none())
    }

    fn save(
        &mut self,
        zone: &Zone,
        brand: &str,
        how: &Save,
        uuid: Option<Uuid>,
    ) -> Result<(), Fault> {
        let root = self.root.clone();
        let _lock = root.lock_index().map_err(|_| Fault::LockingFile)?;
        // Without an index, what other zones there are is not known: no new one is begun.
        if !root.has_index() {
            return Err(Fault::UpdatingIndex);
        }
        let mut index = root.index()?;
        let fields = (brand.to_owned(), zone.ip_type(), zone.debugid());
        let name = zone.name();
        let update = Update {
            path: Some(zone.zonepath().to_owned()).filter(|path| !path.is_empty()),
            brand: Some(fields.clone()),
            uuid,
            ..Update::default()
        };
        let changed = match how {
            Save::Renamed(from) => {
                index.modify(from, &Update { name: Some(name.to_owned()), ..update })
            }
            Save::New if index.get(name).is_none() => index.add(&entry(name, zone, fields, uuid)),
            Save::New => {
                index.modify(name, &Update { state: Some(ZoneState::Configured), ..update })
            }
            Save::Existing => index.modify(name, &update),
        };
        changed.map_err(|_| Fault::UpdatingIndex)?;
        let before = root.zone_text(name).ok();
        root.write_zone(zone)?;
        if root.write_index(&index).is_err() {
            // The document goes back to what the index still says.
            let _ = match before {
                Some(text) => crate::store::replace_file(&root.zone_file(name), &text),
                None => root.remove_zone_file(name),
            };
            return Err(Fault::UpdatingIndex);
        }
        if let Save::Renamed(from) = how {
            // The zone is in the index under its new name only: what stays of the old one does no harm.
            let _ = root.remove_zone_file(from);
        }
        Ok(())
    }

    fn destroy(&mut self, name: &str, force: bool) -> Result<(), Fault> {
        let entry = self.index().get(name);
        let file = self.root.zone_file(name);
        if entry.is_none() && !file.exists() {
            return Err(Fault::NoZone);
        }
        if self.is_active(name)
            || (!force && entry.is_some_and(|e| e.state != ZoneState::Configured))
        {
            return Err(Fault::BadZoneState);
        }
        self.root.update_index(|index| {
            index.remove(name);
            Ok::<(), Error>(())
        })?;
        self.root.remove_zone_file(name)?;
        Ok(())
    }

    fn next_debugid(&mut self) -> Option<u32> {
        self.root.next_debugid().ok()
    }

    fn new_uuid(&mut self) -> Uuid {
        Uuid::new_v4()
    }

    fn has_brand(&mut self, brand: &str) -> bool {
        if self.brand_dir(brand).join("config.xml").is_file() {
            return true;
        }
        let brands =
            std::fs::read_dir(self.root.path("usr/lib/brand")).into_iter().flatten().flatten();
        let installed = brands.into_iter().any(|brand| brand.path().join("config.xml").is_file());
        !installed && BRANDS.contains(&brand)
    }

    fn allows_exclusive_ip(&mut self, brand: &str) -> bool {
        let allowed = self.brand_text(brand, "platform.xml", |root| {
            Some(root.get("allow-exclusive-ip").unwrap_or("false").to_owned())
        });
        allowed.is_none_or(|allowed| allowed == "true")
    }

    fn verify_brand(&mut self, zone: &Zone, brand: &str) -> Result<(), Fault> {
        let command = self.verify_command(brand);
        let Some((program, arguments)) = command.split_first() else { return Ok(()) };
        let file = std::env::temp_dir().join(format!("zonecfg_verify.{}", Uuid::new_v4().simple()));
        crate::store::replace_file(&file, &xml::write(zone))?;
        let output = Command::new(self.root.path(program))
            .args(arguments)
            .arg(OsString::from(&file))
            .stdin(Stdio::null())
            .output();
        let _ = std::fs::remove_file(&file);
        match output {
            Ok(output) => {
                self.err(&String::from_utf8_lossy(&output.stdout));
                self.err(&String::from_utf8_lossy(&output.stderr));
                if output.status.success() { Ok(()) } else { Err(Fault::BrandError) }
            }
            Err(error) => {
                self.err(&format!("{program}: {error}\n"));
                Err(Fault::BrandError)
            }
        }
    }

    fn is_user(&mut self, name: &str) -> bool {
        let databases = [self.root.path("etc/passwd"), PathBuf::from("/etc/passwd")];
        let database = databases.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let listed = |text: String| text.lines().any(|line| line.split(':').next() == Some(name));
        if database.is_some_and(listed) {
            return true;
        }
        // Users of a directory service.
        Command::new(self.root.path("usr/bin/getent"))
            .args(["passwd", name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn is_authorization(&mut self, right: &str) -> bool {
        match std::fs::read_to_string(self.root.path("etc/security/auth_attr")) {
            Ok(text) => {
                let wanted = format!("solaris.zone.{right}");
                text.lines().any(|line| line.split(':').next() == Some(wanted.as_str()))
            }
            Err(_) => AUTHORIZATIONS.contains(&right),
        }
    }

    fn write_file(&mut self, path: &str, text: &str) -> Result<(), String> {
        std::fs::write(path, text).map_err(|error| crate::cli::reason(&error))
    }
}

fn entry(
    name: &str,
    zone: &Zone,
    (brand, iptype, debugid): (String, IpType, Option<u32>),
    uuid: Option<Uuid>,
) -> IndexEntry {
    IndexEntry {
        name: name.to_owned(),
        state: ZoneState::Configured,
        path: zone.zonepath().to_owned(),
        uuid,
        brand,
        iptype,
        debugid,
    }
}

impl From<index::Error> for Fault {
    fn from(_: index::Error) -> Self {
        Self::UpdatingIndex
    }
}
