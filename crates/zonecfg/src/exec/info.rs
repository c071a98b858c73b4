//! `info`

use super::clear::{is_barred_property, zone_alias};
use super::{Flow, Pending, Session};
use crate::alias;
use crate::fault::Fault;
use crate::info;
use crate::lang::{Pair, PropertyName, ResourceType};
use crate::model::{Admin, Attr, Dataset, Device, Fs, Net, Rctl, key};
use crate::values::{check_fs_allowed, check_hostid, same_address};

impl Session<'_> {
    pub(super) fn info(&mut self) -> Flow {
        if !self.initialize(true)? || self.show_open() {
            return Ok(());
        }
        let global = self.is_global_zone();
        for name in PropertyName::GLOBAL {
            let shown = !matches!(name, PropertyName::Uuid) && zone_alias(*name).is_none();
            if shown && !(global && is_barred_property(*name) && *name != PropertyName::Zonename) {
                self.show_property(*name);
            }
        }
        if !global {
            self.show_property(PropertyName::Uuid);
        }
        let zone = self.zone_ref().clone();
        let mut text = String::new();
        for alias in alias::OF_ZONE {
            text.push_str(&info::aliased(&zone, *alias));
        }
        if !global {
            text.extend(zone.filesystems().map(info::fs));
            text.extend(zone.nets().map(info::net));
            text.extend(zone.devices().map(info::device));
        }
        if let Some(pset) = zone.pset() {
            let importance =
                zone.tmp_pool().map(|pool| pool.importance.as_str()).unwrap_or_default();
            text.push_str(&info::dedicated_cpu(pset, importance));
        }
        text.push_str(&info::capped_cpu(&zone));
        text.push_str(&info::capped_memory(&zone, false));
        if !global {
            text.extend(zone.attrs().map(info::attr));
            text.extend(zone.resources().filter_map(|r| match r {
                crate::model::Resource::Dataset(dataset) => Some(info::dataset(dataset)),
                _ => None,
            }));
            text.extend(zone.admins().map(info::admin));
        }
        text.extend(zone.rctls().map(info::rctl));
        text.extend(zone.security_flags().map(info::security_flags));
        self.system.out(&text);
        Ok(())
    }

    /// Shows the open resource, if one is.
    fn show_open(&mut self) -> bool {
        let Some(scope) = &self.scope else { return false };
        let text = match &scope.pending {
            Pending::Fs(fs) => info::fs(fs),
            Pending::Net(net) => info::net(net),
            Pending::Device(device) => info::device(device),
            Pending::Rctl(rctl) => info::rctl(rctl),
            Pending::Attr(attr) => info::attr(attr),
            Pending::Dataset(dataset) => info::dataset(dataset),
            Pending::DedicatedCpu(pset, importance) => info::dedicated_cpu(pset, importance),
            Pending::CappedCpu => info::capped_cpu(self.zone_ref()),
            Pending::CappedMemory => info::capped_memory(self.zone_ref(), true),
            Pending::Admin(admin) => info::admin(admin),
            Pending::SecurityFlags(flags) => info::security_flags(flags),
        };
        self.system.out(&text);
        true
    }

    pub(super) fn info_property(&mut self, name: PropertyName) -> Flow {
        if !self.initialize(true)? || self.show_open() {
            return Ok(());
        }
        if self.is_global_zone() && is_barred_property(name) {
            self.complain(format_args!("{name} is not a valid property for the global zone."));
        } else {
            self.show_property(name);
        }
        Ok(())
    }

    fn show_property(&mut self, name: PropertyName) {
        if let Some(alias) = zone_alias(name) {
            let text = info::aliased(self.zone_ref(), alias);
            return self.system.out(&text);
        }
        let zone = self.zone_ref();
        // The system's buffers are that long; what is longer is an error there.
        let (value, longest) = match name {
            PropertyName::Zonename => (zone.name().to_owned(), 63),
            PropertyName::Zonepath => (zone.zonepath().to_owned(), 1023),
            PropertyName::Autoboot => (zone.autoboot().to_string(), 5),
            PropertyName::IpType if !super::verify::has_known_ip_type(zone) => {
                return self.zone_fault(Fault::Invalid);
            }
            PropertyName::IpType => (zone.ip_type().as_str().to_owned(), 9),
            PropertyName::Brand => {
                let zone = zone.clone();
                (self.brand_of(&zone).unwrap_or_default(), 255)
            }
            PropertyName::Pool => (zone.get(key::POOL).unwrap_or_default().to_owned(), 255),
            PropertyName::Bootargs => (zone.get(key::BOOTARGS).unwrap_or_default().to_owned(), 255),
            PropertyName::SchedulingClass => {
                (zone.get(key::SCHEDULING_CLASS).unwrap_or_default().to_owned(), 255)
            }
            PropertyName::Limitpriv => {
                (zone.get(key::LIMITPRIV).unwrap_or_default().to_owned(), usize::MAX)
            }
            PropertyName::Hostid => {
                let hostid = zone.get(key::HOSTID).unwrap_or_default().to_owned();
                if !hostid.is_empty() && check_hostid(&hostid) == Err(Fault::InvalidProperty) {
                    return self.zone_fault(Fault::InvalidProperty);
                }
                (hostid, 10)
            }
            PropertyName::FsAllowed => {
                let allowed = zone.get(key::FS_ALLOWED).unwrap_or_default().to_owned();
                if check_fs_allowed(&allowed) == Err(Fault::InvalidProperty) {
                    return self.zone_fault(Fault::InvalidProperty);
                }
                (allowed, 1023)
            }
            PropertyName::Uuid => {
                let uuid = if self.new_uuid.is_empty() {
                    self.saved_uuid().map(|uuid| uuid.to_string()).unwrap_or_default()
                } else {
                    self.new_uuid.clone()
                };
                let text =
                    if uuid.is_empty() { "uuid:\n".to_owned() } else { format!("uuid: {uuid}\n") };
                return self.system.out(&text);
            }
            _ => return,
        };
        if value.len() > longest {
            return match name {
                PropertyName::Zonename | PropertyName::Zonepath | PropertyName::Brand => {
                    self.system.out(&format!("{name} not specified\n"));
                }
                _ => self.zone_fault(Fault::TooBig),
            };
        }
        self.system.out(&format!("{name}: {value}\n"));
    }

    fn zone_fault(&mut self, fault: Fault) {
        let zone = self.zone.clone();
        self.fault(zone, fault);
    }

    pub(super) fn info_resource(&mut self, resource: ResourceType, pairs: &[Pair]) -> Flow {
        if !self.initialize(true)? || self.show_open() {
            return Ok(());
        }
        if self.is_barred_in_global_zone(resource) {
            self.complain(format_args!("{resource} is not a valid resource for the global zone."));
            return Ok(());
        }
        let zone = self.zone_ref().clone();
        let text = match resource {
            ResourceType::DedicatedCpu => zone.pset().map_or_else(String::new, |pset| {
                let importance =
                    zone.tmp_pool().map(|pool| pool.importance.as_str()).unwrap_or_default();
                info::dedicated_cpu(pset, importance)
            }),
            ResourceType::CappedCpu => info::capped_cpu(&zone),
            ResourceType::CappedMemory => info::capped_memory(&zone, false),
            ResourceType::SecurityFlags => {
                zone.security_flags().map(info::security_flags).unwrap_or_default()
            }
            ResourceType::Fs => {
                self.matching(pairs, resource, zone.filesystems(), info::fs, |want: &Fs, fs| {
                    means(&want.dir, &fs.dir)
                        && means(&want.special, &fs.special)
                        && means(&want.fs_type, &fs.fs_type)
                })
            }
            ResourceType::Net => {
                self.matching(pairs, resource, zone.nets(), info::net, |want: &Net, net| {
                    means(&want.physical, &net.physical)
                        && want.address.as_deref().is_none_or(|address| {
                            same_address(address, net.address.as_deref().unwrap_or_default())
                        })
                })
            }
            ResourceType::Device => self.matching(
                pairs,
                resource,
                zone.devices(),
                info::device,
                |want: &Device, device| means(&want.matches, &device.matches),
            ),
            ResourceType::Rctl => {
                self.matching(pairs, resource, zone.rctls(), info::rctl, |want: &Rctl, rctl| {
                    means(&want.name, &rctl.name)
                })
            }
            ResourceType::Attr => {
                self.matching(pairs, resource, zone.attrs(), info::attr, |want: &Attr, attr| {
                    means(&want.name, &attr.name)
                        && means(&want.attr_type, &attr.attr_type)
                        && means(&want.value, &attr.value)
                })
            }
            ResourceType::Dataset => {
                let datasets: Vec<_> =
                    zone.datasets().map(|name| Dataset { name: name.to_owned() }).collect();
                self.matching(
                    pairs,
                    resource,
                    datasets.iter(),
                    info::dataset,
                    |want: &Dataset, dataset| means(&want.name, &dataset.name),
                )
            }
            ResourceType::Admin => {
                self.matching(pairs, resource, zone.admins(), info::admin, |want: &Admin, admin| {
                    means(&want.user, &admin.user)
                })
            }
        };
        self.system.out(&text);
        Ok(())
    }

    /// The resources that the pairs mean, as text. Wrong pairs are reported once a resource.
    fn matching<'z, K: super::keys::Keys, R: 'z>(
        &mut self,
        pairs: &[Pair],
        resource: ResourceType,
        all: impl Iterator<Item = &'z R>,
        show: impl Fn(&R) -> String,
        is_meant: impl Fn(&K, &R) -> bool,
    ) -> String {
        let mut text = String::new();
        for found in all {
            if pairs.is_empty() || self.keys::<K>(pairs).is_ok_and(|want| is_meant(&want, found)) {
                text.push_str(&show(found));
            }
        }
        if text.is_empty() && !pairs.is_empty() {
            text = format!("No such {resource} resource.\n");
        }
        text
    }
}

/// Whether a wanted text, if any, is the one there is.
fn means(want: &str, have: &str) -> bool {
    want.is_empty() || want == have
}
