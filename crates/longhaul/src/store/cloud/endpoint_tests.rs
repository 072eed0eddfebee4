use super::*;

fn options(dialect: Dialect, endpoint: &str, region: &str) -> EndpointOptions {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    EndpointOptions { endpoint: some(endpoint), region: some(region), ..EndpointOptions::new(dialect) }
}

fn oss_at(endpoint: &str, region: &str) -> Endpoint {
    Endpoint::new(options(Dialect::Oss, endpoint, region)).unwrap()
}

fn s3_at(endpoint: &str, region: &str) -> Endpoint {
    Endpoint::new(options(Dialect::S3, endpoint, region)).unwrap()
}

fn url(endpoint: &Endpoint, bucket: &str, key: &str) -> String {
    endpoint.target(bucket, key, &[]).unwrap().url.to_string()
}

#[test]
fn buckets_and_keys_become_urls() {
    use Dialect::{Oss, S3};
    for (dialect, endpoint, region, bucket, key, want, signed_region) in [
        (
            Oss,
            "",
            "cn-hangzhou",
            "films",
            "a/b.mp4",
            "https://films.oss-cn-hangzhou.aliyuncs.com/a/b.mp4",
            "cn-hangzhou",
        ),
        (Oss, "", "oss-cn-hangzhou", "films", "k", "https://films.oss-cn-hangzhou.aliyuncs.com/k", "cn-hangzhou"),
        (
            Oss,
            "oss-cn-beijing-internal.aliyuncs.com",
            "",
            "films",
            "k",
            "https://films.oss-cn-beijing-internal.aliyuncs.com/k",
            "cn-beijing",
        ),
        (
            Oss,
            "http://oss-cn-beijing.aliyuncs.com/",
            "",
            "films",
            "",
            "http://films.oss-cn-beijing.aliyuncs.com/",
            "cn-beijing",
        ),
        (
            Oss,
            "https://oss-accelerate.aliyuncs.com",
            "cn-beijing",
            "films",
            "k",
            "https://films.oss-accelerate.aliyuncs.com/k",
            "cn-beijing",
        ),
        (Oss, "http://127.0.0.1:9000", "cn-hangzhou", "films", "k", "http://127.0.0.1:9000/films/k", "cn-hangzhou"),
        (Oss, "http://[::1]:9000", "cn-hangzhou", "films", "k", "http://[::1]:9000/films/k", "cn-hangzhou"),
        (Oss, "http://localhost:9000", "cn-hangzhou", "films", "k", "http://localhost:9000/films/k", "cn-hangzhou"),
        (S3, "", "", "films", "k", "https://films.s3.us-east-1.amazonaws.com/k", "us-east-1"),
        (S3, "", "eu-west-1", "films", "k", "https://films.s3.eu-west-1.amazonaws.com/k", "eu-west-1"),
        (S3, "", "cn-north-1", "films", "k", "https://films.s3.cn-north-1.amazonaws.com.cn/k", "cn-north-1"),
        (S3, "https://s3.amazonaws.com", "", "films", "k", "https://films.s3.amazonaws.com/k", "us-east-1"),
        (
            S3,
            "https://s3-eu-west-1.amazonaws.com",
            "",
            "films",
            "k",
            "https://films.s3-eu-west-1.amazonaws.com/k",
            "eu-west-1",
        ),
        (
            S3,
            "https://s3.dualstack.eu-west-1.amazonaws.com",
            "",
            "films",
            "k",
            "https://films.s3.dualstack.eu-west-1.amazonaws.com/k",
            "eu-west-1",
        ),
        (S3, "https://store.example.com:8443", "", "films", "k", "https://films.store.example.com:8443/k", "us-east-1"),
        (S3, "http://rgw:7480", "default", "films", "k", "http://rgw:7480/films/k", "default"),
        // Buckets that make no host name.
        (S3, "", "", "my.films", "k", "https://s3.us-east-1.amazonaws.com/my.films/k", "us-east-1"),
        (S3, "http://store.example.com", "", "my.films", "k", "http://my.films.store.example.com/k", "us-east-1"),
        (S3, "", "", "Old_Bucket", "k", "https://s3.us-east-1.amazonaws.com/Old_Bucket/k", "us-east-1"),
        // Keys with everything.
        (
            S3,
            "http://h.example",
            "",
            "films",
            " ?#%/ä+&=\\\t:@",
            "http://films.h.example/%20%3F%23%25/%C3%A4%2B%26%3D%5C%09%3A%40",
            "us-east-1",
        ),
        (S3, "http://h.example", "", "films", "/a//b/", "http://films.h.example//a//b/", "us-east-1"),
        (S3, "http://h.example", "", "films", "a/../b/./c", "http://films.h.example/a%2F..%2Fb%2F.%2Fc", "us-east-1"),
        (S3, "http://h.example", "", "films", "../b", "http://films.h.example/..%2Fb", "us-east-1"),
        (S3, "http://127.0.0.1:1", "", "films", "a/..", "http://127.0.0.1:1/films/a%2F..", "us-east-1"),
        (S3, "http://h.example", "", "films", "...", "http://films.h.example/...", "us-east-1"),
    ] {
        let target = Endpoint::new(options(dialect, endpoint, region)).unwrap().target(bucket, key, &[]).unwrap();
        assert_eq!(target.url.as_str(), want);
        assert_eq!(target.region, signed_region, "{want}");
        let host = target.url.as_str().split('/').nth(2).unwrap();
        assert_eq!(target.host, host, "what is signed as Host is what is sent");
    }
}

