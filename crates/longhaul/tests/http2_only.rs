//! Against a TLS server that has only HTTP/2. Goal: the right file, whatever becomes of streams and connections.
//! Method: an origin of a few lines that resets streams, says goodbye, or drops the line at chosen bytes of chosen
//! requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use longhaul::{Client, Event};
use longhaul_devstore::Content;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

const MIB: u64 = 1 << 20;
const LEN: u64 = 24 * MIB + 77;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Served whole.
    Whole,
    /// `RST_STREAM` after so many bytes.
    Reset(u64),
    /// `GOAWAY` in order after so many bytes: this stream is still served, new ones go elsewhere.
    Goodbye(u64),
    /// `GOAWAY` with an error, all streams gone.
    Abort(u64),
    /// The line is cut.
    Drop(u64),
}

struct Server {
    address: SocketAddr,
    pem: Vec<u8>,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// Fates that were met.
    met: Arc<AtomicUsize>,
}

/// Orders to the task of a connection.
enum Order {
    Goodbye,
    Abort,
    Drop,
}

impl Server {
    /// Serves `content` at every path; the n-th request of all meets the n-th fate.
    async fn start(content: Content, fates: &[Fate]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config =
            builder.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (acceptor, listener) =
            (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let pem = {
            use base64::Engine as _;
            let der = base64::engine::general_purpose::STANDARD.encode(made.cert.der());
            format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n").into_bytes()
        };
        let address = listener.local_addr().unwrap();
        let (requests, connections, met) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (counts, fates) =
            ((Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&met)), Arc::new(fates.to_vec()));
        tokio::spawn(async move {
            while let Ok((line, _)) = listener.accept().await {
                let (acceptor, content, fates, counts) =
                    (acceptor.clone(), content.clone(), fates.clone(), counts.clone());
                tokio::spawn(async move {
                    // An offer without h2 is refused here.
                    let Ok(tls) = acceptor.accept(line).await else { return };
                    counts.1.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut connection) = h2::server::handshake(tls).await else { return };
                    let (orders, mut inbox) = mpsc::channel(8);
                    loop {
                        tokio::select! {
                            accepted = connection.accept() => {
                                let Some(Ok((request, reply))) = accepted else { return };
                                let number = counts.0.fetch_add(1, Ordering::SeqCst);
                                let fate = fates.get(number).copied().unwrap_or(Fate::Whole);
                                let reply = (reply, Arc::clone(&counts.2));
                                tokio::spawn(answer(request, reply, content.clone(), fate, orders.clone()));
                            }
                            Some(order) = inbox.recv() => match order {
                                Order::Goodbye => connection.graceful_shutdown(),
                                Order::Abort => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
                                Order::Drop => return,
                            }
                        }
                    }
                });
            }
        });
        Self { address, pem, requests, connections, met }
    }

    fn client(&self) -> Client {
        Client::builder().ca_certificates(self.pem.clone()).resolve("localhost", [self.address]).build().unwrap()
    }
}

