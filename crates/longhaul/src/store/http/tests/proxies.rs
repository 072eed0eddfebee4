//! By way of proxies.

use super::*;

#[tokio::test]
async fn a_proxy_is_asked_by_whole_url_and_alone_sees_its_password() {
    let proxy = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes"))]);
    let options =
        HttpOptions { proxy: ProxyChoice::Url(format!("http://p:q@{}", proxy.addr)), ..HttpOptions::default() };
    let store = HttpStore::new(&options).unwrap();
    let url = Url::parse("http://object.example/x").unwrap();
    assert_eq!(get(&store, &url, &fetch()).await.unwrap().1, b"bytes");
    let head = proxy.heads().pop().unwrap();
    assert!(head.starts_with("get http://object.example/x http/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic cdpx\r\n"), "{head}");
    let bad = HttpOptions { proxy: ProxyChoice::Url(format!("nothing://{SECRET}:1:2")), ..HttpOptions::default() };
    assert!(HttpStore::new(&bad).is_err_and(|bad| !bad.0.contains(SECRET)));
}

#[tokio::test]
async fn tls_goes_through_a_proxy_unseen_and_certificates_are_still_verified() {
    let (origin, pem) = tls_origin(&["http/1.1"], "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes");
    let proxy = connect_proxy(origin.addr, "proxy-authorization: basic cdpx\r\n", "407 Who are you");
    let url = Url::parse(&format!("https://u:{SECRET}@localhost:{}/x?{SECRET}", origin.addr.port())).unwrap();
    let by = |user: &str| ProxyChoice::Url(format!("http://{user}{}", proxy.addr));
    let trusting = |proxy| HttpOptions { ca_certs: vec![pem.clone().into_bytes()], proxy, ..direct() };
    let store = HttpStore::new(&trusting(by("p:q@"))).unwrap();
    assert_eq!(get(&store, &url, &fetch()).await.unwrap().1, b"bytes");
    let head = proxy.heads().pop().unwrap();
    assert!(head.starts_with(&format!("connect localhost:{} http/1.1\r\n", origin.addr.port())), "{head}");
    assert!(!head.contains(SECRET) && !head.contains("range") && !head.contains("\r\nauthorization"), "{head}");

    let stranger = HttpStore::new(&HttpOptions { proxy: by("p:q@"), ..direct() }).unwrap();
    assert_eq!(get(&stranger, &url, &fetch()).await.err().unwrap().fault, NetFault::Tls);

    // Nothing of the proxy's page is taken for the object.
    let (reply, body) = get(&HttpStore::new(&trusting(by(""))).unwrap(), &url, &fetch()).await.unwrap();
    assert_eq!((reply.facts.status, body.as_slice()), (407, &b""[..]));
    assert!(reply.said.is_some_and(|said| said.contains(&proxy.addr.to_string())));
    let wrong = HttpStore::new(&trusting(by(&format!("u:{SECRET}@")))).unwrap();
    assert_eq!(get(&wrong, &url, &fetch()).await.unwrap().0.facts.status, 407);
}

/// The proxy is named with its status, and what is so for good is not asked again.
#[tokio::test]
async fn a_proxy_that_does_not_connect_is_named() {
    use NetFault::{Connect, Proxy};
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusing = |refusal| connect_proxy(unused, "never", refusal).addr.to_string();
    let closing = || Origin::serve(|mut stream, _, _| drop(read_head(&mut stream))).addr.to_string();
    for (scheme, proxy, fault, says) in [
        ("https", refusing("502 Bad Gateway"), Connect, "does not connect us (status 502)"),
        ("https", refusing("403 Blocked"), Proxy, "does not connect us (status 403)"),
        ("https", refusing("405 No"), Proxy, "does not connect us (status 405)"),
        ("https", refusing("429 Later"), Connect, "does not connect us (status 429)"),
        ("https", refusing("302 Log in"), Connect, "does not connect us (status 302)"),
        ("https", closing(), Connect, "closed the connection"),
        ("https", unused.to_string(), Connect, "no connection: "),
        ("http", unused.to_string(), Connect, "no connection: "),
        ("http", "no-such-proxy.invalid:3128".to_owned(), Connect, "does not resolve"),
        ("https", "no-such-proxy.invalid:3128".to_owned(), Connect, "does not resolve"),
    ] {
        let options = HttpOptions { proxy: ProxyChoice::Url(format!("http://u:{SECRET}@{proxy}")), ..direct() };
        let url = Url::parse(&format!("{scheme}://object.example/x?{SECRET}")).unwrap();
        let failure = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.err().unwrap();
        assert_eq!(failure.fault, fault, "{}", failure.detail);
        assert!(failure.detail.contains(says) && failure.detail.contains(&proxy), "{}", failure.detail);
    }
}

