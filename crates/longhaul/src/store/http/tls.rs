//! TLS: ring as the provider (given explicitly, no global is installed), the system's roots plus the caller's.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// A TLS configuration without ALPN.
///
/// `ca_certs` are PEM files' contents, trusted beside the system's roots; `None` when one holds no certificate or
/// cannot be read. `insecure` accepts everybody.
pub(super) fn config(ca_certs: &[Vec<u8>], insecure: bool) -> Option<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut extra_roots = Vec::new();
    for pem in ca_certs {
        let certs: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
        if certs.is_empty() {
            return None;
        }
        extra_roots.extend(certs);
    }
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(Anybody(Arc::clone(&provider)))
    } else {
        Arc::new(Roots { extra: extra_roots, provider: Arc::clone(&provider), loaded: OnceLock::new() })
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The platform's verifier, loaded when the first certificate is to be verified: a machine without roots can still
/// use plain http, and a hundred certificates are parsed only when they are needed.
#[derive(Debug)]
struct Roots {
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    loaded: OnceLock<Result<rustls_platform_verifier::Verifier, Error>>,
}

impl Roots {
    /// Whether a certificate that is trusted by itself holds for this name at this time.
    fn verify_given(
        &self,
        given: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(given.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        match verifier.verify_server_cert(given, &[], server_name, &[], now) {
            // webpki looks at the dates before it looks for an issuer and before it asks whether this is one: such an
            // error says that the dates are right. A test holds it to that.
            Err(Error::InvalidCertificate(error)) if is_about_the_issuer(&error) => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(given)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }
}

/// No issuer is known, the certificate has its issuer's name and another key, or it is an issuer itself, as that of
/// `openssl req -x509` is.
fn is_about_the_issuer(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(other) => other.to_string() == "CaUsedAsEndEntity",
        _ => false,
    }
}

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let loaded = self.loaded.get_or_init(|| {
            let provider = Arc::clone(&self.provider);
            rustls_platform_verifier::Verifier::new_with_extra_roots(self.extra.iter().cloned(), provider)
        });
        let verifier = loaded.as_ref().map_err(Clone::clone)?;
        let verdict = verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // A server's own certificate that was given is trusted for itself, as curl trusts it.
        if verdict.is_err() && self.extra.iter().any(|given| given == end_entity) {
            return self.verify_given(end_entity, server_name, now);
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts every server (`-k`). Where none is authenticated, a checked handshake signature would not prove more.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
