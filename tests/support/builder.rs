//! Variations of the service under test.

use std::sync::Arc;

use signet::app::{self, Surroundings};
use signet::config::{ConfigError, Patience};
use signet::random::{Random, SystemRandom};
use signet::store::Store;

use super::installation::open_store;
use super::{Installation, TestService, client};

type Wrap = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store>>;

#[derive(Default)]
pub(crate) struct Builder {
    toml: String,
    wrap: Option<Wrap>,
    random: Option<Arc<dyn Random>>,
    patience: Option<Patience>,
}

impl Builder {
    /// More configuration, for example `[profiles.gateway]` with its keys.
    pub(crate) fn toml(mut self, text: &str) -> Builder {
        self.toml += text;
        self
    }

    /// Puts something between the service and its database.
    pub(crate) fn store(mut self, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + 'static) -> Builder {
        self.wrap = Some(Box::new(wrap));
        self
    }

    pub(crate) fn random(mut self, random: Arc<dyn Random>) -> Builder {
        self.random = Some(random);
        self
    }

    /// How long the listeners wait, when a test should not.
    pub(crate) fn patience(mut self, patience: Patience) -> Builder {
        self.patience = Some(patience);
        self
    }

    pub(crate) async fn start(self) -> TestService {
        self.start_in(Installation::new().await).await
    }

    pub(crate) async fn start_in(self, installation: Installation) -> TestService {
        self.try_start_in(installation).await.unwrap_or_else(|(_, error)| panic!("{error}"))
    }

    /// Starts the service on files that are there already: after a stop, or after a test changed them.
    pub(crate) async fn try_start_in(
        self,
        installation: Installation,
    ) -> Result<TestService, (Installation, ConfigError)> {
        if !self.toml.is_empty() {
            installation.append_toml(&self.toml);
        }
        let mut config = installation.config();
        config.patience = self.patience.unwrap_or_default();
        let store: Arc<dyn Store> = Arc::new(open_store(&config.database()));
        let surroundings = Surroundings {
            clock: installation.clock.clone(),
            random: self.random.unwrap_or_else(|| Arc::new(SystemRandom)),
            store: match self.wrap {
                Some(wrap) => wrap(store),
                None => store,
            },
        };
        match app::start(config, surroundings).await {
            Err(error) => Err((installation, error)),
            Ok(running) => {
                let root = installation.root();
                Ok(TestService {
                    issuer: installation.issuer(),
                    admin: client(running.tls, &root, Some(installation.administrator())),
                    anonymous: client(running.tls, &root, None),
                    root,
                    running,
                    installation,
                })
            }
        }
    }
}
