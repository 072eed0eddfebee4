//! Which addresses has a host? Asked of the system, on a thread of ours: hyper's own way panics where no thread can be
//! had (see [`threads`]).

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::vec::IntoIter;

use crate::threads;

/// The addresses of a host, with port 0.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when no thread can be had, any other when there are none.
pub(super) async fn look_up(host: String) -> io::Result<IntoIter<SocketAddr>> {
    // A lookup may take until its servers are given up, which can be minutes.
    threads::run_beside(move || (host, 0).to_socket_addrs()).await?
}
