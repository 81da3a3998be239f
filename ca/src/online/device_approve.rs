//! `ca device approve`: one claim on a device, with the key that made it.

use clap::Args;
use signet_api::CredentialId;
use signet_api::admin::{DeviceAction, DeviceChange, DeviceDetail, TokenInfo};
use signet_pki::DeviceId;

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::service;
use crate::online::{device, print};

/// Let a device in that waits for approval: the claim that was made with one token and one key
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca device approve sensor-17")]
pub(crate) struct Approve {
    id: DeviceId,
    /// The token of the claim, where several wait
    #[arg(long, value_name = "ID", value_parser = CredentialId::parse)]
    token: Option<CredentialId>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Approve {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let detail: DeviceDetail = service::get(&at.open()?, &device::path(&self.id))?;
        let claim = claim(&detail, self.token.as_ref())?;
        print::note(format!("token {}, key {}", claim.id, print::or_dash(claim.claimed_spki.as_ref())));
        let (token, spki) = (Some(claim.id.clone()), claim.claimed_spki.clone());
        let change = DeviceChange { action: Some(DeviceAction::Approve), token, spki, ..DeviceChange::default() };
        device::apply(at, &self.id, &change, self.json)
    }
}

fn claim<'a>(detail: &'a DeviceDetail, token: Option<&CredentialId>) -> Result<&'a TokenInfo, Failure> {
    let waits = |one: &&TokenInfo| one.status == "pending" && token.is_none_or(|id| *id == one.id);
    let waiting: Vec<&TokenInfo> = detail.tokens.iter().filter(waits).collect();
    let id = &detail.device.id;
    match waiting.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::refused(format!("no claim on {id} waits for approval"))
            .hint(format!("see what there is: ca device show {id}"))),
        [first, ..] => {
            let line = |one: &&TokenInfo| format!("{} with key {}", one.id, print::or_dash(one.claimed_spki.as_ref()));
            let listed = waiting.iter().map(line).collect::<Vec<_>>().join(", ");
            Err(Failure::refused(format!("several claims on {id} wait: {listed}")).hint(format!(
                "compare the keys with the device's own, then: ca device approve {id} --token {}",
                first.id
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail(statuses: &[&str]) -> DeviceDetail {
        let token = |(n, status): (usize, &&str)| {
            json!({
                "id": format!("000000000{n}"), "kind": "batch", "status": status, "device": "sensor-1", "profile": "device",
                "groups": [], "batch": "lot", "serial_number": null, "spki": null, "cidr": null, "approval": true,
                "created_at": "a", "created_by": "b", "expires_at": "c", "redeemed_at": null, "redeemed_serial": null,
                "claimed_spki": format!("key-{n}"),
            })
        };
        let tokens: Vec<_> = statuses.iter().enumerate().map(token).collect();
        serde_json::from_value(json!({
            "device": {
                "id": "sensor-1", "kind": "device", "status": "pending", "profile": "device", "groups": [], "dns_names": [],
                "serial_number": null, "created_at": "a", "certificate": null,
            },
            "certificates": [], "tokens": tokens,
        }))
        .unwrap()
    }

    #[test]
    fn one_claim_is_meant_by_itself_and_of_several_one_is_named() {
        let one = detail(&["revoked", "pending"]);
        assert_eq!(claim(&one, None).unwrap().claimed_spki.as_deref(), Some("key-1"));
        assert!(claim(&detail(&["redeemed"]), None).is_err());
        let two = detail(&["pending", "pending"]);
        let refused = format!("{:?}", claim(&two, None).unwrap_err());
        assert!(refused.contains("key-0") && refused.contains("key-1"), "{refused}");
        let second = CredentialId::parse("0000000001").unwrap();
        assert_eq!(claim(&two, Some(&second)).unwrap().id, second);
    }
}
