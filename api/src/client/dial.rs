//! From a name to a connection: every address gets its turn (RFC 8305), so that a family whose packets are dropped costs a
//! quarter of a second and not the whole patience.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ClientError;
use super::address::Address;

pub(super) async fn dial(address: &Address) -> Result<TcpStream, ClientError> {
    let failed = |e: io::Error| ClientError::Unreachable(format!("no connection to {address}: {e}"));
    let found = lookup_host((address.host.as_str(), address.port)).await.map_err(failed)?;
    let socket = first_to_connect(alternating(found.collect()), TcpStream::connect).await.map_err(failed)?;
    // Requests are small and waited for; without it they may wait for an acknowledgement.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

/// The resolver's order, with the other family at every second place (RFC 8305 4).
fn alternating(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| a.is_ipv6() == preferred);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    while ordered.len() < MAX_ADDRESSES {
        let before = ordered.len();
        ordered.extend(first.next().into_iter().chain(second.next()));
        if ordered.len() == before {
            break;
        }
    }
    ordered
}

/// Starts with the next address when one has failed, or has said nothing for [`STAGGER`]; the attempts before go on, and
/// those that are left end with the first success.
async fn first_to_connect<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.next() {
            running.spawn(connect(address));
        }
        let ended = match waiting.len() {
            0 => running.join_next().await,
            _ => match timeout(STAGGER, running.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            Some(Ok(Ok(socket))) => return Ok(socket),
            Some(Ok(Err(error))) => failure = error,
            Some(Err(broken)) => failure = io::Error::other(broken),
            None => return Err(failure),
        }
    }
}

/// RFC 8305 5.
const STAGGER: Duration = Duration::from_millis(250);
/// A name with more is no server of ours.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn ipv4_is_tried_while_ipv6_packets_are_dropped() {
        let addresses = alternating(all(&["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1"]));
        assert_eq!(addresses, all(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1"]));
        let connect = |address: SocketAddr| async move {
            match address.is_ipv6() {
                true => pending().await,
                false => Ok(address),
            }
        };
        let won = timeout(Duration::from_secs(60), first_to_connect(addresses, connect)).await;
        assert_eq!(won.unwrap().unwrap(), "192.0.2.1:1".parse().unwrap());
    }

    #[tokio::test]
    async fn a_refusal_leads_to_the_next_address_and_the_last_one_is_told() {
        let refuse = |address: SocketAddr| async move { Err::<(), _>(io::Error::other(address.to_string())) };
        let error = first_to_connect(all(&["[::1]:1", "127.0.0.1:2"]), refuse).await.unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1:2");
        assert_eq!(first_to_connect(Vec::new(), refuse).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_slow_address_still_wins_when_the_others_fail() {
        let (slow, fast) = ("[::1]:1", "127.0.0.1:2");
        let connect = |address: SocketAddr| async move {
            match address.is_ipv6() {
                true => {
                    timeout(STAGGER * 2, pending::<()>()).await.unwrap_err();
                    Ok(address)
                }
                false => Err(io::Error::other("refused")),
            }
        };
        assert_eq!(first_to_connect(all(&[slow, fast]), connect).await.unwrap(), slow.parse().unwrap());
    }
}
