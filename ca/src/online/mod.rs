//! Administration over the API: every command that talks to the service, and nothing that touches a root key.

mod account;
mod admin;
mod admin_dir;
mod alarm;
mod apikey;
mod apikey_change;
mod apikey_create;
mod apikey_import;
mod approval;
mod audit;
mod audit_archive;
mod audit_chain;
mod audit_note;
mod audit_search;
mod audit_verify;
mod authz;
mod bundle;
mod code;
mod consent;
mod context;
mod crl;
mod crl_file;
mod crl_sync;
mod device;
mod device_approve;
mod device_csv;
mod device_permit;
mod doctor;
mod doctor_keys;
mod doctor_rows;
mod duration;
mod events;
mod files;
mod issue;
pub(crate) mod issuers;
mod login;
mod oauth;
mod policy;
mod policy_apply;
mod print;
mod renew;
mod revoke;
mod service;
mod service_registry;
mod token;
mod token_create;
mod trust;
mod trust_bundles;
mod trust_config;
mod webhook;
mod webhook_dead;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use context::At;

#[derive(Debug, Subcommand)]
pub(crate) enum OnlineCommand {
    /// Enrollment tokens: make, list, show, revoke
    #[command(after_help = "Example:\n  ca token create --device sensor-17")]
    Token(Noun<token::TokenCommand>),
    /// Devices: list, show, suspend, resume, retire, approve, deny, set
    #[command(after_help = "Example:\n  ca device list --status active")]
    Device(Noun<device::DeviceCommand>),
    /// Registered services: list, show, register, deregister, probe
    #[command(after_help = "Example:\n  ca service list")]
    Service(Noun<service_registry::ServiceCommand>),
    /// Live permission: check
    #[command(
        after_help = "Example:\n  ca authz check --subject sensor-17 --action http:GET --resource service:web/data"
    )]
    Authz(Noun<authz::AuthzCommand>),
    /// Accounts of people and programs: create, list, show, change, suspend, resume, revoke
    #[command(after_help = "Example:\n  ca account create acme --permission role:auditor")]
    Account(Noun<account::AccountCommand>),
    /// API keys: create, list, show, change, enable, disable, rotate, revoke, import
    #[command(after_help = "Example:\n  ca apikey create --account acme --out acme.key")]
    Apikey(Noun<apikey::ApikeyCommand>),
    Issue(issue::Issue),
    Revoke(revoke::Revoke),
    /// Certificate revocation lists: show, fetch
    #[command(after_help = "Example:\n  ca crl fetch --out /etc/signet/crl.pem")]
    Crl(Noun<crl::CrlCommand>),
    CrlSync(crl_sync::CrlSync),
    /// What services need to trust devices: bundle, config; and the roots: bundles, follow
    #[command(after_help = "Example:\n  ca trust bundle --out /etc/signet/clients.pem")]
    Trust(Noun<trust::TrustCommand>),
    /// The audit log: tail, verify, export, search
    #[command(after_help = "Example:\n  ca audit verify")]
    Audit(Noun<audit::AuditCommand>),
    /// What an administrator has to look at: list, show, close
    #[command(after_help = "Example:\n  ca alarm list")]
    Alarm(Noun<alarm::AlarmCommand>),
    /// What ends devices, as it happens: tail
    #[command(after_help = "Example:\n  ca events tail")]
    Events(Noun<events::EventsCommand>),
    /// Tokens for services: keys, sessions, revoke-session
    #[command(after_help = "Example:\n  ca oauth sessions")]
    Oauth(Noun<oauth::OauthCommand>),
    /// The rules of live permission: check, test, show, history, diff, apply
    #[command(after_help = "Example:\n  ca policy test --policy policy.toml")]
    Policy(Noun<policy::PolicyCommand>),
    /// Administrators: list, invite, permit
    #[command(after_help = "Example:\n  ca admin invite bob --role auditor --out bob.link")]
    Admin(Noun<admin::AdminCommand>),
    /// What waits for a second administrator: list, show, approve, deny
    #[command(after_help = "Example:\n  ca approval list")]
    Approval(Noun<approval::ApprovalCommand>),
    /// Devices and people that show a code and wait: list, approve, deny
    #[command(after_help = "Example:\n  ca code list")]
    Code(Noun<code::CodeCommand>),
    Join(admin::Join),
    Login(login::Login),
    /// Endpoints that are told what happens: create, list, show, enable, disable, rotate-secret, test, delete, dead
    #[command(after_help = "Example:\n  ca webhook list")]
    Webhook(Noun<webhook::WebhookCommand>),
    Why(audit::Why),
    Doctor(doctor::Doctor),
    Renew(renew::Renew),
}

