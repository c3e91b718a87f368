//! The least that serving can cost: takes connections, shakes hands, and sends every whole frame back as it came. One
//! thread, one read and one write each time it wakes, no memory of its own on a connection that waits.
//!
//! `floor-server BUNDLE ADDRESS`

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;

use bench::{Error, frames, tls};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bundle), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: floor-server BUNDLE ADDRESS".into());
    };
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(Path::new(&bundle))?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(address.parse()?, acceptor))
}

async fn serve(address: SocketAddr, acceptor: TlsAcceptor) -> Result<(), Error> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let accepting = acceptor.accept(socket);
        tokio::spawn(async move {
            if let Ok(stream) = accepting.await {
                // A task of its own: the handshake's memory goes back before the echoing begins.
                tokio::spawn(echo(stream));
            }
        });
    }
}

async fn echo(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    let mut inbox = Vec::new();
    while fill(&mut stream, &mut inbox).await? {
        let whole = frames::whole(&inbox);
        stream.write_all(&inbox[..whole.bytes]).await?;
        stream.flush().await?;
        inbox.drain(..whole.bytes);
        if inbox.is_empty() {
            inbox = Vec::new();
        }
    }
    Ok(())
}

/// Reads through the stack, so that a connection holds memory only while bytes are there.
async fn fill(stream: &mut TlsStream<TcpStream>, inbox: &mut Vec<u8>) -> io::Result<bool> {
    std::future::poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); 16 * 1024];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
        inbox.extend_from_slice(read.filled());
        Ok(!read.filled().is_empty()).into()
    })
    .await
}
