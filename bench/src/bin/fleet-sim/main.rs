//! A fleet in one process: answers as thousands of agents, each at a loopback address of its own with an identity of its own, over
//! real TLS. Some of them may be out of order.
//!
//! `fleet-sim AUTHORITY PORT COUNT [FAULT=COUNT ...]`; the faults are in `conduct.rs`.

mod answers;
mod conduct;
mod dead;
mod identities;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bench::{Error, street};
use protocol::message::{Call, put_reply};
use protocol::{MAX_ASK_FRAME, MessageStream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use answers::Answers;
use conduct::Conduct;
use identities::Identities;

/// More wait to be accepted than any window is wide, but that of who asks all at once.
const BACKLOG: u32 = 4096;
/// How long a slow machine thinks before it shakes hands.
const SLOW: Duration = Duration::from_secs(1);
/// How long a silent one says nothing: longer than anybody waits.
const SILENT: Duration = Duration::from_secs(3600);

/// How a machine takes a connection.
#[derive(Clone)]
enum Door {
    Answers(Arc<ServerConfig>),
    Late(Arc<ServerConfig>, Duration),
    Silent,
    Resets,
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(authority), Some(port), Some(count)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: fleet-sim AUTHORITY PORT COUNT [FAULT=COUNT ...]".into());
    };
    let (port, count): (u16, usize) = (port.parse()?, count.parse()?);
    let conducts = conduct::of_each(count, &arguments.collect::<Vec<_>>())?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let identities = Identities::of(&PathBuf::from(authority))?;
    let doors = conducts.iter().enumerate().map(|(number, conduct)| door(&identities, number, *conduct));
    let doors: Vec<Door> = doors.collect::<Result<_, Error>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anybody is let in: who sees this program listen may ask all of them.
        let _graves = dead::bury(port, &conducts)?;
        serve(listen(port)?, doors).await
    })
}

fn door(identities: &Identities, number: usize, conduct: Conduct) -> Result<Door, Error> {
    Ok(match conduct {
        Conduct::Well => Door::Answers(identities.config(number)?),
        Conduct::Slow => Door::Late(identities.config(number)?, SLOW),
        Conduct::Far => Door::Late(identities.config(number)?, street::far(number)),
        Conduct::Wrong => Door::Answers(identities.of_another_authority(number)?),
        Conduct::Resets => Door::Resets,
        // Nobody gets through to a dead one.
        Conduct::Silent | Conduct::Dead => Door::Silent,
    })
}

/// At all addresses; one socket is cheaper than thousands. Those of the dead have their own, which go first.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(BACKLOG)
}

async fn serve(listener: TcpListener, doors: Vec<Door>) -> Result<(), Error> {
    let answers = Arc::new(Answers::of_today());
    loop {
        let (socket, _) = listener.accept().await?;
        let IpAddr::V4(at) = socket.local_addr()?.ip() else { continue };
        if let Some(door) = street::number(at).and_then(|number| doors.get(number)) {
            tokio::spawn(take(socket, door.clone(), Arc::clone(&answers)));
        }
    }
}

async fn take(socket: TcpStream, door: Door, answers: Arc<Answers>) -> io::Result<()> {
    let config = match door {
        Door::Answers(config) => config,
        Door::Late(config, late) => {
            sleep(late).await;
            config
        }
        Door::Silent => {
            sleep(SILENT).await;
            return Ok(());
        }
        Door::Resets => {
            // The handshake has begun then.
            socket.readable().await?;
            return socket.set_zero_linger();
        }
    };
    socket.set_nodelay(true)?;
    let stream = TlsAcceptor::from(config).accept(socket).await?;
    // A task of its own: the handshake's memory goes back before the talking begins.
    tokio::spawn(converse(stream, answers));
    Ok(())
}

/// Like an agent's session: all replies to what came together leave together.
async fn converse(stream: TlsStream<TcpStream>, answers: Arc<Answers>) -> io::Result<()> {
    let mut stream = MessageStream::new(stream, MAX_ASK_FRAME);
    while stream.fill().await? {
        while let Some(frame) = stream.next_ready()? {
            if let Ok(Call::Ask { id, ask }) = Call::decode(frame) {
                put_reply(stream.outbox(), Some(id), &answers.to(ask))?;
            }
        }
        stream.flush().await?;
    }
    Ok(())
}