#[test]
fn a_custom_domain_hides_the_bucket_and_path_style_can_be_asked_for() {
    let custom = EndpointOptions { cname: true, ..options(Dialect::Oss, "https://dl.example.com", "cn-hangzhou") };
    assert_eq!(url(&Endpoint::new(custom).unwrap(), "films", "k"), "https://dl.example.com/k");
    let custom = EndpointOptions { cname: true, ..options(Dialect::Oss, "http://127.0.0.1:9", "cn-hangzhou") };
    assert_eq!(url(&Endpoint::new(custom).unwrap(), "films", "k"), "http://127.0.0.1:9/k");
    let path = EndpointOptions { path_style: true, ..options(Dialect::S3, "", "") };
    assert_eq!(url(&Endpoint::new(path).unwrap(), "films", "k"), "https://s3.us-east-1.amazonaws.com/films/k");
}

#[test]
fn a_store_below_a_path_has_its_buckets_below_it() {
    for (endpoint, want) in [
        ("https://ref.storage.example/storage/v1/s3", "https://ref.storage.example/storage/v1/s3/films/a%20b"),
        ("https://ref.storage.example/storage/v1/s3/", "https://ref.storage.example/storage/v1/s3/films/a%20b"),
        ("http://127.0.0.1:9/s-3_x.y~", "http://127.0.0.1:9/s-3_x.y~/films/a%20b"),
        ("h.example/x/../s3", "https://h.example/s3/films/a%20b"),
    ] {
        for dialect in [Dialect::S3, Dialect::Oss] {
            let store = Endpoint::new(options(dialect, endpoint, "here-1")).unwrap();
            assert_eq!(url(&store, "films", "a b"), want);
            assert!(url(&store, "films", "").ends_with("/films/"), "the bucket itself");
            // What is recorded of it leads there again.
            let again = Endpoint::new(options(dialect, &store.shown(), "here-1")).unwrap();
            assert_eq!(url(&again, "films", "a b"), want);
            // In another region it is below the same path.
            let moved = Hint { region: Some("there-2"), ..Hint::default() };
            assert_eq!(store.follow("films", moved), Followed::Elsewhere);
            let target = store.target("films", "a b", &[]).unwrap();
            assert_eq!((target.url.as_str(), target.region.as_str()), (want, "there-2"));
        }
    }
    let custom = EndpointOptions { cname: true, ..options(Dialect::S3, "https://dl.example.com/s3", "here-1") };
    assert!(Endpoint::new(custom).unwrap_err().to_string().contains("of the bucket's own has its keys right below it"));
}

#[test]
fn parameters_are_encoded_and_names_stand_alone() {
    let query = [("uploads".to_owned(), String::new()), ("a b".to_owned(), "c/d+e&f".to_owned())];
    let target = s3_at("http://h.example", "").target("films", "k", &query).unwrap();
    assert_eq!(target.url.as_str(), "http://films.h.example/k?uploads&a%20b=c%2Fd%2Be%26f");
}

#[test]
fn what_no_url_can_hold_is_refused() {
    for endpoint in [s3_at("http://h.example", ""), s3_at("http://127.0.0.1:1", "")] {
        for key in [".", ".."] {
            let error = endpoint.target("films", key, &[]).unwrap_err().to_string();
            assert!(error.contains("no URL can hold"), "{error}");
        }
    }
}

#[test]
fn what_is_no_endpoint_is_refused_with_the_reason() {
    for (dialect, endpoint, region, says) in [
        (Dialect::Oss, "", "", "needs an endpoint or a region"),
        (
            Dialect::Oss,
            "https://store.example.com",
            "",
            "the region of store.example.com, such as cn-hangzhou, is needed",
        ),
        (Dialect::Oss, "https://oss-accelerate.aliyuncs.com", "", "the region of oss-accelerate"),
        (Dialect::Oss, "", "cn hangzhou", "no name for a region"),
        (Dialect::S3, "https://id:hush@h", "", "no place for user and password"),
        (Dialect::S3, "https://h/?hush", "", "without parameters"),
        (Dialect::S3, "https://h/s3#hush", "", "without parameters"),
        (Dialect::S3, "https://h/a%20b", "", "the path of an endpoint has letters"),
        (Dialect::S3, "https://h/a//b", "", "the path of an endpoint has letters"),
        (Dialect::S3, "https://s3.eu-west-1.amazonaws.com/films", "", "the bucket belongs into the object's name"),
        (Dialect::Oss, "https://oss-cn-beijing.aliyuncs.com/films", "", "the bucket belongs into the object's name"),
        (Dialect::S3, "ftp://h", "", "no URL of a store"),
        (Dialect::S3, "https://", "", "no URL of a store"),
        (Dialect::S3, "h:port", "", "no URL of a store"),
    ] {
        let error = Endpoint::new(options(dialect, endpoint, region)).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("hush"), "{endpoint}: {error}");
    }
    let v1 = EndpointOptions { sign_v1: true, ..options(Dialect::Oss, "https://store.example.com", "") };
    assert_eq!(url(&Endpoint::new(v1).unwrap(), "films", "k"), "https://films.store.example.com/k");
}

