//! Where does a store listen, and what is said when it cannot?

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// The two ports of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Of the store itself.
    Store,
    /// Of the admin page and endpoint.
    Admin,
}

/// An address that a store cannot listen on.
#[derive(Debug)]
pub struct NoListener {
    /// For which of its ports.
    pub port: Port,
    /// The address that was asked for.
    pub address: SocketAddr,
    why: io::Error,
}

impl std::fmt::Display for NoListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let port = match self.port {
            Port::Store => "store",
            Port::Admin => "admin page",
        };
        write!(f, "the {port} cannot listen on {}: {}", self.address, self.why)
    }
}

impl std::error::Error for NoListener {}

/// Listens; port 0 takes a free one.
pub(crate) fn listen(address: SocketAddr, port: Port) -> io::Result<(TcpListener, SocketAddr)> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|why: io::Error| io::Error::new(why.kind(), NoListener { port, address, why }))
}

/// How a listener on this address is reached from its own machine: the one that stands for all addresses is none.
pub(crate) fn here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
