//! Where the service may connect to (T24): public addresses, and networks that the configuration lists.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;

use ipnet::IpNet;
use thiserror::Error;

use crate::store::Reach;

/// Names to addresses. Tests bring one that changes its mind.
pub trait Resolver: Send + Sync {
    fn resolve(&self, host: String, port: u16) -> Resolution;
}

pub type Resolution = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// As the host is configured.
#[derive(Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> Resolution {
        Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not a public address, and {1}")]
pub struct Forbidden(IpAddr, &'static str);

/// The networks of `webhooks.allow`.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    listed: Vec<IpNet>,
}

impl Egress {
    pub fn new(listed: Vec<IpNet>) -> Egress {
        Egress { listed }
    }

    /// One bad address among several is enough to refuse all of them: whoever mixes them wants us to choose the bad one.
    pub fn check(&self, addresses: &[SocketAddr], reach: Reach) -> Result<(), Forbidden> {
        addresses.iter().try_for_each(|address| self.check_one(address.ip(), reach))
    }

    fn check_one(&self, address: IpAddr, reach: Reach) -> Result<(), Forbidden> {
        if is_public(address) {
            return Ok(());
        }
        let listed = self.listed.iter().any(|network| network.contains(&address));
        match (listed, reach) {
            (true, Reach::Listed) => Ok(()),
            (true, Reach::Public) => Err(Forbidden(address, "the endpoint was not created as a private one")),
            (false, _) => Err(Forbidden(address, "webhooks.allow does not list it")),
        }
    }
}

/// Whether an address can only be that of somebody on the Internet. Forms of IPv6 that carry an IPv4 address are none: they lead
/// to wherever that address leads.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !NOT_PUBLIC_V4.iter().any(|(network, bits)| within(v4.to_bits(), network.to_bits(), 32 - bits))
        }
        IpAddr::V6(v6) => {
            // Unicast is assigned from here alone (RFC 4291 2.4, IANA); loopback, mapped addresses, NAT64, unique local, link
            // local and multicast are outside.
            let global = v6.to_bits() >> 125 == 0b001;
            global && !NOT_PUBLIC_V6.iter().any(|(network, bits)| within(v6.to_bits(), network.to_bits(), 128 - bits))
        }
    }
}

fn within<T: std::ops::Shr<u32, Output = T> + PartialEq>(address: T, network: T, shift: u32) -> bool {
    address >> shift == network >> shift
}

/// The IANA registry of special addresses (RFC 6890), with what is multicast (RFC 5771) or never assigned.
const NOT_PUBLIC_V4: &[(Ipv4Addr, u32)] = &[
    // This host (RFC 791).
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private (RFC 1918), and behind a provider's NAT (RFC 6598).
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link local (RFC 3927): where clouds keep their metadata.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Assignments of protocols, documentation, benchmarks, relays of 6to4.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, and everything behind it.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Special addresses within 2000::/3.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    // Teredo, ORCHID, benchmarks and other protocols (RFC 2928).
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4 carries an IPv4 address (RFC 3056).
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;
