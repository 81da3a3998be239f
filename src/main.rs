//! `signetd`: the issuing service.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use signet::app::{self, Surroundings};
use signet::clock::{Clock, SystemClock};
use signet::config::{Config, ConfigError};
use signet::restored::{Accepted, ListFile};
use signet::server_identity;
use signet::store::sqlite::migrate;
use signet::telemetry::start_logging;
use signet::trust::TrustBundles;
use signet_pki::DeviceId;
use tokio::signal::unix::{SignalKind, signal};

/// The issuing service of the Signet certificate authority.
#[derive(Debug, Parser)]
#[command(
    name = "signetd",
    version,
    max_term_width = 100,
    after_help = "Example:\n  signetd run --config /etc/signet/signet.toml"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT
    #[command(after_help = "Example:\n  signetd run --config /etc/signet/signet.toml")]
    Run(Common),
    /// Read the configuration and every file it names, and say whether they fit together
    #[command(after_help = "Example:\n  signetd check --config /etc/signet/signet.toml")]
    Check(Common),
    /// Create the database, or bring it to the newest schema
    #[command(after_help = "Example:\n  signetd migrate --config /etc/signet/signet.toml")]
    Migrate(Common),
    /// Migrate, make the TLS key and certificate, and optionally an administrator's identity
    #[command(after_help = "Example:\n  signetd setup --config signet.toml --admin alice --admin-dir ./alice")]
    Setup(Setup),
    /// Make a key that signs access tokens: the first, or the next one; it is taken up at the next start
    #[command(after_help = "Example:\n  signetd oauth-key --config /etc/signet/signet.toml")]
    OauthKey(Common),
    /// Vouch for the clock after it had jumped forward: what was issued in the future no longer stops signing
    #[command(after_help = "Example:\n  signetd accept-clock --config /etc/signet/signet.toml")]
    AcceptClock(Common),
    /// Accept a database that was put back from a backup: voids open tokens, adopts revocations
    #[command(after_help = "Example:\n  signetd restored --config signet.toml --crl all.pem")]
    Restored(Restored),
}

