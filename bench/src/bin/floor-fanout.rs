//! The least that asking many can cost: workers over a shared list, each host a connection, a handshake, one exchange. One
//! thread, frames that were encoded before, answers that nobody reads.
//!
//! `floor-fanout BUNDLE ASKS PORT COUNT`: the file ASKS holds the frames to send to each.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::{Error, frames, street, tls};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// As wide as the product's for hosts that are far away.
const WINDOW: usize = 256;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, asks, port, count] = &arguments[..] else {
        return Err("usage: floor-fanout BUNDLE ASKS PORT COUNT".into());
    };
    let config = tls::client_config(Path::new(bundle))?;
    let list = Arc::new(List {
        next: AtomicUsize::new(0),
        count: count.parse()?,
        port: port.parse()?,
        asks: std::fs::read(asks)?,
        connector: TlsConnector::from(Arc::new(config)),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut workers = JoinSet::new();
        for _ in 0..WINDOW.min(list.count) {
            workers.spawn(work(Arc::clone(&list)));
        }
        while let Some(done) = workers.join_next().await {
            done??;
        }
        Ok(())
    })
}

/// Who is left to be asked, and what.
struct List {
    next: AtomicUsize,
    count: usize,
    port: u16,
    asks: Vec<u8>,
    connector: TlsConnector,
}

async fn work(list: Arc<List>) -> Result<(), Error> {
    let mut inbox = Vec::new();
    loop {
        let number = list.next.fetch_add(1, Ordering::Relaxed);
        if number >= list.count {
            return Ok(());
        }
        ask(&list, number, &mut inbox).await?;
        inbox.clear();
    }
}

async fn ask(list: &List, number: usize, inbox: &mut Vec<u8>) -> Result<(), Error> {
    let address = SocketAddr::from((street::address(number), list.port));
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::IpAddress(address.ip().into());
    let mut stream = list.connector.connect(name, socket).await?;
    stream.write_all(&list.asks).await?;
    stream.flush().await?;
    let asked = frames::whole(&list.asks).count;
    while frames::whole(inbox).count < asked {
        if !frames::fill(&mut stream, inbox).await? {
            return Err(format!("{address} ended the connection").into());
        }
    }
    Ok(())
}
