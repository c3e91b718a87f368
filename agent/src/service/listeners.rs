//! Where a process listens, as the kernel knows it: whatever its configuration says by now.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// Nothing where this user may not look.
pub(super) fn of(process: u32) -> Option<Vec<SocketAddr>> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let own: HashSet<String> = links.filter_map(|link| Some(socket(link.to_str()?)?.to_owned())).collect();
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{process}/net/{table}")));
    let mut all: Vec<SocketAddr> = tables.iter().flatten().flat_map(|table| listeners(table, &own)).collect();
    all.sort_unstable();
    Some(all)
}

/// `socket:[12345]`
fn socket(link: &str) -> Option<&str> {
    link.strip_prefix("socket:[")?.strip_suffix(']')
}

fn listeners(table: &str, own: &HashSet<String>) -> Vec<SocketAddr> {
    let listener = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_own = *fields.get(3)? == LISTENS && own.contains(*fields.get(9)?);
        is_own.then(|| address(fields[1])).flatten()
    };
    table.lines().filter_map(listener).collect()
}

/// Words of four bytes, each in the machine's own order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        _ => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_process_listens_where_it_does() {
        for bound in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bound) else { continue };
            let address = listener.local_addr().unwrap();
            assert!(of(std::process::id()).unwrap().contains(&address), "{address}");
        }
        assert_eq!(of(u32::MAX), None);
    }
}
