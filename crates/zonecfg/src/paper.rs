//! A system on paper: nothing is written, what is said is kept. For checking scripts without a system.

use uuid::Uuid;

use crate::fault::Fault;
use crate::index::Index;
use crate::model::{Attr, Zone};
use crate::system::{Save, System};

/// A system without zones, with the templates of SmartOS and OmniOS.
#[derive(Debug, Default)]
pub struct Paper {
    zones: Vec<Zone>,
    index: Option<Index>,
    debugids: u32,
    /// What went to the standard output.
    pub out: String,
    /// What went to the standard error output.
    pub err: String,
}

impl Paper {
    /// Adds a saved zone.
    #[must_use]
    pub fn with_zone(mut self, zone: Zone) -> Self {
        self.zones.push(zone);
        self
    }

    fn index_mut(&mut self) -> &mut Index {
        self.index.get_or_insert_with(Index::default)
    }
}

/// The template of that name as it is shipped.
fn template(name: &str) -> Option<Zone> {
    let brand = match name {
        "SUNWblank" => "ipkg",
        "SUNWdefault" | "Joyent" => "joyent",
        "SUNWlx" | "SUNWlx26" | "OMNIlx" => "lx",
        "SYSbhyve" | "OMNIbhyve" => "bhyve",
        "OMNIkvm" => "kvm",
        "OMNIlipkg" => "lipkg",
        "OMNIsparse" => "sparse",
        "OMNIpkgsrc" => "pkgsrc",
        "OMNIillumos" => "illumos",
        _ => return None,
    };
    let mut zone = Zone::new(name, brand);
    let attrs: &[(&str, &str)] = match name {
        "SUNWlx26" => &[("kernel-version", "2.6")],
        "SYSbhyve" => {
            &[("bootrom", "/usr/share/bhyve/uefi-csm-rom.bin"), ("com1", "/dev/zconsole")]
        }
        _ => &[],
    };
    for (name, value) in attrs {
        zone.add(Attr {
            name: (*name).to_owned(),
            attr_type: "string".to_owned(),
            value: (*value).to_owned(),
        });
    }
    Some(zone)
}

impl System for Paper {
    fn out(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn err(&mut self, text: &str) {
        self.err.push_str(text);
    }

    fn take_complaints(&mut self) -> Option<String> {
        let said = std::mem::take(&mut self.err);
        let line = said.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then_some(line)
    }

    fn ask(&mut self, _question: &str, _default: bool) -> Option<bool> {
        None
    }

    fn load(&mut self, name: &str) -> Result<Zone, Fault> {
        let saved = self.zones.iter().find(|zone| zone.name() == name).cloned();
        saved.or_else(|| template(name)).ok_or(Fault::NoZone)
    }

    fn load_detached(&mut self, _path: &str) -> Result<Zone, Fault> {
        Ok(Zone::new("", "ipkg"))
    }

    fn index(&mut self) -> Index {
        self.index_mut().clone()
    }

    fn is_active(&mut self, _name: &str) -> bool {
        false
    }

    fn save(
        &mut self,
        zone: &Zone,
        _brand: &str,
        how: &Save,
        _uuid: Option<Uuid>,
    ) -> Result<(), Fault> {
        let old = if let Save::Renamed(from) = how { from } else { zone.name() };
        self.zones.retain(|saved| saved.name() != old);
        self.zones.push(zone.clone());
        Ok(())
    }

    fn destroy(&mut self, name: &str, _force: bool) -> Result<(), Fault> {
        let before = self.zones.len();
        self.zones.retain(|zone| zone.name() != name);
        if self.zones.len() == before { Err(Fault::NoZone) } else { Ok(()) }
    }

    fn next_debugid(&mut self) -> Option<u32> {
        self.debugids += 1;
        Some(self.debugids)
    }

    fn new_uuid(&mut self) -> Uuid {
        Uuid::new_v4()
    }

    fn has_brand(&mut self, brand: &str) -> bool {
        crate::host::BRANDS.contains(&brand)
    }

    fn allows_exclusive_ip(&mut self, _brand: &str) -> bool {
        true
    }

    fn verify_brand(&mut self, _zone: &Zone, _brand: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn is_user(&mut self, _name: &str) -> bool {
        // Users are the target system's.
        true
    }

    fn is_authorization(&mut self, right: &str) -> bool {
        crate::host::AUTHORIZATIONS.contains(&right)
    }

    fn write_file(&mut self, _path: &str, _text: &str) -> Result<(), String> {
        Ok(())
    }
}
