use super::super::test_server::{Authority, Reply, TestServer};
use super::super::{ClientConfig, Trust};
use super::*;
use crate::problem::{ErrorCode, Problem};

const TEXT: &str = "retry: 1000\n\n: hello\nid: 4\n\nid: 7\nevent: revocation\ndata: {\"a\":1}\n\nevent: end\r\ndata:x\r\n\
                    data: y\r\n\r\nid: 9\n\nid: 10\nevent: cut";

fn parsed(pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<StreamEvent>, Option<u64>) {
    let mut parser = Parser::default();
    pieces.for_each(|piece| parser.feed(&piece).unwrap());
    (parser.ready.into_iter().collect(), parser.last_id)
}

#[test]
fn events_are_the_same_wherever_the_network_cuts_them() {
    let whole = parsed([TEXT.as_bytes().to_vec()].into_iter());
    let event = |id, name: &str, data: &str| StreamEvent { id, name: name.into(), data: data.into() };
    let expected = vec![event(Some(7), "revocation", "{\"a\":1}"), event(None, "end", "x\ny")];
    assert_eq!(whole, (expected, Some(9)), "what is not finished is no event, and its id does not count");
    for size in 1..20 {
        assert_eq!(parsed(TEXT.as_bytes().chunks(size).map(<[u8]>::to_vec)), whole, "{size}");
    }
}

#[test]
fn a_line_and_an_event_without_end_are_refused() {
    let mut endless = Parser::default();
    assert_eq!((0..65).map(|_| endless.feed(&[b'x'; 1024])).filter(Result::is_err).count(), 1);
    let mut many = Parser::default();
    let line = format!("data: {}\n", "x".repeat(1000));
    assert!((0..100).any(|_| many.feed(line.as_bytes()).is_err()));
    assert!(Parser::default().feed(b"data: \xff\n").is_err());
}

async fn stream(reply: fn() -> Reply) -> (Result<EventStream, ClientError>, TestServer) {
    let authority = Authority::new("Root");
    let server = TestServer::start(authority.server(), move |_| reply()).await;
    let config = ClientConfig::new(&server.url, Trust::Roots(vec![authority.root()]));
    (Client::open(config).await.unwrap().stream("/v1/events", Some(3)).await, server)
}

#[tokio::test]
async fn a_stream_is_read_to_its_end() {
    let (stream, server) =
        stream(|| Reply::Close(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{TEXT}"))).await;
    let mut stream = stream.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().id, Some(7));
    assert_eq!(stream.last_id(), Some(7), "there is more, which has not been given out");
    assert_eq!(stream.next().await.unwrap().unwrap().name, "end");
    assert_eq!(stream.next().await.unwrap(), None);
    assert_eq!(stream.last_id(), Some(9));
    let request = server.requests().concat();
    assert!(request.contains("last-event-id: 3\r\n") && request.contains("accept: text/event-stream"), "{request}");
}

#[tokio::test]
async fn a_refusal_is_told_and_another_answer_is_no_stream() {
    let (refused, _) = stream(|| {
        let body = serde_json::to_string(&Problem::new(ErrorCode::Forbidden, None, "req-1".into())).unwrap();
        let head = "HTTP/1.1 403 X\r\ncontent-type: application/problem+json";
        Reply::Keep(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    })
    .await;
    assert_eq!(refused.err().unwrap().problem().unwrap().code, ErrorCode::Forbidden);
    let (other, _) = stream(|| super::super::test_server::ok("{}")).await;
    assert!(matches!(other, Err(ClientError::Protocol(_))));
}
