//! What validation and checks need to know of the system, as plain data that the caller read up
//! front.

use std::collections::BTreeSet;

use crate::brand::Flavour;
use crate::fields::{Fields, Object};
use crate::vm_object::VmObject;

/// Facts about one global zone. Leave out (`None`, empty) what the payload at hand does not touch.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub flavour: Flavour,
    /// Names of the pools.
    pub zpools: Vec<String>,
    /// The pool of VMs that name none, where it is not `zones`.
    pub default_zpool: Option<String>,
    /// The installed images that the payload names.
    pub images: Vec<ImageFacts>,
    /// The host's networks; `None` skips the checks that need them.
    pub nic_tags: Option<Vec<NicTag>>,
    /// All other VMs with `uuid`, `state`, `zone_state`, `nics` and `vnc_port`, to find conflicts
    /// with.
    pub other_vms: Vec<VmObject>,
    /// Those sources of the payload's lofs file systems that do not exist.
    pub absent_sources: BTreeSet<String>,
}

impl Facts {
    /// The pool of VMs and disks that name none.
    pub fn default_zpool(&self) -> &str {
        self.default_zpool.as_deref().unwrap_or("zones")
    }

    /// The image `uuid` if it is installed in `pool`.
    pub fn image(&self, pool: &str, uuid: &str) -> Option<&ImageFacts> {
        self.images.iter().find(|image| image.uuid == uuid && image.pool == pool)
    }
}

/// An installed image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    pub uuid: String,
    /// The pool it is installed in.
    pub pool: String,
    /// `type` of its manifest, such as `zone-dataset` or `zvol`.
    pub image_type: String,
    /// `image_size` of its manifest, in MiB.
    pub image_size: Option<i64>,
    /// Whether its manifest has `requirements`: without them the firmware is not checked.
    pub has_requirements: bool,
    /// `requirements.bootrom` of its manifest.
    pub bootrom: Option<String>,
    /// The tag `org.smartos:cloudinit_datasource` of its manifest.
    pub cloudinit_datasource: Option<String>,
}

impl ImageFacts {
    /// The facts that the manifest of an image installed in `pool` tells.
    pub fn from_manifest(pool: &str, manifest: &Object) -> ImageFacts {
        let text = |object: &Object, key: &str| object.text(key).map(str::to_owned);
        let requirements = manifest.map("requirements");
        let tags = manifest.map("tags");
        ImageFacts {
            uuid: text(manifest, "uuid").unwrap_or_default(),
            pool: pool.to_owned(),
            image_type: text(manifest, "type").unwrap_or_default(),
            image_size: manifest.integer("image_size"),
            has_requirements: requirements.is_some(),
            bootrom: requirements.and_then(|requirements| text(requirements, "bootrom")),
            cloudinit_datasource: tags
                .and_then(|tags| text(tags, "org.smartos:cloudinit_datasource")),
        }
    }
}

/// A network of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicTag {
    pub name: String,
    /// The type column of `nictagadm list -p`: `normal`, `etherstub`, `aggr` or `overlay rule`.
    pub kind: String,
}
