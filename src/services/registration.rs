//! The steps of a registration. Each returns a type that only it can make and takes the one before by value; what fails on
//! the way leaves nothing behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::BASE64;
use signet_api::services::RegisterService;
use signet_pki::name::PrincipalKind;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, DnsName, UnixTime, chain, pem, registration};

use super::error::ServiceError;
use super::tls::Connector;
use super::{Registrant, Registrar};
use crate::authorize::Context;
use crate::store::{
    AuditDraft, CertificateRecord, CertificateStatus, PrincipalStatus, RegisterOrder, Resource, ServiceFacts,
};

/// Step 1's result: within its limits. Nothing about it is decided.
pub struct Application {
    id: DeviceId,
    chain: Vec<Vec<u8>>,
    facts: ServiceFacts,
    before: Option<ServiceFacts>,
    proof: Option<Vec<u8>>,
}

/// Step 2's: the chain leads to our root, and its certificate is one of the service and good now.
pub(super) struct Chained {
    application: Application,
    leaf: CertificateView,
    record: CertificateRecord,
}

/// Step 3's: whoever asks holds the key of the certificate, or has its word.
pub(super) struct Proved(Chained);

/// Step 4's: the certificate has every name.
pub(super) struct Named(Proved);

/// Step 5's: a client with the present bundle and lists accepts the chain under every name.
pub(super) struct Usable {
    named: Named,
    connector: Arc<Connector>,
}

impl Application {
    /// `before` is what is registered for this id now.
    pub fn parse(
        id: DeviceId,
        request: RegisterService,
        registrant: &Registrant,
        before: Option<ServiceFacts>,
    ) -> Result<Application, ServiceError> {
        let invalid = |text: String| Err(ServiceError::Invalid(text));
        if request.chain.len() > CHAIN_BYTES {
            return invalid(format!("chain: at most {CHAIN_BYTES} octets"));
        }
        let chain = pem::certificates(request.chain.as_bytes()).map_err(|e| ServiceError::Chain(e.to_string()))?;
        if chain.len() > CHAIN_LENGTH {
            return invalid(format!("chain: at most {CHAIN_LENGTH} certificates"));
        }
        if request.dns_names.is_empty() || request.dns_names.len() > NAMES || has_repetition(&request.dns_names) {
            return invalid(format!("dns_names: 1 to {NAMES} different names"));
        }
        if request.ports.is_empty() || request.ports.len() > PORTS || has_repetition(&request.ports) {
            return invalid(format!("ports: 1 to {PORTS} different ports"));
        }
        if request.ports.contains(&0) {
            return invalid("ports: 0 is no port".into());
        }
        let resources = resources(&id, request.resources, registrant, before.as_ref())?;
        let proof = match request.proof.as_deref() {
            Some(text) if text.len() > PROOF_BYTES => return invalid("proof: longer than any signature".into()),
            Some(text) => match BASE64.decode(text.trim().as_bytes()) {
                Ok(signature) => Some(signature),
                Err(e) => return invalid(format!("proof: not base64: {e}")),
            },
            None => None,
        };
        let RegisterService { dns_names, ports, fail_mode, address, .. } = request;
        let address = address.map(|address| address.to_canonical());
        let facts = ServiceFacts { dns_names, ports, resources, fail_mode, address };
        Ok(Application { id, chain, facts, before, proof })
    }
}

