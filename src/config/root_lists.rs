//! Revocation lists that roots have signed offline.

use signet_pki::Fingerprint;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{CrlError, CrlView};
use signet_pki::pem::{self, Label};

use super::{Config, ConfigError};

/// What is published of roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootLists {
    /// The list of the root above the issuers, DER.
    pub own: Vec<u8>,
    /// Lists of other roots that are published with it.
    pub others: Vec<Vec<u8>>,
}

impl RootLists {
    pub fn pem(&self) -> String {
        std::iter::once(&self.own).chain(&self.others).map(|der| pem::encode(Label::Crl, der)).collect()
    }

    /// Another one for other lists.
    pub fn name(&self) -> String {
        Fingerprint::of(self.pem().as_bytes()).to_string()[..16].to_owned()
    }
}

impl Config {
    /// Reads `issuer.root_crl`: the list of `root`, and those of other roots that stand in the same file.
    pub fn root_lists(&self, root: &IssuerCert) -> Result<RootLists, ConfigError> {
        let bytes = self.read(&self.raw.issuer.root_crl, 16 << 20)?;
        let named = |e: String| {
            let hint = "make one offline with 'ca root crl' and install it with 'ca issuer install --root-crl'";
            ConfigError::new(format!("{}: {e}", self.path(&self.raw.issuer.root_crl).display()), hint)
        };
        let all = pem::all_or_der(Label::Crl, &bytes).map_err(|e| named(e.to_string()))?;
        let (mut own, mut others, mut failure) = (None, Vec::new(), None::<CrlError>);
        for der in all {
            match CrlView::verified(&der, root) {
                Ok(_) if own.is_some() => return Err(named("it has two lists of the issuer's root".into())),
                Ok(_) => own = Some(der),
                Err(error) => {
                    failure = Some(error);
                    others.push(der);
                }
            }
        }
        let absent = || failure.map_or_else(|| "it has no list".to_owned(), |error| error.to_string());
        Ok(RootLists { own: own.ok_or_else(|| named(absent()))?, others })
    }
}
