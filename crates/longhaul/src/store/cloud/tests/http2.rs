//! A store that has only HTTP/2 refuses our offer of HTTP/1.1 before it is asked for anything: a body that can be sent
//! once is then still whole, and is sent over HTTP/2.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers every request with the MD5 of its body as ETag.
async fn serve() -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((line, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(line).await else { return };
                let mut connection = h2::server::handshake(tls).await.unwrap();
                while let Some(Ok((request, reply))) = connection.accept().await {
                    tokio::spawn(answer(request, reply));
                }
            });
        }
    });
    address
}

async fn answer(request: http::Request<h2::RecvStream>, mut reply: h2::server::SendResponse<Bytes>) {
    let len = request.headers()["content-length"].clone();
    let mut body = request.into_body();
    let mut all = Vec::new();
    while let Some(Ok(bytes)) = body.data().await {
        body.flow_control().release_capacity(bytes.len()).unwrap();
        all.extend_from_slice(&bytes);
    }
    assert_eq!(len, all.len().to_string());
    let etag = crate::hex::hex(&md5(&all));
    let head = http::Response::builder().status(200).header("etag", format!("\"{etag}\""));
    reply.send_response(head.body(()).unwrap(), true).unwrap();
}

#[tokio::test]
async fn a_part_reaches_a_store_that_has_only_http2() {
    let address = serve().await;
    let mut options = EndpointOptions::new(Dialect::S3);
    options.endpoint = Some(format!("https://localhost:{}", address.port()));
    let mut bench = Bench::new(options, keys("id", "hush"), "films");
    let resolve = vec![("localhost".to_owned(), vec![address])];
    bench.http = HttpStore::new(&HttpOptions { insecure: true, resolve, ..HttpOptions::default() }).unwrap();
    let object = bench.object("k");
    let bytes = content(1, 1_000_000);
    for number in [1, 2] {
        let part = object
            .send_part("U", number, 1_000_000, Promised::default(), Pieces::of(&bytes), &Handed::default())
            .await
            .unwrap();
        assert_eq!(part.digests, [md5_digest(&bytes)]);
    }
}