/// A service speaks for itself and for what an administrator gave it, so that nobody takes what others would ask about.
fn resources(
    id: &DeviceId,
    wanted: Option<Vec<String>>,
    registrant: &Registrant,
    before: Option<&ServiceFacts>,
) -> Result<Vec<Resource>, ServiceError> {
    let parse = |text: &str| {
        Resource::parse(text).map_err(|e| ServiceError::Invalid(format!("resources: {:?}: {e}", shortened(text))))
    };
    let own = parse(&format!("service:{id}"))?;
    let Some(wanted) = wanted else { return Ok(before.map_or_else(|| vec![own], |facts| facts.resources.clone())) };
    if wanted.is_empty() || wanted.len() > RESOURCES || has_repetition(&wanted) {
        return Err(ServiceError::Invalid(format!("resources: 1 to {RESOURCES} different ones, or leave them out")));
    }
    let below = parse(&format!("service:{id}/*"))?;
    let wanted = wanted.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    let is_own = |resource: &Resource| *resource == own || below.contains(resource);
    let services = parse("service:*")?;
    if let Some(other) = wanted.iter().find(|resource| resource.overlaps(&services) && !is_own(resource)) {
        return Err(ServiceError::Invalid(format!("resources: {other} names other services than {id}")));
    }
    let given = |resource: &Resource| before.is_some_and(|b| b.resources.iter().any(|had| had.contains(resource)));
    match wanted.iter().find(|resource| !is_own(resource) && !given(resource)) {
        Some(resource) if matches!(registrant, Registrant::Itself(_)) => Err(ServiceError::Ungranted(resource.clone())),
        _ => Ok(wanted),
    }
}

impl Registrar {
    /// The whole way, in order.
    pub async fn register(
        &self,
        application: Application,
        registrant: &Registrant,
        context: &Context,
    ) -> Result<crate::store::ServiceRecord, ServiceError> {
        let _place = self.places.try_acquire().map_err(|_| ServiceError::Busy)?;
        let now = self.clock.now();
        let usable = self.chained(application, now).await?.proved(registrant)?.named()?.usable(self, now).await?;
        self.keep(usable, registrant, context, now).await
    }

    async fn chained(&self, application: Application, now: UnixTime) -> Result<Chained, ServiceError> {
        let refused = |text: String| Err(ServiceError::Chain(text));
        let parse = |der: &Vec<u8>| CertificateView::parse(der).map_err(|e| ServiceError::Chain(e.to_string()));
        let views = application.chain.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let [leaf, above @ ..] = views.as_slice() else { return refused("it is empty".into()) };
        // T38: what the store does not know was not issued here, whoever signed it.
        let record = self.store.certificate(&leaf.serial).await?;
        let Some(record) = record.filter(|record| record.der == leaf.der) else {
            return refused("its first certificate was not issued here".into());
        };
        if record.principal.id != application.id {
            return Err(ServiceError::Another(application.id));
        }
        if record.principal.kind != PrincipalKind::Service {
            return Err(ServiceError::NoService);
        }
        if record.principal.status != PrincipalStatus::Active {
            return Err(ServiceError::Status(record.principal.status));
        }
        match record.status {
            CertificateStatus::Active | CertificateStatus::Pending => {}
            CertificateStatus::Superseded => return refused("a newer certificate took its place".into()),
            CertificateStatus::Revoked => return refused("the certificate is revoked".into()),
        }
        if self.issuers.is_distrusted(&record.issuer) {
            return refused("the issuer of the certificate is not trusted any more".into());
        }
        if !leaf.server_auth {
            return refused("the certificate is not for servers: give its profile server-auth".into());
        }
        let Some(issuer) = self.issuers.known(&record.issuer) else { return refused("its issuer is unknown".into()) };
        let issuer = issuer.certificate.view().clone();
        // Clients know the root and need what stands between.
        if above.first().is_none_or(|next| next.der != issuer.der) {
            return refused("its second certificate has to be that of the issuer".into());
        }
        let Some(root) = self.roots.iter().find(|root| root.subject() == issuer.issuer) else {
            return refused("its issuer stands below no root of the newest trust bundle".into());
        };
        let whole = [leaf.clone(), issuer, root.view().clone()];
        chain::verify(&whole, Some(now)).map_err(|e| ServiceError::Chain(e.to_string()))?;
        Ok(Chained { leaf: leaf.clone(), record, application })
    }

