use super::*;

#[test]
fn every_length_round_trips() {
    for length in 0..200u8 {
        let der: Vec<u8> = (0..length).collect();
        let text = encode(Label::Certificate, &der);
        assert_eq!(decode_one(Label::Certificate, text.as_bytes()), Ok(der));
        assert!(text.lines().all(|l| l.len() <= 64));
    }
}

#[test]
fn missing_several_and_damaged_are_told_apart() {
    let one = encode(Label::Crl, b"x");
    assert!(matches!(decode_one(Label::Request, one.as_bytes()), Err(PemError::Missing(_))));
    assert!(matches!(decode_one(Label::Crl, one.repeat(2).as_bytes()), Err(PemError::Several(_))));
    let cut = &one[..one.len() - 12];
    assert!(decode_one(Label::Crl, cut.as_bytes()).is_err());
}

#[test]
fn encrypted_and_plain_keys_are_not_taken_for_each_other() {
    let (plain, sealed) = (encode(Label::PrivateKey, b"plain"), encode(Label::EncryptedPrivateKey, b"sealed"));
    for file in [format!("{plain}{sealed}"), format!("{sealed}{plain}")] {
        assert_eq!(decode_one(Label::PrivateKey, file.as_bytes()), Ok(b"plain".to_vec()));
        assert_eq!(decode_one(Label::EncryptedPrivateKey, file.as_bytes()), Ok(b"sealed".to_vec()));
    }
    assert!(matches!(decode_one(Label::EncryptedPrivateKey, plain.as_bytes()), Err(PemError::Missing(_))));
    assert!(matches!(decode_one(Label::PrivateKey, sealed.as_bytes()), Err(PemError::Missing(_))));
}

#[test]
fn the_older_label_of_a_request_is_read_too() {
    let text = encode(Label::Request, b"x").replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(decode_one(Label::Request, text.as_bytes()), Ok(b"x".to_vec()));
    let both = text + &encode(Label::Request, b"y");
    assert!(matches!(decode_one(Label::Request, both.as_bytes()), Err(PemError::Several(_))));
    let crlf = encode(Label::Request, &[7; 100]).replace('\n', "\r\n");
    assert_eq!(decode_one(Label::Request, crlf.as_bytes()), Ok(vec![7; 100]));
}

#[test]
fn text_that_is_no_utf8_does_not_hurt_the_block_behind_it() {
    let text = [&[0xff, 0xfe, b'\n'][..], encode(Label::Request, b"x").as_bytes()].concat();
    assert_eq!(decode_one(Label::Request, &text), Ok(b"x".to_vec()));
}

#[test]
fn a_sealed_key_round_trips() {
    let key = encode(Label::EncryptedPrivateKey, b"abc");
    assert_eq!(decode_one(Label::EncryptedPrivateKey, key.as_bytes()), Ok(b"abc".to_vec()));
}

#[test]
fn what_editors_add_around_a_block_does_not_hide_it() {
    let (one, two) = (encode(Label::Crl, b"first"), encode(Label::Crl, &[7; 100]));
    let both = Ok(vec![b"first".to_vec(), vec![7; 100]]);
    let text = format!("{one}{two}");
    for text in [
        format!("\u{feff}{text}"),
        format!("\u{feff}\r\n  \t\n{text}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
        format!("  {}", text.replace('\n', "  \n\t")),
        format!("The list of the root\n0 = zero\n{one}and that of the issuer:\n\n{two}the end"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(decode_all(Label::Crl, text.as_bytes()), both, "{text:?}");
    }
}

#[test]
fn a_block_is_never_skipped_in_silence() {
    let good = encode(Label::Crl, b"good");
    let bad = encode(Label::Crl, &[7; 100]);
    for (bad, line, words) in [
        (bad.replace("X509 CRL", "X509 CLR"), 4, "'X509 CLR'"),
        (bad.replace("BwcH", "Bw*H"), 4, "not base64"),
        (bad.replace("-----END X509 CRL-----\n", ""), 4, "no END line"),
        (bad.replace("END X509 CRL", "END CERTIFICATE"), 8, "END line of 'CERTIFICATE'"),
        (bad.replace("-----BEGIN", "> -----BEGIN"), 4, "'-----BEGIN'"),
        (bad.replace("-----BEGIN X509 CRL-----", "-----BEGIN X509 CRL----"), 4, "'-----BEGIN'"),
        (bad.replace("-----BEGIN X509 CRL-----\n", ""), 7, "belongs to no block"),
        (bad.replace("-----\nBwc", "-----\nProc-Type: 4\nBwc"), 4, "header lines"),
    ] {
        // In front, behind, and between blocks that can be read.
        let error = decode_all(Label::Crl, format!("{good}{bad}{good}").as_bytes()).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("line {line}: ")) && said.contains(words), "{bad}\n{said}");
        assert!(decode_all(Label::Crl, format!("{bad}{good}").as_bytes()).is_err(), "{bad}");
        assert!(decode_all(Label::Crl, format!("{good}{bad}").as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn utf16_is_named_and_not_taken_for_an_empty_file() {
    let text = encode(Label::Crl, b"x");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decode_all(Label::Crl, &wide), Err(PemError::Text(TextError::Utf16)));
}

#[test]
fn blocks_of_other_programs_stand_beside_those_that_are_wanted() {
    let wanted = encode(Label::Certificate, b"x");
    let older = wanted.replace("CERTIFICATE", "X509 CERTIFICATE");
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let text = format!("{key}{wanted}{}{older}", encode(Label::PrivateKey, b"key"));
    assert_eq!(certificates(text.as_bytes()), Ok(vec![b"x".to_vec(); 2]));
}

#[test]
fn der_and_text_that_begins_with_its_first_octet_are_told_apart() {
    let text = format!("0 = the device's request\n{}", encode(Label::Request, b"x"));
    assert_eq!(pem_or_der(Label::Request, text.as_bytes()), Ok(b"x".to_vec()));
    let der = [&[0x30, 0x82, 0x01, 0x00][..], b"-----BEGIN X509 CRL-----"].concat();
    assert_eq!(all_or_der(Label::Crl, &der), Ok(vec![der.clone()]));
    assert_eq!(all_or_der(Label::Crl, b"nothing"), Err(PemError::Missing("X509 CRL")));
}

#[test]
fn a_label_that_came_from_a_stranger_is_bounded_and_printable() {
    let text = format!("-----BEGIN \u{1b}[2J{}-----\n-----END x-----\n", "A".repeat(5000));
    let said = decode_all(Label::Crl, text.as_bytes()).unwrap_err().to_string();
    assert!(said.len() < 120 && !said.contains('\u{1b}'), "{said}");
}
