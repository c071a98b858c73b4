//! `select`

use super::{Ending, Flow, Pending, Scope, Session, keys};
use crate::alias;
use crate::fault::Fault;
use crate::lang::{Pair, ResourceType, Verb};
use crate::model::Resource;

impl Session<'_> {
    pub(super) fn select(&mut self, resource: ResourceType, pairs: &[Pair]) -> Flow {
        if self.is_read_only(Verb::Select) {
            return Ok(());
        }
        if self.scope.is_some() {
            self.scope_usage(Verb::Select);
            return Ok(());
        }
        if !self.initialize(true)? {
            // As in the original, the scope is open all the same.
            self.scope = Some(Scope { pending: Pending::empty(resource), ending: Ending::Add });
            return Ok(());
        }
        match self.selected(resource, pairs) {
            Ok(scope) => self.scope = Some(scope),
            Err(fault) => self.fault(format_args!("select {resource}"), fault),
        }
        Ok(())
    }

    fn selected(&mut self, resource: ResourceType, pairs: &[Pair]) -> Result<Scope, Fault> {
        if let Some(pending) = self.selected_alone(resource)? {
            return Ok(Scope { pending, ending: Ending::Replace(0) });
        }
        let at = self.pointed_at(resource, pairs)?;
        let pending = match self.zone_ref().resources[at].resource.clone() {
            Resource::Fs(fs) => Pending::Fs(fs),
            Resource::Net(net) => Pending::Net(net),
            Resource::Device(device) => Pending::Device(device),
            Resource::Rctl(rctl) => Pending::Rctl(rctl),
            Resource::Attr(attr) => Pending::Attr(attr),
            Resource::Dataset(dataset) => Pending::Dataset(dataset),
            Resource::Admin(admin) => Pending::Admin(admin),
            Resource::SecurityFlags(flags) => Pending::SecurityFlags(flags),
            _ => return Err(Fault::NoResourceType),
        };
        Ok(Scope { pending, ending: Ending::Replace(at) })
    }

    /// The resources that a zone has once at most; pairs are not looked at.
    fn selected_alone(&self, resource: ResourceType) -> Result<Option<Pending>, Fault> {
        let zone = self.zone_ref();
        Ok(Some(match resource {
            ResourceType::DedicatedCpu => {
                let pset = zone.pset().cloned().ok_or(Fault::NoEntry)?;
                let importance =
                    zone.tmp_pool().map(|pool| pool.importance.clone()).unwrap_or_default();
                Pending::DedicatedCpu(pset, importance)
            }
            ResourceType::CappedCpu => {
                alias::CPU_CAP.get(zone)?;
                Pending::CappedCpu
            }
            ResourceType::CappedMemory => {
                let set = [alias::PHYSICAL, alias::SWAP, alias::LOCKED]
                    .iter()
                    .any(|a| a.get(zone).is_ok());
                if !set {
                    return Err(Fault::NoResourceType);
                }
                Pending::CappedMemory
            }
            _ => return Ok(None),
        }))
    }

    /// The index of the resource that the pairs mean.
    pub(super) fn pointed_at(
        &mut self,
        resource: ResourceType,
        pairs: &[Pair],
    ) -> Result<usize, Fault> {
        match resource {
            ResourceType::Fs => self.keys(pairs).and_then(|k| keys::find_fs(self.zone_ref(), &k)),
            ResourceType::Net => self.keys(pairs).and_then(|k| keys::find_net(self.zone_ref(), &k)),
            ResourceType::Device => {
                self.keys(pairs).and_then(|k| keys::find_device(self.zone_ref(), &k))
            }
            ResourceType::Rctl => {
                self.keys(pairs).and_then(|k| keys::find_rctl(self.zone_ref(), &k))
            }
            ResourceType::Attr => {
                self.keys(pairs).and_then(|k| keys::find_attr(self.zone_ref(), &k))
            }
            ResourceType::Dataset => {
                self.keys(pairs).and_then(|k| keys::find_dataset(self.zone_ref(), &k))
            }
            ResourceType::Admin => {
                self.keys(pairs).and_then(|k| keys::find_admin(self.zone_ref(), &k))
            }
            ResourceType::SecurityFlags => {
                self.keys::<crate::model::SecurityFlags>(pairs)?;
                keys::find_security_flags(self.zone_ref())
            }
            ResourceType::DedicatedCpu | ResourceType::CappedCpu | ResourceType::CappedMemory => {
                Err(Fault::NoResourceType)
            }
        }
    }
}
