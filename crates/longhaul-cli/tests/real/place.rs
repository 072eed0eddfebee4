//! Where a server of a suite runs: ports of its own, and certificates that nobody else trusts.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;

/// Below those that systems give to whoever asks for any, and apart from those of the S3 servers.
const PORTS: std::ops::Range<u32> = 10_000..16_000;
static GIVEN: AtomicU32 = AtomicU32::new(0);

/// Ports of 127.0.0.1 that were free a moment ago, and that nobody else is given: a server that is down for a while
/// finds its own free again.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| free_port())
}

fn free_port() -> u16 {
    let first = std::process::id() % 200 * 30;
    let next = || (first + GIVEN.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start) + PORTS.start;
    let ports = PORTS.map(|_| u16::try_from(next()).unwrap());
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.into_iter().find(is_free).unwrap()
}

/// An authority of the test's own, and a certificate for `localhost` that it signed.
pub(crate) fn certificates(folder: &Path) {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "longhaul test authority");
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_cert = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("authority.pem"), pem("CERTIFICATE", authority_cert.der())).unwrap();
    fs::write(folder.join("server.pem"), pem("CERTIFICATE", server.der())).unwrap();
    fs::write(folder.join("server.key"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
