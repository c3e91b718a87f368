//! The client that makes load. It sends frames that were encoded before, counts the frames that come back by their
//! lengths, and looks into none: what it costs is the same for every server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bench::{Error, frames, tls};
use protocol::Request;
use protocol::message::put_ask;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fleet::Fleet;
use crate::samples::Samples;
use crate::server::pin_this_thread;

/// Nothing takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first part of a run is not counted.
const WARM_UP: Duration = Duration::from_millis(200);

/// So many frames in one write, and the next when all of them are answered.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    depth: usize,
}

impl Batch {
    /// The same request `depth` times.
    pub(crate) fn of<R: Request>(request: &R, depth: usize) -> Result<Batch, Error> {
        let mut bytes = Vec::new();
        for id in 1..=depth {
            put_ask(&mut bytes, id as u64, request)?;
        }
        Ok(Batch { bytes, depth })
    }

    /// Of one frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.bytes.len() / self.depth
    }
}

/// What a run of load has shown.
pub(crate) struct Flow {
    pub(crate) per_second: f64,
    /// How long batches took, in microseconds.
    pub(crate) micros: Samples,
    /// Also those that were not counted.
    pub(crate) requests: usize,
}

/// Who makes the load.
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    processor: Option<usize>,
}

impl Client {
    /// With the controller's identity; its thread stays on `processor`.
    pub(crate) fn of(fleet: &Fleet, processor: Option<usize>) -> Result<Client, Error> {
        Ok(Client { config: Arc::new(tls::client_config(&fleet.controller_bundle())?), processor })
    }

    /// Keeps so many connections busy for as long as `span`.
    pub(crate) fn load(
        &self,
        to: SocketAddr,
        connections: usize,
        batch: &Batch,
        span: Duration,
    ) -> Result<Flow, Error> {
        let run = async {
            let mut streams = Vec::with_capacity(connections);
            for _ in 0..connections {
                streams.push(self.connect(to).await?);
            }
            let from = Instant::now() + WARM_UP;
            let mut busy = JoinSet::new();
            for stream in streams {
                busy.spawn(keep_busy(stream, batch.clone(), from, from + span));
            }
            let mut micros = Vec::new();
            let mut batches = 0;
            while let Some(done) = busy.join_next().await {
                let (counted, all) = done??;
                micros.extend(counted);
                batches += all;
            }
            let per_second = (micros.len() * batch.depth) as f64 / span.as_secs_f64();
            let micros = Samples::new(micros).ok_or("not one batch was answered")?;
            Ok(Flow { per_second, micros, requests: batches * batch.depth })
        };
        self.on_own_thread(async { timeout(PATIENCE + span, run).await? })
    }

    /// Opens so many connections, asks once on each, and leaves them open while `look` looks.
    pub(crate) fn hold<T: Send>(
        &self,
        to: SocketAddr,
        connections: usize,
        batch: &Batch,
        look: impl FnOnce() -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let open = async {
            let mut streams = Vec::with_capacity(connections);
            for _ in 0..connections {
                let mut stream = self.connect(to).await?;
                exchange(&mut stream, batch, &mut Vec::new()).await?;
                streams.push(stream);
            }
            Ok::<_, Error>(streams)
        };
        self.on_own_thread(async {
            let streams = timeout(PATIENCE, open).await??;
            // Whatever the server still gives back, it gives back within this.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let seen = look();
            drop(streams);
            seen
        })
    }

    async fn connect(&self, to: SocketAddr) -> Result<TlsStream<TcpStream>, Error> {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::IpAddress(to.ip().into());
        Ok(TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await?)
    }

    fn on_own_thread<T: Send>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let run = || {
            if let Some(processor) = self.processor {
                pin_this_thread(processor)?;
            }
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
        };
        thread::scope(|scope| scope.spawn(run).join()).map_err(|_| "the client that makes load broke")?
    }
}

/// How long each batch took whose time counts, in microseconds; and how many there were in all.
async fn keep_busy(
    mut stream: TlsStream<TcpStream>,
    batch: Batch,
    from: Instant,
    until: Instant,
) -> Result<(Vec<f64>, usize), Error> {
    let (mut micros, mut all, mut inbox) = (Vec::new(), 0, Vec::new());
    loop {
        let began = Instant::now();
        exchange(&mut stream, &batch, &mut inbox).await?;
        all += 1;
        let ended = Instant::now();
        if ended > until {
            return Ok((micros, all));
        }
        if began >= from {
            micros.push((ended - began).as_secs_f64() * 1e6);
        }
    }
}

/// One batch there, all replies back.
async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    batch: &Batch,
    inbox: &mut Vec<u8>,
) -> Result<(), Error> {
    stream.write_all(&batch.bytes).await?;
    stream.flush().await?;
    let mut missing = batch.depth;
    while missing > 0 {
        if !frames::fill(stream, inbox).await? {
            return Err("the server ended the connection".into());
        }
        let whole = frames::whole(inbox);
        inbox.drain(..whole.bytes);
        missing = missing.checked_sub(whole.count).ok_or("more replies than requests")?;
    }
    Ok(())
}