/// A SOCKS5 proxy (RFC 1928, 1929) for the user `p` with the password `q`, or for everybody. It connects to `to`
/// whatever was asked for, and tells what that was.
fn socks_proxy(to: SocketAddr, user: bool) -> Origin {
    Origin::serve(move |mut stream, number, heard| {
        let take = |stream: &mut TcpStream, count: usize| {
            let mut bytes = vec![0; count];
            stream.read_exact(&mut bytes).map(|()| bytes)
        };
        let _ = (|| -> std::io::Result<()> {
            let count = take(&mut stream, 2)?[1];
            let methods = take(&mut stream, count.into())?;
            let method = if user { 2 } else { 0 };
            if !methods.contains(&method) {
                return stream.write_all(&[5, 0xff]);
            }
            stream.write_all(&[5, method])?;
            if user {
                let _ = take(&mut stream, 1)?;
                let mut words = Vec::new();
                for _ in 0..2 {
                    let len = take(&mut stream, 1)?[0];
                    words.push(take(&mut stream, len.into())?);
                }
                let known = words == [b"p".to_vec(), b"q".to_vec()];
                stream.write_all(&[1, u8::from(!known)])?;
                if !known {
                    return Ok(());
                }
            }
            let kind = take(&mut stream, 4)?[3];
            let asked = match kind {
                1 => format!("{:?}", take(&mut stream, 4)?),
                3 => {
                    let len = take(&mut stream, 1)?[0];
                    String::from_utf8_lossy(&take(&mut stream, len.into())?).into_owned()
                }
                _ => format!("{:?}", take(&mut stream, 16)?),
            };
            take(&mut stream, 2)?;
            heard.lock().unwrap().push((number, asked));
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            splice(stream, TcpStream::connect(to)?);
            Ok(())
        })();
    })
}

#[cfg(feature = "socks")]
#[tokio::test]
async fn socks_proxies_look_names_up_or_leave_it_to_us() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes"))]);
    let (open, closed) = (socks_proxy(origin.addr, false), socks_proxy(origin.addr, true));
    let url = |host: &str| Url::parse(&format!("http://{host}/x")).unwrap();
    let by = |proxy: String| HttpStore::new(&HttpOptions { proxy: ProxyChoice::Url(proxy), ..direct() }).unwrap();
    let v4 = "[127, 0, 0, 1]";
    for (store, url, asked) in [
        (by(format!("socks5h://{}", open.addr)), url("object.example"), Some("object.example")),
        (by(format!("socks5://{}", open.addr)), url("127.0.0.1:81"), Some(v4)),
        (by(format!("socks5://{}", open.addr)), url("no-such-host.invalid"), None),
    ] {
        let before = open.heads().len();
        let got = get(&store, &url, &fetch()).await.map(|(_, body)| body);
        assert_eq!(got.is_ok_and(|body| body == b"bytes"), asked.is_some(), "{url}");
        let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
        assert_eq!(open.heads()[before..], asked, "{url}");
    }
    for (user, let_in) in [("p:q@", true), ("p:hush@", false), ("", false)] {
        let got = get(&by(format!("socks5h://{user}{}", closed.addr)), &url("object.example"), &fetch()).await;
        match got {
            Ok((_, body)) => assert!(let_in && body == b"bytes", "{user}"),
            Err(failure) => {
                assert!(!let_in && failure.fault == NetFault::Connect, "{user}: {failure:?}");
                assert!(failure.detail.contains("proxy"), "{failure:?}");
            }
        }
    }
}

#[tokio::test]
async fn hosts_that_are_excepted_are_asked_directly() {
    let origin = Origin::start(&[("/x", ok("content-length: 5\r\n", "bytes"))]);
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (no, reached) in [("127.0.0.1", true), ("127.0.0.0/8", true), ("*", true), ("other, localhost", false)] {
        let proxy = ProxyChoice::Url(format!("http://{unused}"));
        let options = HttpOptions { proxy, no_proxy: Some(no.to_owned()), ..direct() };
        let got = get(&HttpStore::new(&options).unwrap(), &origin.url("/x"), &fetch()).await;
        assert_eq!(got.is_ok(), reached, "{no}");
    }
}
