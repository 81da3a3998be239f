//! A CA of its own for every measurement: made by `ca init` in a directory that is removed afterwards, served by a
//! `signetd` on free ports of the loopback.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use signet_api::client::{self, Client, Trust};
use signet_keys::{Passphrase, PrivateKey};
use signet_pki::ca::IssuerCert;
use signet_pki::pem;
use tempfile::TempDir;

use crate::tls;
use crate::usage::{Cpu, resident_kib};
use crate::wire::{self, Target};

/// The programs that are measured.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) ca: PathBuf,
    pub(crate) signetd: PathBuf,
}

impl Programs {
    pub(crate) fn find(ca: Option<PathBuf>, signetd: Option<PathBuf>) -> Result<Programs> {
        let own = std::env::current_exe()?;
        let programs = Programs {
            ca: ca.unwrap_or_else(|| own.with_file_name("ca")),
            signetd: signetd.unwrap_or_else(|| own.with_file_name("signetd")),
        };
        for path in [&programs.ca, &programs.signetd] {
            if !path.is_file() {
                bail!("{} is not there; build it with 'cargo build --release', or name it", path.display());
            }
        }
        Ok(programs)
    }
}

pub(crate) struct Sandbox {
    programs: Programs,
    directory: TempDir,
    tls: SocketAddr,
    plain: SocketAddr,
    local: SocketAddr,
}

impl Sandbox {
    /// `parent` is on the disk that is to be measured.
    pub(crate) fn create(programs: &Programs, parent: &Path) -> Result<Sandbox> {
        let directory = TempDir::with_prefix_in("signet-bench-", parent)
            .with_context(|| format!("no directory can be made in {}", parent.display()))?;
        let [tls, plain, local] = free_ports()?;
        let sandbox = Sandbox { programs: programs.clone(), directory, tls, plain, local };
        let passphrase = sandbox.path("passphrase");
        fs::write(&passphrase, "measured, not kept\n")?;
        let output = Command::new(&programs.ca)
            .arg("init")
            .arg(sandbox.path("ca"))
            .args(["--name", "Bench", "--trust-domain", "bench.example", "--host", HOST])
            .args(["--tls-port", &tls.port().to_string()])
            .args(["--plain-port", &plain.port().to_string()])
            .args(["--local-port", &local.port().to_string()])
            .arg("--passphrase-file")
            .arg(&passphrase)
            .arg("--signetd")
            .arg(&programs.signetd)
            .output()
            .with_context(|| programs.ca.display().to_string())?;
        if !output.status.success() {
            bail!("'ca init' failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        // All devices of the load have the address of this host.
        let mut settings = File::options().append(true).open(sandbox.path("ca/server/signet.toml"))?;
        settings.write_all(ADMISSION.as_bytes())?;
        Ok(sandbox)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("ca/server/signet.db")
    }

    pub(crate) fn target(&self) -> Result<Target> {
        let name = ServerName::try_from(HOST).context("the host's name")?;
        Ok(Target { address: self.tls, name, authority: format!("{HOST}:{}", self.tls.port()) })
    }

    pub(crate) fn roots(&self) -> Result<Vec<Vec<u8>>> {
        certificates(&self.path("ca/admin/roots.pem"))
    }

    /// The load's TLS configuration without a client certificate.
    pub(crate) fn anonymous(&self) -> Result<Arc<ClientConfig>> {
        tls::config(&self.roots()?, None)
    }

    pub(crate) async fn administrator(&self) -> Result<Client> {
        let key = PrivateKey::from_pem(&fs::read_to_string(self.path("ca/admin/admin.key"))?)?;
        let chain = certificates(&self.path("ca/admin/admin.pem"))?;
        let identity = client::Identity { chain, key: key.pkcs8_der().to_vec().into() };
        let server = format!("https://{HOST}:{}", self.tls.port());
        let config = client::ClientConfig::new(server, Trust::Roots(self.roots()?)).identity(identity);
        Client::open(config).await.context("the administrator's connection")
    }

    pub(crate) fn issuer(&self) -> Result<(IssuerCert, PrivateKey)> {
        let certificate = certificates(&self.path("ca/server/issuer/issuer.pem"))?;
        let certificate = certificate.first().context("issuer.pem is empty")?;
        let kek = fs::read_to_string(self.path("ca/server/secrets/kek"))?;
        let passphrase = Passphrase::new(kek.trim().to_owned())?;
        let key = fs::read_to_string(self.path("ca/server/issuer/issuer.key"))?;
        Ok((IssuerCert::from_der(certificate)?, PrivateKey::open(&key, Some(&passphrase))?))
    }

    /// Starts the service and waits until it is ready. `under` is a program and its arguments that runs it.
    pub(crate) async fn start(&self, under: &[String]) -> Result<Server> {
        let log = File::create(self.path("signetd.log"))?;
        let mut command = match under.split_first() {
            None => Command::new(&self.programs.signetd),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.programs.signetd);
                command
            }
        };
        command.arg("run").arg("--config").arg(self.path("ca/server/signet.toml"));
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begin = Instant::now();
        let child = command.spawn().context("the service could not be started")?;
        let mut server = Server { child, plain: self.plain, local: self.local, ready_after: Duration::ZERO };
        while !server.is_ready().await {
            if let Some(status) = server.child.try_wait()? {
                let log = fs::read_to_string(self.path("signetd.log")).unwrap_or_default();
                bail!("the service ended before it was ready ({status}): {}", log.trim());
            }
            if begin.elapsed() > START {
                bail!("the service was not ready after {} seconds", START.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        server.ready_after = begin.elapsed();
        Ok(server)
    }
}

/// A running service.
pub(crate) struct Server {
    child: Child,
    plain: SocketAddr,
    local: SocketAddr,
    /// From the start of the process to the first "ready".
    pub(crate) ready_after: Duration,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.pid())
    }

    pub(crate) fn resident_kib(&self) -> Result<u64> {
        resident_kib(self.pid())
    }

    /// A counter of the service, `None` while it has none of this name.
    pub(crate) async fn counter(&self, name: &str) -> Result<Option<u64>> {
        let answer = wire::get(self.local, "/metrics").await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.trim().parse().ok()))
    }

    pub(crate) fn plain(&self) -> SocketAddr {
        self.plain
    }

    pub(crate) async fn list(&self, issuer: &IssuerCert) -> Result<wire::Answer> {
        wire::get(self.plain, &format!("/crl/{}.crl", issuer.short_id())).await
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the service ended with {status}");
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        wire::get(self.local, "/readyz").await.is_ok_and(|answer| answer.status == 200)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nobody left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports that were free a moment ago. All are bound at the same time, so that they differ.
fn free_ports() -> Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let bound = [bind()?, bind()?, bind()?];
    Ok([bound[0].local_addr()?, bound[1].local_addr()?, bound[2].local_addr()?])
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    pem::certificates(&bytes).with_context(|| path.display().to_string())
}

/// No rate for one address, which stands for a whole fleet here, and none for one service that asks about it.
const ADMISSION: &str = "\n[admission]\nenrollments_per_second = 1000000\nenrollment_burst = 1000000\n\
    [authz]\nchecks_per_second = 1000000\ncheck_burst = 1000000\n[profiles.service]\ndns_suffixes = [\"bench.example\"]\n";
/// The name in the service's certificate.
const HOST: &str = "localhost";
const POLL: Duration = Duration::from_millis(2);
/// Under an instrumenting emulator everything takes fifty times as long.
const START: Duration = Duration::from_secs(300);
