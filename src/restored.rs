//! After a backup was put back: what must not live again is ended, what was revoked since is revoked again.

use std::cmp::Reverse;

use serde_json::json;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{CrlError, CrlView};
use signet_pki::pem::{self, Label};

use crate::app::own_context;
use crate::config::ConfigError;
use crate::http::Service;
use crate::store::{Adopted, AuditDraft, Restoration, RestoredList, StoreError};

/// A file as mirrors and verifiers hold it: one CRL in DER, or any number of them in PEM.
pub struct ListFile {
    /// For people.
    pub name: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct Accepted {
    pub adopted: Adopted,
    /// A sentence for each list that is none of the issuers'.
    pub ignored: Vec<String>,
}

/// Voids every open token, takes over the revocations of lists that were published before the restore, and makes the rollback
/// guard anew. Full lists and those of shards count, of every issuer that is configured or was.
///
/// Without lists, revocations made after the backup are lost.
pub async fn accept(service: &Service, files: &[ListFile]) -> Result<Accepted, ConfigError> {
    let Gathered { lists, ignored } = gather(service, files)?;
    let now = service.clock.now();
    let revocations: usize = lists.iter().map(|list| list.revocations.len()).sum();
    let draft = AuditDraft {
        kind: "store.restored",
        actor: "signetd".into(),
        subject: "store".into(),
        request_id: own_context(service).request_id,
        detail: json!({ "lists": lists.len(), "revocations_in_list": revocations }),
        at: now,
    };
    let adopted = service.store.restored(Restoration { lists, now, draft }).await;
    let adopted = adopted.map_err(|e: StoreError| ConfigError::new(e.to_string(), "nothing was changed; try again"))?;
    // Last: until everything is adopted, the service does not start.
    service.config.anchor().start_over(service.store.as_ref()).await?;
    Ok(Accepted { adopted, ignored })
}

#[derive(Default)]
struct Gathered {
    lists: Vec<RestoredList>,
    ignored: Vec<String>,
}

/// Whose a list is, which its signature says.
enum Whose {
    Issuer(RestoredList),
    /// With the subject of the root.
    Root(String),
    Other,
}

fn gather(service: &Service, files: &[ListFile]) -> Result<Gathered, ConfigError> {
    let mut gathered = Gathered::default();
    for file in files {
        let unusable = |what: String| {
            let hint = "give the lists as a mirror or a verifier has them, for example all.pem; nothing was changed";
            ConfigError::new(format!("{}: {what}", file.name), hint)
        };
        let all = split(&file.bytes).map_err(|e| unusable(e.to_string()))?;
        for (at, der) in all.iter().enumerate() {
            let place = at + 1;
            match whose(service, der).map_err(|e| unusable(format!("list {place}: {e}")))? {
                Whose::Issuer(list) => gathered.lists.push(list),
                Whose::Root(name) => gathered.ignored.push(format!(
                    "{}: list {place} is of the root {name}, whose lists come from issuer.root_crl",
                    file.name
                )),
                Whose::Other => gathered.ignored.push(format!("{}: list {place} is of another CA", file.name)),
            }
        }
    }
    if !files.is_empty() && gathered.lists.is_empty() {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        return Err(ConfigError::new(
            format!("no list of an issuer of this installation is in {}", names.join(", ")),
            "give the newest list of this issuer, from a mirror or a verifier; nothing was changed",
        ));
    }
    // Where two lists name a certificate, the newer one says when and why.
    gathered.lists.sort_by_key(|list| Reverse(list.number));
    Ok(gathered)
}

fn split(bytes: &[u8]) -> Result<Vec<Vec<u8>>, pem::PemError> {
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec()]);
    }
    let all = pem::decode_all(Label::Crl, bytes)?;
    if all.is_empty() { Err(pem::PemError::Missing("X509 CRL")) } else { Ok(all) }
}

fn whose(service: &Service, der: &[u8]) -> Result<Whose, CrlError> {
    // Also issuers that only the database knows, or only the configuration.
    for issuer in service.road.issuers.certificates() {
        if let Some(list) = of(der, &issuer)? {
            let (issuer, number) = (issuer.key_identifier().to_vec(), list.number);
            return Ok(Whose::Issuer(RestoredList { issuer, number, revocations: list.entries()? }));
        }
    }
    let roots = std::iter::once(service.publisher.root()).chain(service.trust.roots());
    for root in roots {
        if of(der, root)?.is_some() {
            return Ok(Whose::Root(root.view().subject_text.clone()));
        }
    }
    Ok(Whose::Other)
}

/// `None` for a list of another CA; an error for one that says it is of this one and is not.
fn of(der: &[u8], ca: &IssuerCert) -> Result<Option<CrlView>, CrlError> {
    match CrlView::full_or_shard(der, ca) {
        Ok(list) => Ok(Some(list)),
        Err(CrlError::Issuer(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes down that an operator vouches for the clock as it stands now.
pub async fn accept_clock(service: &Service) -> Result<UnixTime, ConfigError> {
    let now = service.clock.now();
    let draft = AuditDraft {
        kind: "clock.accepted",
        actor: "signetd".into(),
        subject: "clock".into(),
        request_id: own_context(service).request_id,
        detail: json!({ "now": now.0 }),
        at: now,
    };
    let hint = "nothing was changed; try again";
    service.store.accept_clock(draft).await.map_err(|e| ConfigError::new(e.to_string(), hint))?;
    Ok(now)
}