    /// One transaction with its entry; then memory follows. Goes on when the caller gives up.
    async fn keep(
        &self,
        usable: Usable,
        registrant: &Registrant,
        context: &Context,
        now: UnixTime,
    ) -> Result<crate::store::ServiceRecord, ServiceError> {
        let Usable { named: Named(Proved(Chained { application, record, .. })), connector } = usable;
        let Application { id, facts, before, .. } = application;
        let draft = AuditDraft {
            kind: "service.registered",
            actor: registrant.actor(),
            subject: id.to_string(),
            request_id: context.request_id.clone(),
            detail: serde_json::Value::Null,
            at: now,
        };
        let order = RegisterOrder { id: id.clone(), facts, before, serial: record.serial, draft };
        let (store, registry, tls) = (self.store.clone(), self.registry.clone(), self.tls.clone());
        let work = async move {
            let written = store.register_service(order).await;
            // Also after an error, which says nothing about whether it happened.
            registry.written(&id).await;
            if written.as_ref().is_ok_and(Result::is_ok) {
                tls.keep(&id, connector).await;
            }
            written
        };
        Ok(super::finish(tokio::spawn(work)).await??)
    }
}

impl Chained {
    fn proved(self, registrant: &Registrant) -> Result<Proved, ServiceError> {
        let refused = |text: &str| Err(ServiceError::Key(text.to_owned()));
        match (registrant, &self.application.proof) {
            (Registrant::Itself(identity), _) if identity.record().spki == self.record.spki => Ok(Proved(self)),
            (Registrant::Itself(_), _) => refused("the connection was opened with another key than the certificate's"),
            (Registrant::Administrator(_), None) => refused("an administrator needs a proof by the certificate's key"),
            (Registrant::Administrator(_), Some(proof)) => {
                let (id, serial) = (&self.application.id, &self.leaf.serial);
                match registration::verify(&self.leaf.public_key, id, serial, proof) {
                    true => Ok(Proved(self)),
                    false => refused("the proof is not by the certificate's key over its service and serial"),
                }
            }
        }
    }
}

impl Proved {
    /// Octet by octet: a wildcard in a certificate covers no name here, and no name is another's because of its case.
    fn named(self) -> Result<Named, ServiceError> {
        let missing = missing_names(&self.0.application.facts.dns_names, &self.0.leaf);
        if missing.is_empty() { Ok(Named(self)) } else { Err(ServiceError::Names(missing)) }
    }
}

impl Named {
    async fn usable(self, registrar: &Registrar, now: UnixTime) -> Result<Usable, ServiceError> {
        let application = &self.0.0.application;
        let connector = registrar.tls.connector(&application.id, &application.facts.dns_names).await?;
        let refused = |e| ServiceError::Chain(format!("a client with the present lists refuses it: {e}"));
        connector.accepts(&application.chain, now).map_err(refused)?;
        Ok(Usable { named: self, connector })
    }
}

/// Those that do not stand in the certificate.
pub(super) fn missing_names(wanted: &[DnsName], leaf: &CertificateView) -> Vec<DnsName> {
    wanted.iter().filter(|name| !leaf.dns_names.iter().any(|have| have == name.as_str())).cloned().collect()
}

fn has_repetition<T: Ord>(items: &[T]) -> bool {
    items.iter().collect::<BTreeSet<_>>().len() != items.len()
}

fn shortened(text: &str) -> String {
    signet_pki::name::printable(text, 64)
}

/// A leaf with thirty names, an issuer and cross certificates are under 8 KiB.
const CHAIN_BYTES: usize = 16 * 1024;
const CHAIN_LENGTH: usize = 5;
/// As many as one program answers to; a certificate of ours has no more use for them either.
const NAMES: usize = 32;
const PORTS: usize = 16;
/// At 200 octets each 13 KiB of memory, and checked against those of all others inside the transaction.
const RESOURCES: usize = 64;
/// RSA with 8192 bits in Base64.
const PROOF_BYTES: usize = 1400;
