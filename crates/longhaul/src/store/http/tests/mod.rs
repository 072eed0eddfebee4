//! Against an origin of a few lines on a thread, which sends exactly the bytes that a test wants.

mod bodies;
mod failures;
mod proxies;
mod requests;
mod tls;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use longhaul_core::conditions::Conditions;
use longhaul_core::identity::Validator;
use longhaul_core::reply::{ContentRange, Framing};
use longhaul_core::words::NetFault;

use super::*;

/// Part of every URL, header and password that must not come out again.
const SECRET: &str = "hush";

/// What was asked of an origin: the number of the connection and the request head in lower case.
type Heard = Arc<Mutex<Vec<(usize, String)>>>;

struct Origin {
    addr: SocketAddr,
    heard: Heard,
}

impl Origin {
    /// Answers a path with raw bytes; closes behind them when they say `connection: close`.
    fn start(replies: &[(&'static str, String)]) -> Self {
        let replies: Arc<[(&str, String)]> = replies.into();
        Self::serve(move |mut stream, number, heard| {
            while let Some(head) = read_head(&mut stream) {
                let path = head.split(' ').nth(1).unwrap_or_default();
                let path = path.trim_start_matches("http://object.example");
                let path = path.split('?').next().unwrap_or_default().to_owned();
                heard.lock().unwrap().push((number, head));
                let reply = replies.iter().find(|(p, _)| *p == path).map(|(_, reply)| reply.as_str());
                let reply = reply.unwrap_or("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(reply.as_bytes()).is_err() || reply.contains("connection: close") {
                    return;
                }
            }
        })
    }

    fn serve(talk: impl Fn(TcpStream, usize, &Heard) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Heard::default();
        let (talk, ears) = (Arc::new(talk), Arc::clone(&heard));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (talk, ears) = (Arc::clone(&talk), Arc::clone(&ears));
                thread::spawn(move || talk(stream, number, &ears));
            }
        });
        Self { addr, heard }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://u:{SECRET}@{}{path}?sig={SECRET}#{SECRET}", self.addr)).unwrap()
    }

    fn heads(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, head)| head.clone()).collect()
    }

    fn connections(&self) -> Vec<usize> {
        self.heard.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        (stream.read(&mut byte).ok()? == 1).then_some(())?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 4\r\n\r\ngone")
}

fn direct() -> HttpOptions {
    HttpOptions { proxy: ProxyChoice::Direct, ..HttpOptions::default() }
}

fn fetch() -> Fetch {
    Fetch { start: 0, end: None, last: None, ranged: true, condition: None, fresh_connection: false, only_if: None }
}

async fn read_all(body: &mut Body) -> Result<Vec<u8>, NetFailure> {
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Opens and reads; the failure, if there is one, is checked for secrets.
async fn get(store: &HttpStore, url: &Url, fetch: &Fetch) -> Result<(Reply, Vec<u8>), NetFailure> {
    let outcome = async {
        let mut reply = store.open(&WebAddress::from(url.clone()), fetch).await?;
        let body = read_all(&mut reply.body).await?;
        Ok((reply, body))
    }
    .await;
    match &outcome {
        Ok((reply, _)) => assert!(!reply.final_url.contains(SECRET), "{}", reply.final_url),
        Err(failure) => assert!(!format!("{failure:?}").contains(SECRET), "{failure:?}"),
    }
    outcome
}

/// Passes bytes on both ways until one side is done.
fn splice(from: TcpStream, to: TcpStream) {
    let (mut from2, mut to2) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let (mut from, mut to) = (from, to);
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut to2, &mut from2);
        let _ = from2.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
}

/// A proxy that answers CONNECT: with this status, or by connecting to `to` whatever was asked for.
fn connect_proxy(to: SocketAddr, wants: &'static str, refusal: &'static str) -> Origin {
    Origin::serve(move |mut stream, number, heard| {
        let Some(head) = read_head(&mut stream) else { return };
        let let_in = head.contains(wants);
        heard.lock().unwrap().push((number, head));
        if let_in {
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            splice(stream, TcpStream::connect(to).unwrap());
        } else {
            let page = "<html>a page of the proxy</html>";
            let length = page.len();
            let _ = write!(stream, "HTTP/1.1 {refusal}\r\ncontent-length: {length}\r\n\r\n{page}");
        }
    })
}

/// A TLS origin that closes without close_notify behind `reply`, and tells the ALPN protocol it agreed on.
fn tls_origin(alpn: &[&str], reply: impl Into<String>) -> (Origin, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (tls_origin_with(&made.cert, &made.signing_key, alpn, reply), pem(&made.cert))
}

fn pem(cert: &rcgen::Certificate) -> String {
    let der = base64::engine::general_purpose::STANDARD.encode(cert.der());
    format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
}

fn tls_origin_with(cert: &rcgen::Certificate, key: &rcgen::KeyPair, alpn: &[&str], reply: impl Into<String>) -> Origin {
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let reply = reply.into();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    Origin::serve(move |stream, number, heard| {
        let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        while tls.conn.is_handshaking() {
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                return;
            }
        }
        let alpn = String::from_utf8_lossy(tls.conn.alpn_protocol().unwrap_or_default()).into_owned();
        heard.lock().unwrap().push((number, alpn));
        if read_head(&mut tls).is_some() {
            let _ = tls.write_all(reply.as_bytes());
        }
    })
}
