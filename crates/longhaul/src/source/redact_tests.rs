//! Links as vendors make them: what may be stored of each.

use super::*;

fn stored(url: &str) -> String {
    redact(url).unwrap().url
}

#[test]
fn what_holds_no_secret_is_kept_byte_for_byte() {
    for url in [
        "https://example.com/",
        "https://example.com/a/b%20c.iso?x=1&y=%2F&&z",
        "https://example.com/download?file=ubuntu-24.04.1-desktop-amd64.iso&mirror=de",
        "https://example.com/f?name=linux-6.1.0-rc3-x86_64-20240101.tar.gz",
        "https://example.com/f?name=MyHolidayVideoFinalCut.mp4",
        "https://example.com/f?name=thisisaverylongfilename.txt",
        "https://example.com/f?since=2024-01-01T00:00:00.000Z&st=1&sp=2&e=3&policy=x&page=12",
        "https://example.com/f?next=https%3A%2F%2Fexample.com%2Fplain",
        "https://b.oss-cn-hangzhou.aliyuncs.com/k?x-oss-process=image/resize,w_100",
        "https://b.s3.amazonaws.com/k?versionId=3sL4kqtJlcpXroDTDmJrmSpXd3dIbrHY.MTRCxf3vjVBH40Nr8X8gdRQBpUMLnv",
        "https://example.com/2f7c1b0e9d8a4f6e8b7c6d5e4f3a2b1c/file.bin",
        "http://[::1]:8080/x;v=1/y",
        "oss://bucket/key with spaces?and=query#and hash%20",
        "s3://bucket/a@b/c?token=part-of-the-key",
    ] {
        let redacted = redact(url).unwrap();
        assert_eq!(redacted, Redacted { url: url.into(), secrets_removed: false, signed: false, ambiguous: false });
    }
}

/// Each line: a link, and the same link as another program signs it at another time.
const PAIRS: &[(&str, &str, &str)] = &[
    (
        "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2F20240101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20240101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=SECRETab&x-id=GetObject",
        "https://b.s3.amazonaws.com/k?x-amz-signature=SECRETcd&x-amz-security-token=SECRETef&x-amz-date=1&x-amz-expires=1&x-amz-credential=x",
        "https://b.s3.amazonaws.com/k",
    ),
    (
        "https://b.s3.amazonaws.com/k?versionId=abc&AWSAccessKeyId=AKIAEXAMPLE&Signature=SECRET%3D&Expires=1700000000",
        "https://b.s3.amazonaws.com/k?Expires=1800000000&versionId=abc&Signature=SECRETx&AWSAccessKeyId=ASIAOTHER&x-amz-security-token=SECRETt",
        "https://b.s3.amazonaws.com/k?versionId=abc",
    ),
    (
        "https://b.oss-cn-hangzhou.aliyuncs.com/k?OSSAccessKeyId=LTAIEXAMPLE&Expires=1700000000&Signature=SECRET&security-token=SECRETt",
        "https://b.oss-cn-hangzhou.aliyuncs.com/k?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=SECRETc%2F20240101&x-oss-date=20240101T000000Z&x-oss-expires=60&x-oss-additional-headers=host&x-oss-security-token=SECRETs&x-oss-signature=SECRETg",
        "https://b.oss-cn-hangzhou.aliyuncs.com/k",
    ),
    (
        "https://storage.googleapis.com/b/k?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=SECRETa&X-Goog-Date=1&X-Goog-Expires=1&X-Goog-SignedHeaders=host&X-Goog-Signature=SECRETb",
        "https://storage.googleapis.com/b/k?GoogleAccessId=SECRETa&Expires=1700000000&Signature=SECRETb",
        "https://storage.googleapis.com/b/k",
    ),
    (
        "https://a.blob.core.windows.net/c/k?sv=2022-11-02&st=2024-01-01T00%3A00%3A00Z&se=2024-01-02T00%3A00%3A00Z&sr=b&sp=r&spr=https&sip=1.2.3.4&sig=SECRET%3D",
        "https://a.blob.core.windows.net/c/k?sp=r&skoid=SECRETo&sktid=SECRETt&skt=1&ske=2&sks=b&skv=2022-11-02&sv=1&sr=b&se=2&sig=SECRETx",
        "https://a.blob.core.windows.net/c/k",
    ),
    (
        "https://d1.cloudfront.net/k?Expires=1700000000&Signature=SECRET~-&Key-Pair-Id=KEXAMPLE",
        "https://d1.cloudfront.net/k?Policy=SECRETp__&Signature=SECRETq&Key-Pair-Id=KOTHER",
        "https://d1.cloudfront.net/k",
    ),
    (
        "https://b-1.cos.ap-beijing.myqcloud.com/k?q-sign-algorithm=sha1&q-ak=SECRETa&q-sign-time=1;2&q-key-time=1;2&q-header-list=host&q-url-param-list=&q-signature=SECRETs",
        "https://b-1.cos.ap-beijing.myqcloud.com/k?q-signature=SECRETt&x-cos-security-token=SECRETu",
        "https://b-1.cos.ap-beijing.myqcloud.com/k",
    ),
    (
        "https://cdn.example.com/k?auth_key=1700000000-0-0-SECRET",
        "https://cdn.example.com/k?hdnts=exp=1700000000~acl=/*~hmac=SECRET",
        "https://cdn.example.com/k",
    ),
];

