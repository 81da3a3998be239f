//! What a question is about, and whether the asker may ask about it.

use std::sync::Arc;

use signet_pki::DeviceId;

use super::path;
use super::{Asker, Permission, Reason};
use crate::store::{PrincipalRecord, Resource, StoreError};

/// Something that belongs to the asker, or anything when an administrator asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    whose: Whose,
    /// What of it is meant: a path of HTTP, or the name of a resource that is no principal.
    pub(super) part: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// The asking service, as it was read for this request.
    Asker(Arc<PrincipalRecord>),
    Other(DeviceId),
}

/// Why the question is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// It is somebody else's, or nobody's: the asker cannot tell which.
    NotYours,
    /// It is no name of a resource.
    Malformed,
}

impl Permission {
    /// The asking service itself, by the target of a request to it.
    pub fn own_path(&self, asker: &Asker, target: &str) -> Result<Result<Target, Reason>, Foreign> {
        match path::path(target) {
            Ok(part) => own(asker, Some(part)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// `service:<id>` with a path behind it or without one, `device:<id>`, or what a registration names. `None`: the asking
    /// service itself.
    ///
    /// # Errors
    /// Outside when the question has to be refused; inside when it can only be denied.
    pub fn target(&self, asker: &Asker, resource: Option<&str>) -> Result<Result<Target, Reason>, Foreign> {
        let Some(resource) = resource else { return own(asker, None) };
        let (kind, name) = resource.split_once(':').ok_or(Foreign::Malformed)?;
        match kind {
            "service" => {
                let (name, rest) = name.find('/').map_or((name, None), |at| (&name[..at], Some(&name[at..])));
                self.service_target(asker, id(name)?, rest)
            }
            "device" if owns(asker, &parse(resource)?) => Ok(Ok(Target { whose: Whose::Other(id(name)?), part: None })),
            "device" => Err(Foreign::NotYours),
            _ => self.registered_target(asker, resource),
        }
    }

    fn service_target(
        &self,
        asker: &Asker,
        id: DeviceId,
        rest: Option<&str>,
    ) -> Result<Result<Target, Reason>, Foreign> {
        match (asker, rest) {
            (Asker::Service { registered, .. }, _) if *registered.id() != id => Err(Foreign::NotYours),
            (Asker::Service { .. }, None) => own(asker, None),
            (Asker::Service { .. }, Some(rest)) => self.own_path(asker, rest),
            (Asker::Administrator { .. }, rest) => {
                let target = |part| Target { whose: Whose::Other(id), part };
                Ok(rest.map(path::path).transpose().map(target))
            }
        }
    }

    /// Something without a record of its own: its owner's counts.
    fn registered_target(&self, asker: &Asker, resource: &str) -> Result<Result<Target, Reason>, Foreign> {
        let (parsed, part) = (parse(resource)?, Some(resource.to_owned()));
        match asker {
            Asker::Service { record, .. } if owns(asker, &parsed) => {
                Ok(Ok(Target { whose: Whose::Asker(record.clone()), part }))
            }
            Asker::Service { .. } => Err(Foreign::NotYours),
            Asker::Administrator { .. } => Ok(match self.parts.registry.owner(&parsed) {
                Some(owner) => Ok(Target { whose: Whose::Other(owner.id().clone()), part }),
                None => Err(Reason::ResourceUnknown),
            }),
        }
    }

    /// The record behind it; `None` when there is none.
    pub(super) async fn read_target(&self, target: &Target) -> Result<Option<Arc<PrincipalRecord>>, StoreError> {
        match &target.whose {
            Whose::Asker(record) => Ok(Some(record.clone())),
            Whose::Other(id) => Ok(self.parts.store.principal(id).await?.map(Arc::new)),
        }
    }
}

fn parse(resource: &str) -> Result<Resource, Foreign> {
    // A prefix names many, and a question is about one.
    Resource::parse(resource).ok().filter(|r| !r.as_str().ends_with('*')).ok_or(Foreign::Malformed)
}

fn id(text: &str) -> Result<DeviceId, Foreign> {
    DeviceId::parse(text).map_err(|_| Foreign::Malformed)
}

fn own(asker: &Asker, part: Option<String>) -> Result<Result<Target, Reason>, Foreign> {
    match asker {
        Asker::Service { record, .. } => Ok(Ok(Target { whose: Whose::Asker(record.clone()), part })),
        Asker::Administrator { .. } => Err(Foreign::Malformed),
    }
}

fn owns(asker: &Asker, resource: &Resource) -> bool {
    match asker {
        Asker::Service { registered, .. } => registered.owns(resource),
        Asker::Administrator { .. } => true,
    }
}
