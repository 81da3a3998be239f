//! Tokens on the command line: the agent gets them, the administrator sees and ends sessions, the operator adds keys.

use crate::site::Site;

#[test]
fn an_agent_prints_a_token_and_a_session_is_seen_and_ended() {
    let site = Site::running();
    site.write("one.link", &site.link("sensor-1"));
    site.agent("enroll --link one.link --dir one").succeeded();
    let token = site.agent("token --dir one").succeeded().stdout;
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    site.agent("token --dir one --scope root").refused(1, "scope");
    site.agent("token --dir one --audience https://files.acme.example").refused(1, "oauth.audiences");
    let told = site.agent("token --dir one --scope offline_access --json").succeeded().stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["refresh_token"].as_str().unwrap().starts_with("sgr_"));
    let listed = site.ca("oauth sessions --device sensor-1 --json").succeeded().stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert!(site.ca("oauth sessions").succeeded().stdout.contains(id));
    site.ca(&format!("oauth revoke-session {id} --yes")).succeeded();
    site.ca(&format!("oauth revoke-session {id} --yes")).refused(1, "no such session");
    assert!(!site.ca("oauth sessions").succeeded().stdout.contains(id));
}

#[test]
fn a_further_key_is_published_by_a_restart_and_does_not_sign_yet() {
    let mut site = Site::running();
    let stages = |site: &Site| -> Vec<String> {
        let keys = site.ca("oauth keys --json").succeeded().stdout;
        let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
        keys["keys"].as_array().unwrap().iter().map(|key| key["stage"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stages(&site), ["signing"]);
    let made = site.signetd("oauth-key --config acme/server/signet.toml").succeeded();
    assert!(made.stdout.contains("restart signetd"), "{made:?}");
    assert_eq!(stages(&site), ["signing"]);
    assert_eq!(site.stop(), Some(0));
    site.start();
    assert_eq!(stages(&site), ["signing", "published"]);
    assert!(site.ca("oauth keys").succeeded().stdout.contains("published"));
}
