//! What decisions about permission read.

use signet::store::{CertificateStatus, Fingerprints, PrincipalStatus, Step};
use signet_pki::Fingerprint;

use crate::bench::Bench;
use crate::factory::{id, step, target_serial, token};

pub(crate) async fn a_principal_comes_with_the_newest_certificate_that_counts(bench: Bench) {
    assert_eq!(bench.store.present(&id("nobody")).await.unwrap(), None);
    bench.create(&[token("waiting")]).await;
    let waiting = bench.store.present(&id("waiting")).await.unwrap().unwrap();
    assert_eq!((waiting.principal.status, waiting.certificate), (PrincipalStatus::Preregistered, None));
    let first = bench.enrolled("a").await;
    bench.used(&first).await;
    bench.enrolled("b").await;
    let shown = async || bench.store.present(&id("a")).await.unwrap().unwrap();
    assert_eq!(shown().await.certificate.unwrap().serial, *first.serial());
    let second = bench.renew(&first).await;
    bench.used(&second).await;
    let row = shown().await;
    let newest = row.certificate.unwrap();
    assert_eq!(
        (newest.serial, newest.status, newest.generation),
        (second.serial().clone(), CertificateStatus::Active, 2)
    );
    assert_eq!(row.principal, newest.principal);
    bench.revoke(target_serial(second.serial())).await;
    let row = shown().await;
    assert_eq!((row.principal.status, row.certificate), (PrincipalStatus::Active, None), "the first was superseded");
    bench.store.change_device(step("b", Step::Suspend)).await.unwrap().unwrap().unwrap();
    let suspended = bench.store.present(&id("b")).await.unwrap().unwrap();
    assert_eq!(suspended.principal.status, PrincipalStatus::Suspended);
    assert!(suspended.certificate.is_some());
}

pub(crate) async fn fingerprints_come_in_pages_without_a_gap(bench: Bench) {
    assert_eq!(bench.store.fingerprints_after(0, 10).await.unwrap(), Fingerprints::default());
    let mut expected = Vec::new();
    for n in 0..7 {
        let issued = bench.enrolled(&format!("d-{n}")).await;
        let record = bench.certificate(issued.serial()).await;
        expected.push((Fingerprint::of(&record.der), record.not_after, record.serial));
    }
    for limit in [1, 3, 7, 8] {
        let (mut found, mut row) = (Vec::new(), 0);
        loop {
            let page = bench.store.fingerprints_after(row, limit).await.unwrap();
            assert!(page.rows.len() <= limit as usize);
            found.extend(page.rows);
            let Some(through) = page.through else { break };
            row = through;
        }
        let told: Vec<_> = found.iter().map(|(_, fingerprint, end)| (*fingerprint, *end)).collect();
        assert_eq!(told, expected.iter().map(|(f, end, _)| (*f, *end)).collect::<Vec<_>>(), "pages of {limit}");
        for ((row, _, _), (_, _, serial)) in found.iter().zip(&expected) {
            assert_eq!(bench.store.certificate_in(*row).await.unwrap().unwrap().serial, *serial);
        }
    }
    assert_eq!(bench.store.certificate_in(1_000_000).await.unwrap(), None);
}