async fn answer(
    request: http::Request<RecvStream>,
    (mut reply, met): (SendResponse<Bytes>, Arc<AtomicUsize>),
    content: Content,
    fate: Fate,
    orders: mpsc::Sender<Order>,
) {
    let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
    let range = range.as_deref().and_then(|range| range.strip_prefix("bytes=")).unwrap_or("0-");
    let (start, end) = range.split_once('-').unwrap();
    let start: u64 = start.parse().unwrap();
    let end = end.parse::<u64>().map_or(content.len(), |last| (last + 1).min(content.len()));
    let head = http::Response::builder().status(206).header("etag", "\"v1\"").header("content-length", end - start);
    let head = head.header("content-range", format!("bytes {start}-{}/{}", end - 1, content.len()));
    let Ok(mut body) = reply.send_response(head.body(()).unwrap(), false) else { return };
    let (at_most, order) = match fate {
        Fate::Whole => (u64::MAX, None),
        Fate::Reset(after) => (after, None),
        Fate::Goodbye(after) => (after, Some(Order::Goodbye)),
        Fate::Abort(after) => (after, Some(Order::Abort)),
        Fate::Drop(after) => (after, Some(Order::Drop)),
    };
    let (mut at, mut order) = (start, order);
    while at < end {
        if at - start >= at_most {
            if let Fate::Reset(_) = fate {
                met.fetch_add(1, Ordering::SeqCst);
                return body.send_reset(Reason::INTERNAL_ERROR);
            }
            if let Some(order) = order.take() {
                met.fetch_add(1, Ordering::SeqCst);
                let _ = orders.send(order).await;
            }
        }
        body.reserve_capacity(64 << 10);
        let Some(Ok(room)) = poll_fn(|context| body.poll_capacity(context)).await else { return };
        let mut bytes = vec![0; room.min(usize::try_from(end - at).unwrap())];
        let len = content.fill(at, &mut bytes);
        bytes.truncate(len);
        at += len as u64;
        if body.send_data(Bytes::from(bytes), false).is_err() {
            return;
        }
    }
    let _ = body.send_data(Bytes::new(), true);
}

/// Downloads with so many connections; the bytes are right, and so often it was tried again.
async fn download(fates: &[Fate], connections: u32) -> (Server, u32) {
    let content = Content::seeded(5, LEN);
    let server = Server::start(content.clone(), fates).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    let url = format!("https://localhost:{}/f", server.address.port());
    let transfer = server.client().download(url).to(&file).connections(connections).start().await.unwrap();
    let outcome = transfer.finished().await.unwrap_or_else(|error| panic!("{fates:?}: {error}"));
    assert_eq!(content.first_difference_in_file(&file).unwrap(), None, "{fates:?}");
    assert_eq!(outcome.bytes(), LEN);
    (server, outcome.totals().retries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_whole_over_one_connection() {
    let (server, retries) = download(&[], 1).await;
    assert_eq!((retries, server.requests.load(Ordering::SeqCst)), (0, 1));
    let (server, retries) = download(&[], 4).await;
    assert_eq!((retries, server.connections.load(Ordering::SeqCst)), (0, 1), "streams share a connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_streams_and_connections_the_bytes_are_right() {
    for connections in [1, 4] {
        for fates in [
            &[Fate::Reset(MIB / 3)][..],
            &[Fate::Reset(0), Fate::Reset(1), Fate::Reset(MIB / 2)],
            &[Fate::Goodbye(MIB / 4)],
            &[Fate::Abort(MIB / 2 + 1)],
            &[Fate::Drop(MIB / 3 + 3), Fate::Abort(5), Fate::Drop(0), Fate::Reset(MIB / 2)],
        ] {
            let (server, _) = download(fates, connections).await;
            let met = server.met.load(Ordering::SeqCst);
            assert!(met > 0, "{fates:?} on {connections}: nothing went wrong");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_in_the_middle_is_taken_up_again() {
    let content = Content::seeded(5, LEN);
    let server = Server::start(content.clone(), &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    let url = format!("https://localhost:{}/f", server.address.port());
    let client = server.client();
    client.set_limit_rate(8 * MIB);
    let transfer = client.download(&url).to(&file).connections(2).start().await.unwrap();
    let mut events = transfer.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Progress(progress) if progress.received >= 2 * MIB => break,
            _ => {}
        }
    }
    transfer.cancel(longhaul::Cancel::Keep).await.unwrap();
    let held = transfer.progress().received;
    client.set_limit_rate(0);
    let again = client.download(&url).to(&file).connections(2).start().await.unwrap().finished().await.unwrap();
    assert_eq!(content.first_difference_in_file(&file).unwrap(), None);
    assert_eq!(again.totals().resumed, 1);
    assert!(again.totals().moved <= LEN - held + 2 * MIB, "{} bytes came again", again.totals().moved);
}