#[test]
fn fresh_links_to_one_object_become_the_same_string() {
    for &(a, b, want) in PAIRS {
        for link in [a, b] {
            let redacted = redact(link).unwrap();
            assert_eq!(redacted.url, want, "{link}");
            assert!(redacted.signed && redacted.secrets_removed && !redacted.ambiguous, "{link}");
            assert!(!redact_for_display(&format!("error for ({link}), again")).contains("SECRET"), "{link}");
        }
    }
}

#[test]
fn values_named_like_secrets_go_and_names_stay() {
    for name in [
        "token",
        "access_token",
        "Access-Token",
        "id_token",
        "api_key",
        "apikey",
        "apiKey",
        "X-API-KEY",
        "key",
        "auth",
        "code",
        "authorization",
        "password",
        "passwd",
        "pwd",
        "secret",
        "client_secret",
        "session",
        "sessionId",
        "PHPSESSID_session",
        "sid",
        "jwt",
        "sig",
        "sign",
        "ticket",
        "private_token",
        "ocp-apim-subscription-key",
        "t%6Fken",
        "credential",
    ] {
        let redacted = redact(&format!("https://h/f?a=1&{name}=short&b=2")).unwrap();
        assert_eq!(redacted.url, format!("https://h/f?a=1&{name}=&b=2"));
        assert!(redacted.secrets_removed && !redacted.signed, "{name}");
    }
}

#[test]
fn long_random_values_go_whatever_their_name() {
    for value in [
        "9f86d081884c7d659a2feaa0c55ad015",
        "550e8400-e29b-41d4-a716-446655440000",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY",
        "AKIAIOSFODNN7EXAMPLEAA",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy",
        "1A2bC3dE4fG5hI6jK7lM8nO9p",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "qzxkvbnmwrtplkjhgfdsqzxk",
        "31415926535897932384626433",
        "user:9f86d081884c7d659a2feaa0c55ad015",
    ] {
        let redacted = redact(&format!("https://h/f?id={value}&a=1")).unwrap();
        assert_eq!(redacted.url, "https://h/f?id=&a=1", "{value}");
        assert!(redacted.secrets_removed && redacted.ambiguous && !redacted.signed, "{value}");
        assert_eq!(redact(&format!("https://h/f?{value}")).unwrap().url, "https://h/f", "{value}");
    }
}