#[test]
fn a_bucket_that_is_elsewhere_is_followed_within_the_endpoints_domain() {
    let none = Hint::default();
    let region = |region| Hint { region: Some(region), ..none };
    let endpoint = |endpoint| Hint { endpoint: Some(endpoint), ..none };
    let location = |location| Hint { location: Some(location), ..none };
    let refused = |host: &str| Followed::Refused(host.to_owned());
    let (aws, ali) = ("https://s3.us-east-1.amazonaws.com", "https://oss-cn-hangzhou.aliyuncs.com");
    let own = "http://h.example:9000";
    for (at, hint, want, then) in [
        (aws, region("eu-west-1"), Followed::Elsewhere, "https://films.s3.eu-west-1.amazonaws.com/k"),
        (
            aws,
            endpoint("films.s3-eu-west-1.amazonaws.com"),
            Followed::Elsewhere,
            "https://films.s3-eu-west-1.amazonaws.com/k",
        ),
        (
            aws,
            location("https://films.s3-eu-west-1.amazonaws.com/k"),
            Followed::Elsewhere,
            "https://films.s3-eu-west-1.amazonaws.com/k",
        ),
        (
            aws,
            location("http://films.s3-eu-west-1.amazonaws.com/k"),
            refused("http://films.s3-eu-west-1.amazonaws.com"),
            "",
        ),
        (aws, endpoint("films.evil.example"), refused("evil.example"), ""),
        (aws, endpoint("evilamazonaws.com"), refused("evilamazonaws.com"), ""),
        // Of the same vendor, and somebody else's bucket.
        (aws, endpoint("evil.s3.eu-west-1.amazonaws.com"), refused("evil.s3.eu-west-1.amazonaws.com"), ""),
        (ali, endpoint("evil.oss-cn-beijing.aliyuncs.com"), refused("evil.oss-cn-beijing.aliyuncs.com"), ""),
        (aws, endpoint("oss-cn-beijing.aliyuncs.com"), refused("oss-cn-beijing.aliyuncs.com"), ""),
        (aws, region("us-east-1"), Followed::Nowhere, ""),
        (aws, region("../evil"), Followed::Nowhere, ""),
        (aws, none, Followed::Nowhere, ""),
        (
            ali,
            endpoint("oss-cn-beijing.aliyuncs.com"),
            Followed::Elsewhere,
            "https://films.oss-cn-beijing.aliyuncs.com/k",
        ),
        (ali, endpoint("evil.example/x?"), refused("evil.example/x?"), ""),
        (ali, endpoint("oss-cn-beijing.aliyuncs.com:99"), refused("oss-cn-beijing.aliyuncs.com:99"), ""),
        // Not the vendor's: the same host in another region, or one below it.
        (own, region("garage"), Followed::Elsewhere, "http://films.h.example:9000/k"),
        (
            own,
            location("http://films.node2.h.example:9000/k"),
            Followed::Elsewhere,
            "http://films.node2.h.example:9000/k",
        ),
        (own, location("http://h.example:9001/k"), refused("http://h.example:9001"), ""),
        (own, location("http://node.example:9000/k"), refused("node.example"), ""),
    ] {
        let dialect = if at == ali { Dialect::Oss } else { Dialect::S3 };
        let store = Endpoint::new(options(dialect, at, "")).unwrap();
        let before = store.target("films", "k", &[]).unwrap();
        assert_eq!(store.follow("films", hint), want, "{at} {hint:?}");
        let after = store.target("films", "k", &[]).unwrap();
        match want {
            Followed::Elsewhere => {
                assert_eq!(after.url.as_str(), then);
                assert_ne!(after, before);
                assert_eq!(store.follow("films", hint), Followed::Nowhere, "{hint:?} a second time");
                assert_eq!(store.target("other", "k", &[]).unwrap().region, before.region);
            }
            _ => assert_eq!(after, before, "{hint:?}"),
        }
    }
    let address = s3_at("http://127.0.0.1:9000", "");
    assert_eq!(address.follow("films", endpoint("x.127.0.0.1")), refused("x.127.0.0.1"));
    assert_eq!(oss_at(ali, "").follow("films", region("cn-beijing")), Followed::Elsewhere);
}
