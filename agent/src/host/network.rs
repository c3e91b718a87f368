//! The network interfaces, their addresses and their counters.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use protocol::requests::info::Interface;

use super::netlink::{self, Message, Netlink};
use super::source::HostError;

/// The lengths of the fixed parts before the attributes.
const LINK: usize = 16;
const ADDRESS: usize = 8;
/// Switched on, and able to carry packets: a pulled cable leaves only the first.
const UP_AND_RUNNING: u64 = 0x41;

/// In the order in which the kernel found them.
pub(super) fn list() -> Result<Vec<Interface>, HostError> {
    let failed = |cause| HostError::new("the network interfaces", cause);
    let kernel = Netlink::open().map_err(failed)?;
    let links = kernel.ask(netlink::GET_LINK).map_err(failed)?;
    let addresses = kernel.ask(netlink::GET_ADDRESS).map_err(failed)?;
    Ok(read(&links, &addresses))
}

/// The addresses at which others could reach this machine.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let of = |interface: Interface| interface.addresses.into_iter();
    let addresses = list().unwrap_or_default().into_iter().filter(|interface| interface.up).flat_map(of);
    let address = |text: String| text.split('/').next()?.parse().ok();
    let is_for_others = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    addresses.filter_map(address).filter(is_for_others).collect()
}

fn read(links: &[u8], addresses: &[u8]) -> Vec<Interface> {
    let mut interfaces: Vec<_> = netlink::messages(links).filter_map(|message| link(&message)).collect();
    for (index, address) in netlink::messages(addresses).filter_map(|message| address(&message)) {
        if let Some((_, interface)) = interfaces.iter_mut().find(|(of, _)| *of == index) {
            interface.addresses.push(address);
        }
    }
    interfaces.into_iter().map(|(_, interface)| interface).collect()
}

/// An interface under its index.
fn link(message: &Message<'_>) -> Option<(u64, Interface)> {
    let index = message.number::<4>(4)?;
    let flags = message.number::<4>(8)?;
    let (mut name, mut mac, mut counters) = (None, None, &[][..]);
    for (kind, content) in message.attributes(LINK) {
        match kind {
            1 => mac = hardware_address(content),
            3 => {
                name =
                    Some(String::from_utf8_lossy(content.strip_suffix(b"\0").unwrap_or(content)).into_owned())
            }
            23 => counters = content,
            _ => {}
        }
    }
    // Received and sent by turns: packets, bytes, errors.
    let counter = |place: usize| netlink::number::<8>(counters, place * 8);
    let interface = Interface {
        name: name?,
        up: flags & UP_AND_RUNNING == UP_AND_RUNNING,
        mac,
        addresses: Vec::new(),
        received_packets: counter(0)?,
        sent_packets: counter(1)?,
        received_bytes: counter(2)?,
        sent_bytes: counter(3)?,
        errors: counter(4)?.saturating_add(counter(5)?),
    };
    Some((index, interface))
}

/// Ethernet's and InfiniBand's; a tunnel has an IP address in its place, and loopback zeros.
fn hardware_address(bytes: &[u8]) -> Option<String> {
    if !matches!(bytes.len(), 6 | 20) || bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut text = String::with_capacity(bytes.len() * 3);
    for (place, byte) in bytes.iter().enumerate() {
        let colon = if place > 0 { ":" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{colon}{byte:02x}");
    }
    Some(text)
}

/// An address under its interface's index.
fn address(message: &Message<'_>) -> Option<(u64, String)> {
    let prefix = message.number::<1>(1)?;
    let index = message.number::<4>(4)?;
    let (mut peer, mut own) = (None, None);
    for (kind, content) in message.attributes(ADDRESS) {
        match kind {
            1 => peer = Some(content),
            2 => own = Some(content),
            _ => {}
        }
    }
    // On a point-to-point link the first is the other end's; elsewhere the second may be missing.
    let bytes = own.or(peer)?;
    let ip = match bytes.len() {
        4 => Ipv4Addr::from(*bytes.first_chunk::<4>()?).to_string(),
        16 => Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_string(),
        _ => return None,
    };
    Some((index, format!("{ip}/{prefix}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let length = 4 + u16::try_from(content.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(fixed: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = [fixed, &attributes.concat()].concat();
        let mut bytes = (16 + u32::try_from(body.len()).unwrap()).to_ne_bytes().to_vec();
        bytes.extend([0; 12]);
        bytes.extend(body);
        bytes
    }

    fn link(index: u32, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        message(&[&[0; 4][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4]].concat(), attributes)
    }

    fn address(index: u32, prefix: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        message(&[&[0, prefix, 0, 0][..], &index.to_ne_bytes()].concat(), attributes)
    }

    fn counters() -> Vec<u8> {
        attribute(23, &[10_u64, 20, 3000, 4000, 5, 6, 7].map(u64::to_ne_bytes).concat())
    }

    #[test]
    fn an_interface_with_its_addresses() {
        let links = [
            link(1, 0x10049, &[attribute(3, b"lo\0"), attribute(1, &[0; 6]), counters()]),
            link(2, 0x11043, &[attribute(3, b"eth0\0"), attribute(1, &[2, 0, 0, 0xab, 0, 1]), counters()]),
            link(3, 0x1003, &[attribute(3, b"unplugged\0"), counters()]),
            link(4, 0x41, &[attribute(3, b"no counters\0")]),
        ]
        .concat();
        let addresses = [
            address(2, 24, &[attribute(1, &[10, 0, 0, 5]), attribute(2, &[10, 0, 0, 5])]),
            address(2, 64, &[attribute(1, &[0xfe; 16])]),
            address(1, 8, &[attribute(1, &[127, 0, 0, 1])]),
            address(2, 32, &[attribute(1, &[10, 9, 9, 2]), attribute(2, &[10, 9, 9, 1])]),
            address(9, 32, &[attribute(1, &[1, 1, 1, 1])]),
        ]
        .concat();
        let told = read(&links, &addresses);
        let lo = &told[0];
        assert_eq!((lo.name.as_str(), lo.up, &lo.mac), ("lo", true, &None));
        assert_eq!(lo.addresses, ["127.0.0.1/8"]);
        let eth0 = &told[1];
        assert_eq!(eth0.mac.as_deref(), Some("02:00:00:ab:00:01"));
        assert_eq!(eth0.addresses[0], "10.0.0.5/24");
        assert_eq!(eth0.addresses[1], "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe/64");
        assert_eq!(eth0.addresses[2], "10.9.9.1/32", "the own end of a point-to-point link");
        assert_eq!((eth0.received_packets, eth0.sent_packets), (10, 20));
        assert_eq!((eth0.received_bytes, eth0.sent_bytes, eth0.errors), (3000, 4000, 11));
        assert_eq!((told[2].name.as_str(), told[2].up, told.len()), ("unplugged", false, 3));
    }

    #[test]
    fn the_kernel_tells_the_same_as_its_text() {
        let told = list().unwrap();
        let text = std::fs::read_to_string("/proc/net/dev").unwrap();
        let mut names: Vec<_> =
            text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
        let mut told: Vec<_> = told.iter().map(|interface| interface.name.as_str()).collect();
        names.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, names);
    }
}