impl OnlineCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            OnlineCommand::Token(noun) => noun.command.run(&noun.at),
            OnlineCommand::Device(noun) => noun.command.run(&noun.at),
            OnlineCommand::Service(noun) => noun.command.run(&noun.at),
            OnlineCommand::Authz(noun) => noun.command.run(&noun.at),
            OnlineCommand::Account(noun) => noun.command.run(&noun.at),
            OnlineCommand::Apikey(noun) => noun.command.run(&noun.at),
            OnlineCommand::Issue(command) => command.run(),
            OnlineCommand::Revoke(command) => command.run(),
            OnlineCommand::Crl(noun) => noun.command.run(&noun.at),
            OnlineCommand::CrlSync(command) => command.run(),
            OnlineCommand::Trust(noun) => noun.command.run(&noun.at),
            OnlineCommand::Audit(noun) => noun.command.run(&noun.at),
            OnlineCommand::Alarm(noun) => noun.command.run(&noun.at),
            OnlineCommand::Events(noun) => noun.command.run(&noun.at),
            OnlineCommand::Oauth(noun) => noun.command.run(&noun.at),
            OnlineCommand::Policy(noun) => noun.command.run(&noun.at),
            OnlineCommand::Admin(noun) => noun.command.run(&noun.at),
            OnlineCommand::Approval(noun) => noun.command.run(&noun.at),
            OnlineCommand::Code(noun) => noun.command.run(&noun.at),
            OnlineCommand::Join(command) => command.run(),
            OnlineCommand::Login(command) => command.run(),
            OnlineCommand::Webhook(noun) => noun.command.run(&noun.at),
            OnlineCommand::Why(command) => command.run(),
            OnlineCommand::Doctor(command) => command.run(),
            OnlineCommand::Renew(command) => command.run(),
        }
    }
}

/// A noun with its verbs, and where the administrator's files are.
#[derive(Debug, Args)]
pub(crate) struct Noun<T: Subcommand> {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: T,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Online {
        #[command(subcommand)]
        command: OnlineCommand,
    }

    #[test]
    fn the_command_line_is_sound() {
        Online::command().debug_assert();
    }

    #[test]
    fn every_command_ends_its_help_with_an_example_of_itself() {
        fn check(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands() {
                let path = format!("{path} {}", sub.get_name());
                if sub.has_subcommands() {
                    check(sub, &path);
                    continue;
                }
                let help = sub.clone().render_help().to_string();
                let after = help.rsplit("Example").next().unwrap();
                assert!(after.contains(&path), "{path}:\n{help}");
            }
        }
        check(&Online::command(), "ca");
    }

    /// Runs each example through the parser: an example that does not parse is worse than none.
    #[test]
    fn every_example_in_the_help_parses() {
        fn examples(command: &clap::Command, out: &mut Vec<String>) {
            for sub in command.get_subcommands() {
                let text = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                out.extend(text.lines().filter_map(|l| l.trim().strip_prefix("ca ")).map(str::to_owned));
                examples(sub, out);
            }
        }
        let mut lines = Vec::new();
        examples(&Online::command(), &mut lines);
        assert!(lines.len() > 15, "{lines:?}");
        for line in lines {
            let words = line.split(['>', '|']).next().unwrap().split_whitespace();
            let parsed = Online::try_parse_from(std::iter::once("ca").chain(words));
            assert!(parsed.is_ok(), "ca {line}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn the_directory_option_stands_before_or_after_the_verb() {
        for line in ["ca token --admin /x list", "ca token list --admin /x", "ca doctor --admin /x"] {
            assert!(Online::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}
