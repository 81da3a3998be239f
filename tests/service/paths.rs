//! T27: names that would like to be paths, and paths that lead elsewhere.

use std::os::unix::fs::symlink;

use signet::server_identity;
use signet_api::ErrorCode;

use crate::support::{Installation, TestService, device_id, wire};

#[tokio::test(flavor = "multi_thread")]
async fn t27_no_id_in_a_path_is_anything_but_an_id() {
    let service = TestService::start().await;
    let long = "a".repeat(64);
    let strange = [
        "..",
        ".",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2fadmin",
        "a%2fb",
        "a%00b",
        "%00",
        "%0a",
        "A",
        "a.b",
        "-a",
        "a-",
        "%c3%a4",
        "%ff",
        "a%20b",
        "*",
        "%25",
        "'%20OR%201=1",
        &long,
        "",
    ];
    let admin = || service.installation.administrator();
    for id in strange {
        for template in ["/v1/admin/devices/{}", "/v1/admin/tokens/{}", "/v1/admin/certificates/{}", "/v1/admin/why/{}"]
        {
            let path = template.replace("{}", id);
            let Ok(mut wire) =
                crate::support::Wire::open(&service, Some(admin()), crate::support::Protocol::Http1).await
            else {
                panic!("no connection")
            };
            let reply = wire.send("GET", &path, &[], b"").await.unwrap();
            let code = reply.problem().code;
            assert!(matches!(code, ErrorCode::NotFound | ErrorCode::MalformedRequest), "{path}: {code:?}");
        }
        for path in [format!("/crl/{id}"), format!("/ca/{id}")] {
            let reply = service.plain(&path).await;
            let code = reply.problem().code;
            assert!(matches!(code, ErrorCode::NotFound | ErrorCode::MalformedRequest), "{path}: {code:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_no_id_in_a_body_is_anything_but_an_id() {
    let service = TestService::start().await;
    let before = service.audit().await.len();
    for id in ["..", "../../etc/passwd", "a/b", "a\\u0000b", "A", "\\u0430dmin", "a b", ""] {
        let bodies = [
            ("/v1/admin/tokens", format!(r#"{{"kind":"batch","profile":"device","targets":[{{"device":"{id}"}}]}}"#)),
            ("/v1/admin/revocations", format!(r#"{{"device":"{id}"}}"#)),
            ("/v1/admin/issue", format!(r#"{{"device":"{id}","csr":"","profile":"device"}}"#)),
        ];
        for (path, body) in bodies {
            let identity = service.installation.administrator();
            let reply = service.send_as(identity, "POST", path, &[], body.as_bytes()).await;
            assert_eq!(reply.problem().code, ErrorCode::MalformedRequest, "{path} {id}");
        }
    }
    assert_eq!(service.audit().await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_set_up_writes_through_no_link() {
    let service = TestService::start().await;
    let files = &service.installation;
    let elsewhere = files.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let create = async |name: &str, directory: &str| {
        server_identity::create_admin(&service.running.service, &device_id(name), &files.path(directory)).await
    };

    symlink(&elsewhere, files.path("linked-dir")).unwrap();
    assert!(create("bob", "linked-dir").await.is_err(), "the directory is a link");

    std::fs::create_dir(files.path("carol")).unwrap();
    symlink(elsewhere.join("stolen.key"), files.path("carol/admin.key")).unwrap();
    assert!(create("carol", "carol").await.is_err(), "the key file is a link into nowhere");

    std::fs::create_dir(files.path("dave")).unwrap();
    symlink(elsewhere.join("stolen.pem"), files.path("dave/admin.pem")).unwrap();
    assert!(create("dave", "dave").await.is_err(), "the certificate file is a link into nowhere");

    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "something was written elsewhere");
    assert!(create("erin", "erin").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_a_tls_key_behind_a_link_is_read_and_never_overwritten() {
    let installation = Installation::new().await;
    let (key, moved) = (installation.path("server/tls/server.key"), installation.path("server/moved.key"));
    std::fs::rename(&key, &moved).unwrap();
    symlink(&moved, &key).unwrap();
    let before = std::fs::read(&moved).unwrap();
    let service = TestService::builder().try_start_in(installation).await;
    // As a secret of Kubernetes is mounted.
    assert!(service.is_ok());
    assert_eq!(std::fs::read(&moved).unwrap(), before);
    let installation = Installation::new().await;
    let key = installation.path("server/tls/server.key");
    // A link into nowhere must not become a new key somewhere.
    std::fs::remove_file(&key).unwrap();
    symlink(installation.path("server/nowhere.key"), &key).unwrap();
    let service = TestService::builder().try_start_in(installation).await;
    let Err((installation, _)) = service else { panic!("a link was followed") };
    assert!(!installation.path("server/nowhere.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn t22_confusable_paths_are_not_other_paths() {
    let service = TestService::start().await;
    for path in ["/crl//root.crl", "//crl/root.crl", "/crl/./root.crl", "/ca/../crl/root.crl", "/crl/root.crl%00.pem"] {
        let reply = wire::get_plain(service.running.plain, path).await;
        assert_eq!(reply.problem().code, ErrorCode::NotFound, "{path}");
    }
}
