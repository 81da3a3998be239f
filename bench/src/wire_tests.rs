use super::*;

use tokio::io::duplex;

/// A connection whose server has said `answer` already.
fn told(answer: &str) -> Connection {
    let (ours, mut theirs) = duplex(1 << 16);
    let answer = answer.as_bytes().to_vec();
    tokio::spawn(async move {
        // One octet at a time: no answer may depend on how it was cut.
        for octet in answer {
            theirs.write_all(&[octet]).await.unwrap();
        }
        // Kept until everything was read; a closed stream is another test.
        let mut rest = Vec::new();
        let _ = theirs.read_to_end(&mut rest).await;
    });
    Connection { stream: Box::new(ours), buffer: Vec::new() }
}

#[tokio::test]
async fn two_answers_on_one_connection_do_not_run_into_each_other() {
    let mut connection =
        told("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 409 Conflict\r\ncontent-length: 1\r\n\r\nx");
    let first = connection.exchange(b"one").await.unwrap();
    let second = connection.exchange(b"two").await.unwrap();
    assert_eq!((first.status, first.body.as_slice()), (200, &b"abc"[..]));
    assert_eq!((second.status, second.body.as_slice()), (409, &b"x"[..]));
}

#[tokio::test]
async fn a_chunked_body_is_put_together_and_its_trailer_skipped() {
    let mut connection = told(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nWiki\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
         HTTP/1.1 204 No Content\r\n\r\n",
    );
    assert_eq!(connection.exchange(b"one").await.unwrap().body, b"Wiki0123456789");
    assert_eq!(connection.exchange(b"two").await.unwrap().status, 204);
}

#[tokio::test]
async fn an_interim_answer_is_not_the_answer() {
    let mut connection = told("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let answer = connection.exchange(b"one").await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (201, 0));
}

#[tokio::test]
async fn a_connection_that_ends_inside_an_answer_is_an_error() {
    let (ours, mut theirs) = duplex(1024);
    theirs.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    drop(theirs);
    let mut connection = Connection { stream: Box::new(ours), buffer: Vec::new() };
    assert!(connection.exchange(b"").await.is_err());
}
