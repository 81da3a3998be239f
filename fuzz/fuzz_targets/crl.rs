//! The entries of a list that is read can be written and signed again, and are the same then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_fuzz::{AUTHORITY, KEY, signed};
use signet_pki::crl::{CrlPlan, CrlView, Entries, sign};

fuzz_target!(|data: &[u8]| {
    // Nobody but the authority signs for it.
    assert!(CrlView::verified(data, &AUTHORITY).is_err());
    let Ok(view) = CrlView::verified(&signed(data), &AUTHORITY) else { return };
    assert_eq!(view.issuer, AUTHORITY.subject());
    let Ok(entries) = view.entries() else { return };
    assert_eq!(view.is_empty(), entries.is_empty());
    let mut encoded = Entries::new();
    entries.iter().for_each(|(serial, at, reason)| encoded.push(serial, *at, *reason));
    assert_eq!(Entries::read(encoded.as_bytes()).as_ref(), Ok(&encoded));
    let plan = CrlPlan::full(view.number, view.this_update, view.next_update, encoded);
    // A list that ends before it begins can be read, but is never made; dates before 1970 are nobody's.
    let dates = entries.iter().map(|(_, at, _)| at.0).chain([view.this_update.0]);
    if view.next_update <= view.this_update || dates.into_iter().any(|at| at < 0) {
        return;
    }
    let list = sign(&AUTHORITY, &*KEY, plan).expect("what was read can be written");
    let again = CrlView::verified(list.der(), &AUTHORITY).expect("what we sign we can read");
    assert_eq!(again.entries().as_ref(), Ok(&entries));
    assert_eq!((again.number, again.this_update, again.next_update), (view.number, view.this_update, view.next_update));
});