#[test]
fn userinfo_and_fragment_go() {
    for (url, want, removed) in [
        ("https://user:pass@h/f", "https://h/f", true),
        ("https://user@h/f", "https://h/f", true),
        ("https://:pass@h/f", "https://h/f", true),
        ("HTTPS://H:443/f#access_token=x", "https://h/f", false),
        ("https://h/f?#", "https://h/f", false),
        ("http://h/a;jsessionid=123/b;v=2?x=1", "http://h/a;jsessionid=/b;v=2?x=1", true),
        ("oss://ak:sk@bucket/a@b", "oss://bucket/a@b", true),
        ("S3://ak@bucket", "s3://bucket", true),
    ] {
        let redacted = redact(url).unwrap();
        assert_eq!((redacted.url.as_str(), redacted.secrets_removed), (want, removed), "{url}");
    }
}

#[test]
fn a_url_inside_a_value_loses_its_secrets_too() {
    let redacted = redact("https://h/go?u=https%3A%2F%2Fa%3Ab%40x%2Ff%3Ftoken%3DSECRET%26n%3D1%23z&k=v").unwrap();
    assert_eq!(redacted.url, "https://h/go?u=https%3A%2F%2Fx%2Ff%3Ftoken%3D%26n%3D1&k=v");
    assert!(redacted.secrets_removed);
    let deep = (0..6).fold("https://h/?token=SECRET".to_owned(), |inner, _| {
        format!("https://h/?u={}", utf8_percent_encode(&inner, NON_ALPHANUMERIC))
    });
    let text = stored(&deep);
    assert!(!text.contains("SECRET") && !text.contains("token%"), "{text}");
}

#[test]
fn redacting_twice_changes_nothing_more() {
    let links = PAIRS.iter().flat_map(|p| [p.0, p.1]);
    for link in links.chain([
        "https://h/f?token=a&x=9f86d081884c7d659a2feaa0c55ad015",
        "https://h/a;sid=1?u=http%3A%2F%2Fx%2F%3Fpw%3D1",
    ]) {
        let once = stored(link);
        let twice = redact(&once).unwrap();
        assert_eq!((twice.url.as_str(), twice.secrets_removed), (once.as_str(), false), "{link}");
    }
}

#[test]
fn what_is_no_url_is_refused_for_storing() {
    for text in ["", "x.iso", "/etc/passwd", "http://", "mailto:a@b", "https://h:99999/", "://h"] {
        assert_eq!(redact(text), None, "{text}");
    }
}

#[test]
fn messages_lose_secrets_and_keep_their_words() {
    for (text, want) in [
        ("", ""),
        ("no such file: /tmp/a=b.txt (os error 2)", "no such file: /tmp/a=b.txt (os error 2)"),
        ("what? a=b", "what? a=b"),
        (
            "error sending request for url (https://u:p@h/f?token=SECRET#x): timed out",
            "error sending request for url (https://h/f?token=): timed out",
        ),
        (
            "GET \"https://h/f?sig=SECRET\" failed,\nthen http://x/?pw=SECRET.",
            "GET \"https://h/f?sig=\" failed,\nthen http://x/?pw=.",
        ),
        ("bad port in https://u:SECRET@h:99999/f?a=SECRET", "bad port in https://h:99999/f?…"),
        ("host/f?token=SECRET is no URL", "host/f?… is no URL"),
        ("user:SECRET@host/path", "host/path"),
        ("query a=1&token=SECRET&b=2", "query a=1&token=&b=2"),
        ("proxy http://u:SECRET@proxy:3128", "proxy http://proxy:3128/"),
        ("mail a@b.example", "mail a@b.example"),
    ] {
        assert_eq!(redact_for_display(text), want, "{text}");
    }
}

#[test]
fn no_text_makes_it_fail() {
    let pieces = [
        "://", "?", "#", "@", ":", "&", "=", ";", "%", "%zz", "https", "a", "\u{e9}", "/", ")", " ", "[", "\0",
        "oss://",
    ];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                for d in pieces {
                    let text = format!("{a}{b}{c}{d}{a}{c}");
                    redact_for_display(&text);
                    redact(&text);
                }
            }
        }
    }
}
