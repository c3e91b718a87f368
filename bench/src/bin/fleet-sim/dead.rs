//! Machines that nobody reaches. A closed port would refuse; a packet filter needs root. Here a listener's queue is full: the
//! kernel then drops whoever else knocks, and never says so.

use std::io;
use std::net::{SocketAddr, TcpStream};

use bench::street;
use tokio::net::{TcpListener, TcpSocket};

use crate::conduct::Conduct;

/// Nobody accepts from it, and who waits in its queue stays there. Both ends are kept, or there would be room again.
pub(crate) struct Grave {
    _listener: TcpListener,
    _filler: TcpStream,
}

/// Makes the addresses of all that are dead hang.
pub(crate) fn bury(port: u16, conducts: &[Conduct]) -> io::Result<Vec<Grave>> {
    let dead = conducts.iter().enumerate().filter(|(_, conduct)| **conduct == Conduct::Dead);
    dead.map(|(number, _)| grave(SocketAddr::from((street::address(number), port)))).collect()
}

fn grave(at: SocketAddr) -> io::Result<Grave> {
    let socket = TcpSocket::new_v4()?;
    // Beside the listener that stands at all addresses.
    socket.set_reuseport(true)?;
    socket.bind(at)?;
    // A queue of none has room for one.
    let listener = socket.listen(0)?;
    Ok(Grave { _listener: listener, _filler: TcpStream::connect(at)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener as Port;
    use std::time::Duration;

    #[tokio::test]
    async fn whoever_knocks_waits_in_vain() {
        let free = Port::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let _graves = bury(free, &[Conduct::Dead]).unwrap();
        let at = SocketAddr::from((street::address(0), free));
        let knocked = TcpStream::connect_timeout(&at, Duration::from_millis(300)).unwrap_err();
        assert_eq!(knocked.kind(), io::ErrorKind::TimedOut);
    }
}
