//! Words to the program that started this one: `READY=1`, `STOPPING=1` (sd_notify(3)).

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// Sends a state to the socket that `NOTIFY_SOCKET` names: a path, or with `@` an abstract name.
pub(super) fn send(to: &Path, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(state.as_bytes(), &address(to)?).map(drop)
}

#[cfg(target_os = "linux")]
fn address(to: &Path) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    match to.as_os_str().as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(to),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(to: &Path) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_arrives() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let theirs = UnixDatagram::bind(&path).unwrap();
        send(&path, "READY=1").unwrap();
        let mut bytes = [0; 32];
        let length = theirs.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1");
    }
}
