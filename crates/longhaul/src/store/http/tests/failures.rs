//! What failed, in one word and one line.

use super::*;

#[tokio::test]
async fn failures_before_the_head_have_names() {
    let resetting = Origin::serve(|stream, _, _| {
        let _ = stream.peek(&mut [0]); // closing with the request unread resets the connection
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let unused = silent.local_addr().unwrap();
    drop(silent);
    let circle = Origin::start(&[("/a", moved("/b?sig=hush")), ("/b", moved("/a?sig=hush"))]);
    let url = |text: &str| Url::parse(text).unwrap();
    let v6_only = HttpOptions { ip_family: IpFamily::V6, ..direct() };
    for (url, options, want) in [
        (resetting.url("/x"), direct(), NetFault::Cut),
        (url(&format!("http://u:{SECRET}@{unused}/?{SECRET}")), direct(), NetFault::Connect),
        (url(&format!("http://u:{SECRET}@no-such-host.invalid/?{SECRET}")), direct(), NetFault::Resolve),
        (url(&format!("http://{unused}/")), v6_only, NetFault::Connect),
        (url(&format!("ftp://{unused}/?{SECRET}")), direct(), NetFault::Redirect),
        (circle.url("/a"), direct(), NetFault::Redirect),
    ] {
        let failure = get(&HttpStore::new(&options).unwrap(), &url, &fetch()).await.err().unwrap();
        println!("{}", failure.detail);
        assert_eq!(failure.fault, want, "{}", failure.detail);
    }
}
