//! A service that trusts devices by `ca trust config rustls`, which prints the file that is included here. It answers one
//! connection after the other and reads the trust files anew for each, so that a new revocation list counts at once.
//!
//!     cargo run --example rustls_server -- DIR        DIR holds clients.pem, crl.pem, server.pem and server.key
//!
//! Prints the address that it got, and `accepted` or `refused: …` for each connection. Ends when its standard input does.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, Stream};

#[path = "../ca/templates/rustls.rs"]
#[allow(dead_code, unreachable_pub)]
mod config;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: rustls_server DIR")?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            match answer(&dir, connection) {
                Ok(()) => println!("accepted"),
                Err(error) => println!("refused: {error}"),
            }
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

fn answer(dir: &Path, mut tcp: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut tls = ServerConnection::new(Arc::new(config::server_config_from(dir)?))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    let mut stream = Stream::new(&mut tls, &mut tcp);
    // Whatever the request is; a client that sent it waits for the answer.
    let _ = stream.read(&mut [0; 4096])?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")?;
    stream.conn.send_close_notify();
    stream.conn.complete_io(stream.sock)?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);
