//! A name with addresses of both IP families, one of which is dead. Goal: the other is used, and the time for
//! connecting is not spent on the dead one (RFC 8305). Method: a connect timeout that a dead address alone would use
//! up; a listener whose queue is full drops what comes, as a dead network does, without leaving this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use longhaul::{Client, ErrorKind, IpFamily};
use longhaul_devstore::{Object, Origin};
use socket2::{Domain, Socket, Type};

const TIMEOUT: Duration = Duration::from_secs(2);

/// An address that nobody answers at, while it lives.
struct BlackHole {
    address: SocketAddr,
    _held: (Socket, Vec<TcpStream>),
}

impl BlackHole {
    fn new(ip: std::net::IpAddr) -> Self {
        let domain = if ip.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let listener = Socket::new(domain, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::new(ip, 0).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        // The queue is full when a connection does not come about.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
            assert!(queued.len() < 100, "this system has no full queues");
        }
        Self { address, _held: (listener, queued) }
    }
}

fn closed(ip: std::net::IpAddr) -> SocketAddr {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_dead_family_costs_neither_the_download_nor_its_time() {
    let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "no IPv6 on the loopback interface");
        println!("skipped: no IPv6 on the loopback interface");
        return;
    }
    let (live4, live6) = (Origin::start(), Origin::builder().address(v6).start().unwrap());
    let (hole4, hole6) = (BlackHole::new(v4), BlackHole::new(v6));
    let object = Object::seeded(1, 1000);
    live4.put("/x", object.clone());
    live6.put("/x", object.clone());
    let folder = tempfile::tempdir().unwrap();
    let get = async |name: &str, family, addresses: [SocketAddr; 2]| {
        let client = Client::builder().connect_timeout(TIMEOUT).ip_family(family).resolve("two.example", addresses);
        let file = folder.path().join(name);
        let download = client.build().unwrap().download("http://two.example/x").to(&file).retries(0);
        let outcome = download.start().await.unwrap().finished().await;
        outcome.map(|_| object.content.first_difference_in_file(&file).unwrap()).map_err(|error| error.kind())
    };
    let (live4, live6) = (live4.address(), live6.address());
    for (name, addresses) in [
        ("6 refuses", [closed(v6), live4]),
        ("4 refuses", [closed(v4), live6]),
        ("6 is silent", [hole6.address, live4]),
        ("4 is silent", [hole4.address, live6]),
        ("6 is silent, 4 comes first", [live4, hole6.address]),
    ] {
        assert_eq!(get(name, IpFamily::Any, addresses).await, Ok(None), "{name}");
    }
    assert_eq!(get("-4", IpFamily::V4, [hole6.address, live4]).await, Ok(None));
    assert_eq!(get("-6", IpFamily::V6, [hole4.address, live6]).await, Ok(None));
    assert_eq!(get("-6 dead", IpFamily::V6, [closed(v6), live4]).await, Err(ErrorKind::Network));
    assert_eq!(get("silent alone", IpFamily::V6, [hole6.address, live4]).await, Err(ErrorKind::Network));
}
