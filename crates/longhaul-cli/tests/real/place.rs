//! Where a server of a suite runs: ports of its own, and certificates that nobody else trusts.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;

/// Ports of 127.0.0.1 that were free a moment ago.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
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
