//! What counts as one place on the network wherever something is counted by address.

use std::net::IpAddr;

/// The address, or the /64 of an IPv6 one: a host has all of it to choose from.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}
