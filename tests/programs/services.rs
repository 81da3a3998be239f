//! A service registers itself with its agent, another by an administrator, and both are looked at.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::site::{Site, free_port};

/// Somebody else's TLS server, with the files of an agent.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(site: &Site, dir: &str, port: u16) -> Server {
    let mut command = Command::new("openssl");
    command.current_dir(site.path(dir)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-cert", "device.pem", "-key", "device.key"]);
    let mut child = command.args(["-cert_chain", "issuer.pem", "-naccept", "8"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().map(Result::unwrap).any(|line| line.contains("ACCEPT")));
    // Whatever it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Server(child)
}

fn enroll(site: &Site, id: &str) {
    let dns = format!("--dns {id}.services.acme.example");
    site.ca(&format!("token create --device {id} --profile service {dns} --format link --out {id}.link")).succeeded();
    site.agent(&format!("enroll --link {id}.link --dir {id}")).succeeded();
}

#[test]
fn services_are_registered_by_their_agent_and_by_an_administrator_and_probed() {
    let mut site = Site::prepared();
    let settings = "\n[profiles.service]\ndns_suffixes = [\"services.acme.example\"]\n\
                    [services]\nprobe = true\nallow = [\"127.0.0.0/8\"]\n";
    site.write("acme/server/signet.toml", &(site.read("acme/server/signet.toml") + settings));
    site.start();
    enroll(&site, "broker");
    enroll(&site, "api");
    let port = free_port();
    let wish = format!("register --dir broker --dns broker.services.acme.example --port {port} --address 127.0.0.1");
    let said = site.agent(&wish).succeeded().stdout;
    assert!(said.starts_with("registered: broker\n") && said.contains("resources: service:broker\n"), "{said}");
    site.agent(&format!("{wish} --dns other.services.acme.example")).refused(1, "other.services.acme.example");
    site.agent(&format!("{wish} --resource mqtt:*")).refused(1, "administrator");

    site.ca("service probe broker").says(1, "does not answer");
    let server = serve(&site, "broker", port);
    let seen = site.ca("service probe broker").succeeded().stdout;
    assert!(seen.contains("good") && seen.contains("TLSv1.3"), "{seen}");

    // The key of the other one stays where it is, and its word travels.
    let proof = site.agent("register --dir api --prove").succeeded().stdout;
    site.write("api.proof", &proof);
    let by = |proof: &str| {
        format!(
            "service register api --chain api/current/device.pem --proof {proof} --dns api.services.acme.example --port 443 \
             --resource service:api --resource http:/v1/*"
        )
    };
    site.write("broker.proof", &site.agent("register --dir broker --prove").succeeded().stdout);
    site.ca(&by("broker.proof")).refused(1, "key");
    site.ca(&by("missing.proof")).refused(1, "missing.proof");
    site.ca(&by("api.proof")).succeeded();
    let list = site.ca("service list").succeeded().stdout;
    assert!(list.contains("http:/v1/*") && list.lines().count() == 3, "{list}");
    assert_eq!(site.ca("service show broker --chain").succeeded().stdout, site.read("broker/device.pem"));

    // The new certificate is registered by the agent's own loop; the server goes on with the old one.
    site.agent("renew --dir broker --force").succeeded();
    let seen = site.ca("service probe broker").succeeded();
    assert!(seen.stdout.contains("superseded, and not the one that it should show"), "{seen:?}");
    drop(server);
    let _server = serve(&site, "broker", port);
    site.ca("service probe broker --json").succeeded();
    site.ca("revoke broker --yes").succeeded();
    site.ca("service probe broker").refused(1, "revoked");
    site.ca("service deregister api").refused(2, "no terminal to ask at");
    site.ca("service deregister api --yes").succeeded();
    site.ca("service show api").refused(1, "not registered");
}