#[derive(Debug, clap::Args)]
struct Restored {
    #[command(flatten)]
    common: Common,
    /// The newest lists that a mirror or a verifier still has: one CRL in DER, or any number in PEM, as in all.pem. Their
    /// revocations are taken over. Can be given several times
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Setup {
    #[command(flatten)]
    common: Common,
    /// Also make an identity for an administrator of this name; it needs no approval, and raises an alarm if there is one already
    #[arg(long, value_name = "NAME", requires = "admin_dir")]
    admin: Option<DeviceId>,
    /// Where to put it; made if it is not there
    #[arg(long, value_name = "DIR", requires = "admin")]
    admin_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    no_core_dumps();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&ConfigError::new(error.to_string(), "check the limits of the process")),
    };
    let outcome = match cli.command {
        Command::Run(common) => runtime.block_on(run(common)),
        Command::Check(common) => check(&common),
        Command::Migrate(common) => Config::load(&common.config).and_then(|c| migrate_database(&c)),
        Command::AcceptClock(common) => runtime.block_on(accept_clock(common)),
        Command::Restored(restored) => runtime.block_on(accept_restored(restored)),
        Command::OauthKey(common) => make_token_key(&common),
        Command::Setup(setup) => runtime.block_on(set_up(setup)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &ConfigError) -> ExitCode {
    eprintln!("signetd: error: {error}");
    eprintln!("signetd: hint: {}", error.hint());
    ExitCode::FAILURE
}

/// Keys must not reach the disk with a crash.
fn no_core_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

async fn run(common: Common) -> Result<(), ConfigError> {
    let config = Config::load(&common.config)?;
    start_logging(&config.raw.log);
    let signals = || Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
    let (mut terminate, mut interrupt) =
        signals().map_err(|e| ConfigError::new(e.to_string(), "check the limits of the process"))?;
    let surroundings = Surroundings::real(&config)?;
    let running = app::start(config, surroundings).await?;
    tracing::info!(tls = %running.tls, plain = %running.plain, local = %running.local, "ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: no new connections, finishing what is open");
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

fn check(common: &Common) -> Result<(), ConfigError> {
    let config = Config::load(&common.config)?;
    let material = config.material(SystemClock.now())?;
    if let Some(directory) = config.audit_archive() {
        signet::archive::probe(&directory).map_err(|e| {
            let hint = "make audit.archive_directory, of mode 0700 and owned by the user that the service runs as";
            ConfigError::new(format!("audit.archive_directory: {e}"), hint)
        })?;
    }
    let policy =
        config.policy_file().map(|path| signet::housekeeping::read_policy(&path)).transpose().map_err(|e| {
            ConfigError::new(format!("policy.file: {e}"), "mend it: 'ca policy check FILE' names every mistake")
        })?;
    signet::webhooks::check(&config)?;
    signet::hooks::Hooks::load(&config, signet::clock::SystemClock.now())?;
    println!("configuration: ok");
    println!("root:          {}", material.root.view().fingerprint().colons());
    for (issuer, _) in &material.issuers {
        println!("issuer:        {} until {}", issuer.view().subject_text, issuer.not_after());
    }
    let trust = TrustBundles::load(&config, &material.root)?;
    if let Some(newest) = trust.newest() {
        println!("trust bundle:  {} with {} roots", newest.sequence(), newest.roots().len());
    }
    if let Some(policy) = policy.as_ref().map(|candidate| candidate.policy()) {
        println!("policy:        {} with {} rules", policy.revision(), policy.rules().len());
    }
    Ok(())
}

fn migrate_database(config: &Config) -> Result<(), ConfigError> {
    let path = config.database();
    let report = migrate(&path).map_err(|e| ConfigError::new(e.to_string(), e.hint()))?;
    if report.from == report.to {
        println!("database: {} has schema {} already", path.display(), report.to);
    } else {
        println!("database: {} brought from schema {} to {}", path.display(), report.from, report.to);
    }
    Ok(())
}

fn make_token_key(common: &Common) -> Result<(), ConfigError> {
    let config = Config::load(&common.config)?;
    let path = config.make_token_key(SystemClock.now())?;
    println!("made:     {}", path.display());
    println!("restart signetd to publish it; a further key signs {} s later", config.raw.oauth.key_delay_seconds);
    Ok(())
}

async fn set_up(setup: Setup) -> Result<(), ConfigError> {
    let config = Config::load(&setup.common.config)?;
    migrate_database(&config)?;
    if let Some(path) = config.first_token_key(SystemClock.now())? {
        println!("made:     {}", path.display());
    }
    let surroundings = Surroundings::real(&config)?;
    let service = app::assemble_guarded(config, surroundings).await?;
    for path in server_identity::set_up(&service).await? {
        println!("made:     {}", path.display());
    }
    if let (Some(name), Some(directory)) = (&setup.admin, &setup.admin_dir) {
        for path in server_identity::create_admin(&service, name, directory).await? {
            println!("made:     {}", path.display());
        }
    }
    // What was made now must be in every database that is started from here on.
    app::close(&service).await
}

async fn accept_restored(restored: Restored) -> Result<(), ConfigError> {
    let config = Config::load(&restored.common.config)?;
    let read = |path: &PathBuf| {
        let bytes = signet_keys::files::read_limited(path, 256 << 20)
            .map_err(|e| ConfigError::new(e.to_string(), "name the file with --crl"))?;
        Ok(ListFile { name: path.display().to_string(), bytes })
    };
    let lists: Vec<ListFile> = restored.crl.iter().map(read).collect::<Result<_, ConfigError>>()?;
    let surroundings = Surroundings::real(&config)?;
    // Without a look at the rollback guard, which is made anew.
    let service = app::assemble(config, surroundings).await?;
    let Accepted { adopted, ignored } = signet::restored::accept(&service, &lists).await?;
    app::close(&service).await?;
    for sentence in ignored {
        eprintln!("signetd: note: {sentence}; it was left out");
    }
    println!("tokens voided:              {}", adopted.voided_tokens);
    println!("certificates revoked again: {}", adopted.revoked_again);
    println!("devices revoked again:      {}", adopted.revoked_devices.len());
    println!("revocations adopted:        {}", adopted.unknown);
    if lists.is_empty() {
        println!("without --crl, revocations made after the backup are lost");
    }
    Ok(())
}

async fn accept_clock(common: Common) -> Result<(), ConfigError> {
    let config = Config::load(&common.config)?;
    let surroundings = Surroundings::real(&config)?;
    let service = app::assemble_guarded(config, surroundings).await?;
    let accepted = signet::restored::accept_clock(&service).await;
    app::close(&service).await?;
    println!("the clock is accepted: {}", accepted?);
    Ok(())
}
