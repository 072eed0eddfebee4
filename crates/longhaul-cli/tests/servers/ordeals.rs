//! The same misfortunes for every server in every protocol it speaks, and for every proxy.
//!
//! On one download: a connection is reset, another closed, the other side is killed and comes back, the binary itself
//! is killed and started again, and the last connection is reset once more. What comes out is the exact file, and what
//! came over the wire is what is promised.

use std::time::{Duration, SystemTime};

use longhaul_devstore::Content;

use crate::common::{Bench, Get, eventually};
use crate::daemon::{Daemon, Kind, SERVERS};
use crate::wire::{Deed, Wire};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 24 * MIB + 12_345;
const DAY: Duration = Duration::from_secs(86_400);
/// What a kill of the binary may cost on one connection (docs/semantics.md).
const KILL_COST: u64 = MIB;
/// Counted on the wire beside the bytes that are kept: what lay in the client's socket when a connection was reset
/// (three times at most), heads, TLS records and frames.
const UNREAD: u64 = MIB;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Plain,
    Tls,
    Http2,
}

impl Protocol {
    fn wire(self, server: &Daemon) -> Wire {
        match self {
            Protocol::Plain => Wire::to(server.port),
            Protocol::Tls => Wire::to(server.tls_port),
            Protocol::Http2 => Wire::http2_to(server.tls_port),
        }
    }

    fn url(self, port: u16) -> String {
        match self {
            Protocol::Plain => format!("http://127.0.0.1:{port}/plain/object"),
            Protocol::Tls | Protocol::Http2 => format!("https://localhost:{port}/plain/object"),
        }
    }
}

/// Puts one download through all of it. `far` is what is killed: the server, or the proxy before it.
fn ordeal<'b>(
    name: &str,
    bench: &'b Bench,
    get: &dyn Fn() -> Get<'b>,
    wire: &Wire,
    far: &mut Daemon,
    content: &Content,
) {
    wire.plan([(2 * MIB, Deed::Reset), (5 * MIB, Deed::Close), (8 * MIB, Deed::Hold)]);
    let running = get().start();
    wire.wait_until_holding();
    far.kill();
    wire.plan([(19 * MIB, Deed::Hold), (22 * MIB, Deed::Reset)]);
    wire.release();
    // The second failure in a row is of a connection to nobody.
    let refused = || running.told().lines().any(|line| line.contains("\"retry\"") && line.contains("\"failures\":2"));
    assert!(eventually(refused), "{name}: it does not notice that the other side is gone: {}", running.told());
    far.start_again();
    wire.wait_until_holding();
    // What passed has arrived when it has nothing new to tell: only then is a kill what the promise is about.
    let before = running.progress().len();
    let arrived = || matches!(running.progress()[before..], [.., last, again] if last == again);
    assert!(eventually(arrived), "{name}: {}", running.told());
    let killed = running.kill();
    assert_eq!(killed.code(), -9, "{name}: {}", killed.report(bench));
    wire.release();

    let ran = get().run();
    ran.expect(bench, 0, "validator, resumed, retried");
    bench.assert_published(content, &ran);
    let passed = wire.passed();
    assert!(passed <= content.len() + KILL_COST + 3 * UNREAD, "{name}: {passed} bytes for {}", content.len());
    println!("{name:<28} {:>8} KiB more than the file", (passed - content.len()) >> 10);
}

fn each_server(protocol: Protocol) {
    std::thread::scope(|scope| {
        for kind in SERVERS {
            scope.spawn(move || {
                let Some(mut server) = Daemon::start(kind) else { return };
                let content = Content::seeded(1, SIZE);
                server.put("object", &content, SystemTime::now() - DAY);
                let (bench, wire, authority) = (Bench::new(), protocol.wire(&server), server.authority());
                let get = || bench.get_url(protocol.url(wire.port())).retries(20).arg("--ca-cert").arg(&authority);
                ordeal(&format!("{} {protocol:?}", kind.name()), &bench, &get, &wire, &mut server, &content);
                // Some write it late.
                let version = if matches!(protocol, Protocol::Http2) { "HTTP/2" } else { "HTTP/1.1" };
                assert!(eventually(|| server.access_log().contains(version)), "{}: not {version}", kind.name());
            });
        }
    });
}

#[test]
fn every_server_over_plain_http() {
    each_server(Protocol::Plain);
}

#[test]
fn every_server_over_tls() {
    each_server(Protocol::Tls);
}

#[test]
fn every_server_over_http2() {
    each_server(Protocol::Http2);
}

/// How the binary learns of a proxy.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// `--proxy SCHEME://…`
    Flag(&'static str),
    /// The variable, and the scheme of the URL in it.
    Variable(&'static str, &'static str),
}

/// The proxy is what dies; the server behind it lives on.
#[test]
fn every_proxy_before_plain_and_tls_servers() {
    let cases = [
        (Kind::Tinyproxy, Told::Flag("http"), Protocol::Plain),
        (Kind::Tinyproxy, Told::Flag("http"), Protocol::Tls),
        (Kind::Tinyproxy, Told::Variable("http_proxy", "http"), Protocol::Plain),
        (Kind::Tinyproxy, Told::Variable("https_proxy", "http"), Protocol::Tls),
        (Kind::Microsocks, Told::Flag("socks5h"), Protocol::Plain),
        (Kind::Microsocks, Told::Flag("socks5"), Protocol::Tls),
        (Kind::Microsocks, Told::Variable("all_proxy", "socks5h"), Protocol::Tls),
    ];
    let Some(server) = Daemon::start(Kind::Nginx) else { return };
    let content = Content::seeded(1, SIZE);
    server.put("object", &content, SystemTime::now() - DAY);
    std::thread::scope(|scope| {
        for (kind, told, protocol) in cases {
            let (server, content) = (&server, &content);
            scope.spawn(move || {
                let Some(mut proxy) = Daemon::start(kind) else { return };
                let (bench, wire, authority) = (Bench::new(), Wire::to(proxy.port), server.authority());
                let url = match protocol {
                    Protocol::Plain => protocol.url(server.port),
                    Protocol::Tls | Protocol::Http2 => protocol.url(server.tls_port),
                };
                let get = || {
                    let get = bench.get_url(&url).retries(20).arg("--ca-cert").arg(&authority);
                    match told {
                        Told::Flag(scheme) => get.proxy(format!("{scheme}://127.0.0.1:{}", wire.port())),
                        Told::Variable(name, scheme) => {
                            get.proxy_from(name, format!("{scheme}://127.0.0.1:{}", wire.port()))
                        }
                    }
                };
                ordeal(&format!("{} {told:?} {protocol:?}", kind.name()), &bench, &get, &wire, &mut proxy, content);
            });
        }
    });
}
