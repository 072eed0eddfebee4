//! Lists as programs write them, and as an enemy would.

use super::*;
use crate::manager::entry::{Existing, Gid};
use crate::manager::new::Work;

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn imported(text: &str) -> Imported {
    import(text.as_bytes(), Path::new("/d")).unwrap()
}

/// Sources and target of an entry.
fn shown(entry: &NewEntry) -> (Vec<String>, Target) {
    let Work::Download { sources, target } = &entry.work else { panic!("an upload") };
    (sources.iter().map(ToString::to_string).collect(), target.clone())
}

fn in_d(path: &str) -> Target {
    Target::Below { root: "/d".into(), path: path.into() }
}

#[test]
fn links_names_and_checksums_stand_in_lines() {
    let text = format!(
        "\u{feff}# a list\r\n\r\nhttps://h/a\r\nhttps://h/b\tc/d.iso\tsha256:{SHA256}\r\noss://films/a b.mp4\n"
    );
    let Imported { entries, bad } = imported(&text);
    assert_eq!(bad, []);
    assert_eq!(shown(&entries[0]), (vec!["https://h/a".into()], Target::Folder("/d".into())));
    assert_eq!(shown(&entries[1]), (vec!["https://h/b".into()], in_d("c/d.iso")));
    assert_eq!(entries[1].options.checksums[0].to_string(), format!("sha256:{SHA256}"));
    assert_eq!(shown(&entries[2]).0, ["oss://films/a b.mp4"]);
}

/// As `aria2c --save-session` writes it.
#[test]
fn a_session_of_aria2_is_taken_over() {
    let text = format!(
        "https://one/a.iso\thttps://two/a.iso\tftp://three/a.iso\n gid=2089b05ecca3d829\n dir=/srv/iso\n out=b.iso\n \
         header=Cookie: id=7\n header=X: y: z\n referer=https://r/\n checksum=sha-256={SHA256}\n pause=true\n \
         max-download-limit=2M\n split=100\n auto-file-renaming=true\n http-user=me\n http-passwd=secret\n \
         piece-length=1048576\nhttps://h/c\n dir=sub\nmagnet:?xt=urn:btih:1\n gid=1\nhttps://h/e\n all-proxy=http://p\n"
    );
    let Imported { entries, bad } = imported(&text);
    let numbers: Vec<usize> = bad.iter().map(|bad| bad.number).collect();
    assert_eq!((entries.len(), numbers), (2, vec![18, 20]), "{bad:?}");
    let entry = &entries[0];
    let target = Target::Below { root: "/srv/iso".into(), path: "b.iso".into() };
    assert_eq!(shown(entry), (vec!["https://one/a.iso".into(), "https://two/a.iso".into()], target));
    assert_eq!(entry.gid, Some(Gid(0x2089_b05e_cca3_d829)));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(entry.secrets.headers, [header("Cookie", "id=7"), header("X", "y: z"), header("Referer", "https://r/")]);
    assert_eq!(entry.secrets.auth, Some(header("me", "secret")));
    assert!(entry.hold && entry.options.checksums.len() == 1);
    assert_eq!((entry.options.limit_rate, entry.options.connections), (2 << 20, Some(64)));
    assert_eq!(entry.options.existing, Existing::Rename);
    assert_eq!(shown(&entries[1]).1, Target::Folder("/d/sub".into()));
}

#[test]
fn what_cannot_be_used_is_told_and_the_rest_is_taken() {
    let text = "https://h/ok\nno link\nhttps://h/a\t../../etc/passwd\nhttps://h/b\n out=/etc/passwd\nhttps://h/c\n gid=xyz\n\
                https://h/d\n checksum=sha-256=beef\nhttps://h/e\n checksum=whirlpool=beef\nhttps://h/f\n header=secret\n\
                https://h/g\n max-download-limit=18446744073709551615M\n";
    let Imported { entries, bad } = imported(text);
    assert_eq!((entries.len(), bad.len()), (1, 8), "{bad:?}");
    assert!(!format!("{bad:?}").contains("secret"), "{bad:?}");
    for text in ["", "\n\n", "# nothing\n", "hello\nworld\n", " out=x\n", "\0\u{1}\u{2}"] {
        assert!(import(text.as_bytes(), Path::new("/d")).is_err(), "{text:?}");
    }
    assert!(import(&vec![b'\n'; LEN_MAX + 1], Path::new("/d")).is_err());
    assert!(import(b"\xff\xfe\nhttps://h/a\n", Path::new("/d")).is_ok_and(|list| list.bad.len() == 1));
}

