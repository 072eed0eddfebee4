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
/// The object has so many parts; a part has a MiB for each connection.
const PARTS: u64 = 24;
const DAY: Duration = Duration::from_secs(86_400);
/// What a kill of the binary may cost on one connection (docs/semantics.md).
const KILL_COST: u64 = MIB;
/// Counted on the wire beside the bytes that are kept, for each connection: what lay in the client's socket when it was
/// reset (three times at most), heads, TLS records and frames.
const UNREAD: u64 = 3 * MIB;

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

/// What is downloaded on so many connections: what lies in the buffers of a server that is killed still comes, and must
/// not be all of it.
fn object(connections: u64) -> Content {
    Content::seeded(1, PARTS * connections * MIB + 12_345)
}

/// One download on its way.
struct Ordeal<'b> {
    name: String,
    bench: &'b Bench,
    wire: &'b Wire,
    connections: u64,
}

impl<'b> Ordeal<'b> {
    /// Puts it through all of it. `far` is what is killed: the server, or the proxy before it.
    fn run(&self, get: &dyn Fn() -> Get<'b>, far: &mut Daemon) {
        let Ordeal { name, bench, wire, connections } = self;
        let get = || get().retries(20).args(["-x", &connections.to_string()]);
        let part = connections * MIB;
        wire.plan([(2 * part, Deed::Reset), (5 * part, Deed::Close), (8 * part, Deed::Hold)]);
        let running = get().start();
        wire.wait_until_holding(|| running.told());
        far.kill();
        wire.release();
        // Not the first failure in a row: a connection to nobody.
        assert!(eventually(|| running.failures() >= 2), "{name}: nobody is missed: {}", running.told());
        wire.plan([(19 * part, Deed::Hold), (22 * part, Deed::Reset)]);
        far.start_again();
        wire.wait_until_holding(|| running.told());
        // What passed has arrived when it has nothing new to tell: only then is a kill what the promise is about.
        let before = running.progress().len();
        let arrived = || matches!(running.progress()[before..], [.., last, again] if last == again);
        assert!(eventually(arrived), "{name}: {}", running.told());
        let killed = running.kill();
        assert_eq!(killed.code(), -9, "{name}: {}", killed.report(bench));
        wire.release();

        let ran = get().run();
        ran.expect(bench, 0, "validator, resumed, retried");
        let content = object(*connections);
        bench.assert_published(&content, &ran);
        let more = wire.passed().saturating_sub(content.len());
        assert!(more <= connections * (KILL_COST + UNREAD), "{name}: {more} bytes more than the file");
        println!("{name:<28} {:>8} KiB more than the file", more >> 10);
    }
}

fn each_server(protocol: Protocol, connections: u64) {
    std::thread::scope(|scope| {
        for kind in SERVERS {
            scope.spawn(move || {
                let Some(mut server) = Daemon::start(kind) else { return };
                server.put("object", &object(connections), SystemTime::now() - DAY);
                let (bench, wire, authority) = (Bench::new(), protocol.wire(&server), server.authority());
                let get = || bench.get_url(protocol.url(wire.port())).arg("--ca-cert").arg(&authority);
                let name = format!("{} {protocol:?} {connections}", kind.name());
                Ordeal { name, bench: &bench, wire: &wire, connections }.run(&get, &mut server);
                // Some write it late.
                let version = if matches!(protocol, Protocol::Http2) { "HTTP/2" } else { "HTTP/1.1" };
                assert!(eventually(|| server.access_log().contains(version)), "{}: not {version}", kind.name());
            });
        }
    });
}

#[test]
fn every_server_over_plain_http() {
    each_server(Protocol::Plain, 1);
}

#[test]
fn every_server_over_tls() {
    each_server(Protocol::Tls, 1);
}

#[test]
fn every_server_over_http2() {
    each_server(Protocol::Http2, 1);
}

#[test]
fn every_server_on_three_connections() {
    each_server(Protocol::Plain, 3);
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
    server.put("object", &object(1), SystemTime::now() - DAY);
    std::thread::scope(|scope| {
        for (kind, told, protocol) in cases {
            let server = &server;
            scope.spawn(move || {
                let Some(mut proxy) = Daemon::start(kind) else { return };
                let (bench, wire, authority) = (Bench::new(), Wire::to(proxy.port), server.authority());
                let url = match protocol {
                    Protocol::Plain => protocol.url(server.port),
                    Protocol::Tls | Protocol::Http2 => protocol.url(server.tls_port),
                };
                let get = || {
                    let get = bench.get_url(&url).arg("--ca-cert").arg(&authority);
                    match told {
                        Told::Flag(scheme) => get.proxy(format!("{scheme}://127.0.0.1:{}", wire.port())),
                        Told::Variable(name, scheme) => {
                            get.proxy_from(name, format!("{scheme}://127.0.0.1:{}", wire.port()))
                        }
                    }
                };
                let name = format!("{} {told:?} {protocol:?}", kind.name());
                Ordeal { name, bench: &bench, wire: &wire, connections: 1 }.run(&get, &mut proxy);
            });
        }
    });
}
