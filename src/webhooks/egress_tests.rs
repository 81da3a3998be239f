use super::*;

fn may(egress: &Egress, address: &str, reach: Reach) -> bool {
    egress.check(&[SocketAddr::new(address.parse().unwrap(), 443)], reach).is_ok()
}

const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.0.3.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.1",
    "203.0.112.1",
    "203.0.114.1",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
];

const NOT_PUBLIC: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    // Unspecified, loopback, IPv4-mapped and -compatible, NAT64 of both kinds.
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    // Teredo, ORCHID, documentation, 6to4.
    "2001::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    // Discard, segment routing, unique local, link local, site local, multicast.
    "100::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

#[test]
fn t24_only_addresses_of_the_internet_are_public() {
    let none = Egress::default();
    for address in PUBLIC {
        assert!(may(&none, address, Reach::Public) && may(&none, address, Reach::Listed), "{address}");
    }
    for address in NOT_PUBLIC {
        assert!(!may(&none, address, Reach::Public) && !may(&none, address, Reach::Listed), "{address}");
    }
}

#[test]
fn t24_a_listed_network_is_open_to_private_endpoints_alone() {
    let egress = Egress::new(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()]);
    for address in ["10.1.0.1", "10.1.255.255", "fd12::1"] {
        assert!(may(&egress, address, Reach::Listed), "{address}");
        assert!(!may(&egress, address, Reach::Public), "{address}");
    }
    // Another spelling of a listed address is another address.
    for address in ["10.2.0.1", "::ffff:10.1.0.1", "2002:a01:1::1", "64:ff9b::a01:1", "fc00::1", "127.0.0.1"] {
        assert!(!may(&egress, address, Reach::Listed), "{address}");
    }
}

#[test]
fn t24_one_bad_address_among_good_ones_is_enough() {
    let addresses = ["8.8.8.8:443", "127.0.0.1:443", "1.1.1.1:443"].map(|a| a.parse().unwrap());
    let refused = Egress::default().check(&addresses, Reach::Public).unwrap_err();
    assert_eq!(refused.to_string(), "127.0.0.1 is not a public address, and webhooks.allow does not list it");
    assert!(Egress::default().check(&addresses[..1], Reach::Public).is_ok());
}
