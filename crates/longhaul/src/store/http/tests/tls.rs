//! TLS: who is believed, which protocol is spoken.

use super::*;
use crate::error::UNTRUSTED;

#[tokio::test]
async fn certificates_are_verified_against_the_systems_roots_and_ours() {
    let (origin, pem) = tls_origin(&["http/1.1"], "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes");
    let url = Url::parse(&format!("https://u:{SECRET}@localhost:{}/x?{SECRET}", origin.addr.port())).unwrap();
    let trusting = || HttpOptions { ca_certs: vec![pem.clone().into_bytes()], ..direct() };
    let get = async |options| {
        let outcome = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await;
        outcome.map(|(_, body)| body).map_err(|f| (f.fault, f.detail))
    };
    let (fault, detail) = get(direct()).await.unwrap_err();
    assert_eq!(fault, NetFault::Tls, "{detail}");
    assert!(detail.contains(UNTRUSTED), "{detail}");
    assert_eq!(get(trusting()).await, Ok(b"bytes".to_vec()));
    assert_eq!(get(HttpOptions { insecure: true, ..direct() }).await, Ok(b"bytes".to_vec()));
    let bad = HttpOptions { ca_certs: vec![b"no certificate".to_vec()], ..direct() };
    assert_eq!(HttpStore::new(&bad).err(), Some(BadOption("a CA certificate")));

    let plain = Origin::serve(|mut stream, _, _| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    let url = Url::parse(&format!("https://{}/", plain.addr)).unwrap();
    let failure =
        HttpStore::new(&direct()).unwrap().open(&WebAddress::from(url.clone()), &fetch()).await.err().unwrap();
    assert_eq!(failure.fault, NetFault::Tls, "{}", failure.detail);
}

#[tokio::test]
async fn nobody_is_led_from_tls_to_plain_http() {
    let plain = Origin::start(&[("/there", ok("content-length: 5\r\n", "bytes"))]);
    let (origin, pem) = tls_origin(&["http/1.1"], moved(&format!("http://{}/there?{SECRET}", plain.addr)));
    let proxy = connect_proxy(origin.addr, "", "");
    let url = Url::parse(&format!("https://u:{SECRET}@localhost:{}/x?{SECRET}", origin.addr.port())).unwrap();
    for by in [ProxyChoice::Direct, ProxyChoice::Url(format!("http://{}", proxy.addr))] {
        let options = HttpOptions { ca_certs: vec![pem.clone().into_bytes()], proxy: by, ..direct() };
        let failure = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.err().unwrap();
        assert_eq!(failure.fault, NetFault::Redirect);
        assert!(failure.detail.contains("from https to http"), "{}", failure.detail);
    }
    assert!(plain.heads().is_empty(), "the plain server was asked");
}

#[tokio::test]
async fn over_tls_a_missing_close_notify_is_a_cut() {
    let (origin, _) = tls_origin(&[], "HTTP/1.1 200 OK\r\n\r\nbytes");
    let url = Url::parse(&format!("https://localhost:{}/x", origin.addr.port())).unwrap();
    let store = HttpStore::new(&HttpOptions { insecure: true, ..direct() }).unwrap();
    assert_eq!(get(&store, &url, &fetch()).await.err().unwrap().fault, NetFault::Cut);
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn a_server_that_has_only_http2_is_asked_with_http2() {
    let (origin, _) = tls_origin(&["h2"], "");
    let url = Url::parse(&format!("https://localhost:{}/x", origin.addr.port())).unwrap();
    let store = HttpStore::new(&HttpOptions { insecure: true, ..direct() }).unwrap();
    let _ = store.open(&WebAddress::from(url.clone()), &fetch()).await; // the origin agrees to HTTP/2 but cannot speak it
    assert_eq!(origin.heads(), ["h2"]);
    let _ = store.open(&WebAddress::from(url.clone()), &fetch()).await;
    assert_eq!(origin.heads().len(), 2);
    let numbers = origin.connections();
    assert_eq!(numbers, [1, 2], "only the first try offered HTTP/1.1");

    let (both, _) = tls_origin(&["h2", "http/1.1"], "");
    let url = Url::parse(&format!("https://localhost:{}/x", both.addr.port())).unwrap();
    let _ = store.open(&WebAddress::from(url.clone()), &fetch()).await;
    assert_eq!(both.heads(), ["http/1.1"]);
}

/// Goal: a server's own certificate given as trusted is trusted for its name and its time, whoever issued it. Method:
/// certificates of an issuer that is not given, and one that is an issuer itself.
#[tokio::test]
async fn a_leaf_that_is_given_is_trusted_for_its_name_and_time() {
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(rcgen::DnType::CommonName, "an issuer");
    let namesake =
        rcgen::Issuer::new(rcgen::CertificateParams::new(Vec::new()).unwrap(), rcgen::KeyPair::generate().unwrap());
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::Issuer::new(ca, rcgen::KeyPair::generate().unwrap());
    let key = rcgen::KeyPair::generate().unwrap();
    let params = |name: &str, until: i32, is_ca| {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.is_ca = is_ca;
        params
    };
    let leaf = |name: &str, until| params(name, until, rcgen::IsCa::NoCa).signed_by(&key, &issuer).unwrap();
    let own_ca = |until| params("localhost", until, rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    for (cert, says) in [
        (leaf("localhost", 2090), None),
        (leaf("localhost", 2021), Some("expired")),
        (leaf("other.example", 2090), Some("other.example")),
        (params("localhost", 2090, rcgen::IsCa::NoCa).signed_by(&key, &namesake).unwrap(), None),
        (own_ca(2090).self_signed(&key).unwrap(), None),
        (own_ca(2021).self_signed(&key).unwrap(), Some("expired")),
    ] {
        let origin = tls_origin_with(&cert, &key, &["http/1.1"], "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes");
        let url = Url::parse(&format!("https://localhost:{}/x", origin.addr.port())).unwrap();
        let options = HttpOptions { ca_certs: vec![pem(&cert).into_bytes()], ..direct() };
        let got = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.map(|(_, body)| body);
        match (got, says) {
            (Ok(body), None) => assert_eq!(body, b"bytes"),
            (Err(failure), Some(says)) => {
                assert!(failure.fault == NetFault::Tls && failure.detail.contains(says), "{failure:?}");
            }
            (got, says) => panic!("{says:?}: {got:?}"),
        }
        // Another certificate for the same name is not.
        let stranger = leaf("localhost", 2090);
        let options = HttpOptions { ca_certs: vec![pem(&stranger).into_bytes()], ..direct() };
        if stranger.der() != cert.der() {
            assert!(get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.is_err());
        }
    }
}