#[test]
fn a_metalink_gives_mirrors_in_their_order_and_digests() {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n\
         <generator>g</generator><file name=\"dir/a.iso\"><size>5</size>\n<hash type=\"sha-256\">{SHA256}</hash>\
         <hash type=\"whirlpool\">00</hash><pieces length=\"4\" type=\"sha-256\"><hash>00</hash><hash>11</hash></pieces>\
         <url priority=\"2\">https://two/a?x=1&amp;y=2</url><url priority=\"1\" location=\"de\"> https://one/a </url>\
         <url>https://last/a</url><url priority=\"1\">ftp://one/a</url><metaurl mediatype=\"torrent\">https://t/t</metaurl>\
         </file><file name=\"b\"><url><![CDATA[https://h/b]]></url></file></metalink>\n"
    );
    let Imported { entries, bad } = imported(&text);
    assert_eq!(bad, []);
    let links = vec!["https://one/a".to_owned(), "https://two/a?x=1&y=2".to_owned(), "https://last/a".to_owned()];
    assert_eq!(shown(&entries[0]), (links, in_d("dir/a.iso")));
    assert_eq!(entries[0].options.checksums.len(), 1, "not those of pieces");
    assert_eq!(shown(&entries[1]), (vec!["https://h/b".into()], in_d("b")));
}

#[test]
fn version_3_of_metalinks_has_the_same_in_other_places() {
    let text = format!(
        "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><files><file name=\"a\"><size>1</size>\
         <verification><hash type=\"sha256\">{SHA256}</hash></verification><resources>\
         <url type=\"http\" preference=\"10\">http://ten/a</url><url type=\"http\" preference=\"90\">http://ninety/a</url>\
         </resources></file></files></metalink>"
    );
    let Imported { entries, .. } = imported(&text);
    assert_eq!(shown(&entries[0]).0, ["http://ninety/a", "http://ten/a"]);
    assert_eq!(entries[0].options.checksums.len(), 1);
}

#[test]
fn hostile_metalinks_are_refused() {
    let with = |name: &str, inside: &str| {
        format!("<metalink><file name=\"{name}\"><url>https://h/a</url>{inside}</file></metalink>")
    };
    assert!(import(with("a", "").as_bytes(), Path::new("/d")).is_ok());
    for name in ["../a", "/etc/passwd", "a/../../b", ".", "", "a/", "a\\b", "&#0;"] {
        let refused = import(with(name, "").as_bytes(), Path::new("/d"));
        assert!(refused.is_err(), "{name:?}: {refused:?}");
    }
    let deep = "<x>".repeat(40) + &"</x>".repeat(40);
    let long = format!("<url>{}</url>", "a".repeat(TEXT_MAX));
    for inside in [deep.as_str(), &long, "<hash type=\"sha-256\">beef</hash>", "&bomb;", "<x>"] {
        assert!(import(with("a", inside).as_bytes(), Path::new("/d")).is_err(), "{inside:.60}");
    }
    let bomb = "<!DOCTYPE m [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><metalink><file name=\"&b;\"/></metalink>";
    for text in [bomb, "<html><body>log in</body></html>", "<metalink/>", "<metalink>", "<metalink></metalink>", "<"] {
        assert!(import(text.as_bytes(), Path::new("/d")).is_err(), "{text:?}");
    }
}

const TEXT_MAX: usize = 20_000;

/// Good lists with any byte changed, or cut anywhere: read or refused, and no name leads out of its folder.
#[test]
fn no_bytes_make_it_panic() {
    let lists = [
        format!("https://h/a\thttps://h/b\n gid=2089b05ecca3d829\n dir=x\n out=y/z\n checksum=sha-256={SHA256}\n"),
        format!(
            "<metalink><file name=\"a/b\"><hash type=\"sha-256\">{SHA256}</hash><url priority=\"1\">https://h/&#97;</url></file></metalink>"
        ),
    ];
    for list in &lists {
        for at in 0..list.len() {
            fuzz(&list.as_bytes()[..at]);
            for with in [0, b'.', b'/', b'\\', b'<', b'&', b'\t', b'\n', 0xff] {
                let mut bent = list.clone().into_bytes();
                bent[at] = with;
                fuzz(&bent);
            }
        }
    }
}
