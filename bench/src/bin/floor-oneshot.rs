//! The least that one question to one agent can cost: connects, sends a frame, reads a frame, prints it. Blocking, no
//! runtime, no arguments to parse, no JSON.
//!
//! `floor-oneshot BUNDLE ADDRESS`

use std::io::{Read, Write, stdout};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use bench::{Error, tls};
use rustls::{ClientConnection, Stream};

const ASK: &[u8] = br#"{"id":1,"ask":"uptime","with":{}}"#;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bundle), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: floor-oneshot BUNDLE ADDRESS".into());
    };
    let address: SocketAddr = address.parse()?;
    let config = tls::client_config(Path::new(&bundle))?;
    let mut connection = ClientConnection::new(Arc::new(config), address.ip().into())?;
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    stream.write_all(&frame()?)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut reply)?;
    stdout().write_all(&reply)?;
    std::process::exit(0)
}

fn frame() -> Result<Vec<u8>, Error> {
    let head = u32::try_from(ASK.len())?;
    Ok([&(head + 4).to_be_bytes()[..], &head.to_be_bytes(), ASK].concat())
}
