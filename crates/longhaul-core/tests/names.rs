//! Each name that a server suggests becomes one harmless path component: a table of hostile names, then random ones.

use longhaul_core::names::{FALLBACK, NAME_LEN_MAX, ending_of_no_page, name_from, safe_name};

#[test]
fn hostile_names_become_one_safe_component() {
    let table: &[(&[u8], &str)] = &[
        (b"a.txt", "a.txt"),
        (b"a b (1).tar.gz", "a b (1).tar.gz"),
        (b"../../etc/passwd", "passwd"),
        (b"..\\..\\boot.ini", "boot.ini"),
        (b"/etc/shadow", "shadow"),
        (b"C:\\Windows\\x.dll", "x.dll"),
        (b"C:x.dll", "C_x.dll"),
        (b"a/", FALLBACK),
        (b"", FALLBACK),
        (b".", FALLBACK),
        (b"..", FALLBACK),
        (b"... ..", FALLBACK),
        (b"   ", FALLBACK),
        (b"a/..", FALLBACK),
        (b".bashrc", "_.bashrc"),
        (b"..hidden", "_..hidden"),
        (b"-rf", "_-rf"),
        (b"~root", "_~root"),
        (b"~", "_~"),
        (b" -rf ", "_-rf"),
        (b"a. . ", "a"),
        (b"a\0b\nc\x1b[31m\x7f", "a_b_c_[31m_"),
        (b"a<b>c:d\"e|f?g*h", "a_b_c_d_e_f_g_h"),
        ("gpj.\u{202e}exe".as_bytes(), "gpj._exe"),
        ("a\u{200f}\u{2066}b\u{feff}.txt".as_bytes(), "a__b_.txt"),
        ("\u{3000}a\u{a0}".as_bytes(), "a"),
        ("na\u{ef}ve \u{1f980} \u{6587}.txt".as_bytes(), "na\u{ef}ve \u{1f980} \u{6587}.txt"),
        (b"caf\xe9.txt", "caf\u{e9}.txt"),
        (b"a\x9bb\xff", "a_b\u{ff}"),
        (b"CON", "_CON"),
        (b"nul.txt", "_nul.txt"),
        (b"Com1.log", "_Com1.log"),
        (b"LPT9", "_LPT9"),
        (b"com0 .x", "_com0 .x"),
        ("COM\u{b9}".as_bytes(), "_COM\u{b9}"),
        (b"conin$", "_conin$"),
        (b"console", "console"),
        (b"COM10", "COM10"),
        (b"COM", "COM"),
        (b"a.lhpart", "a.lhpart_"),
        (b"a.LHNEXT", "a.LHNEXT_"),
        (b"a.lhlog", "a.lhlog_"),
        (b"a.lhlog~", "a.lhlog~_"),
        (b"a.lhlog.bad-1", "a.lhlog.bad-1_"),
        (b"a.lhlog.bad-", "a.lhlog.bad-_"),
        (b"a.lhlog.bad-1.txt", "a.lhlog.bad-1.txt"),
        (b"a.lhpart~", "a.lhpart~_"),
        (b"a.lhpart~0123abcd", "a.lhpart~0123abcd_"),
        (b"a.lhlog~0123ABCD", "a.lhlog~0123ABCD_"),
        (b"a.lhnext~1", "a.lhnext~1_"),
        (b"a.lhmode~", "a.lhmode~_"),
        (b"a.LHMode~7", "a.LHMode~7_"),
        (b"a.lhpart~7.txt", "a.lhpart~7.txt"),
        (b"a.lhmode", "a.lhmode"),
        (b"a.lhpart.lhlog.bad-2", "a.lhpart.lhlog.bad-2_"),
        (b"a.lhpart.txt", "a.lhpart.txt"),
        (b".lhpart", "_.lhpart_"),
        (b"lhpart", "lhpart"),
        (b"%2e%2e%2fx", "%2e%2e%2fx"),
    ];
    for &(raw, want) in table {
        assert_eq!(safe_name(raw).as_str(), want, "{}", raw.escape_ascii());
    }
}

#[test]
fn long_names_are_cut_between_characters_and_keep_a_short_extension() {
    let long = "\u{e9}".repeat(300);
    for (raw, len, end) in [
        (format!("{long}.tar.gz"), 253, "\u{e9}.gz"),
        (format!("x{long}.gz"), 254, "\u{e9}.gz"),
        (format!("{long}.{}", "e".repeat(20)), 254, "\u{e9}"),
        (format!("{long}.a b"), 254, "\u{e9}"),
        (long.clone(), 254, "\u{e9}"),
        (format!("{}.lhpart", "x".repeat(300)), 255, "x.lhpart_"),
        (format!("{}.{}", "x".repeat(253), "y".repeat(100)), 253, "x"),
        (format!("{}.lhlog.{}", "x".repeat(248), "y y".repeat(100)), 255, "x.lhlog_"),
        (format!(".{}", "y".repeat(300)), 254, "y"),
    ] {
        let name = safe_name(raw.as_bytes());
        assert!(name.as_str().ends_with(end), "{name}");
        assert_eq!(name.as_str().len(), len, "{name}");
    }
}

#[test]
fn the_suggested_name_wins_over_the_url_when_usable() {
    let table: &[(Option<&[u8]>, &str, &str)] = &[
        (Some(b"a.txt"), "/b.txt", "a.txt"),
        (Some(b".."), "/b.txt", "b.txt"),
        (Some(b""), "/b.txt", "b.txt"),
        (Some(b"a%20b"), "/", "a%20b"),
        (None, "/x/b.txt", "b.txt"),
        (None, "/x/a%20b.txt", "a b.txt"),
        (None, "/x/a%2Fb.txt", "b.txt"),
        (None, "/x/a%5cb.txt", "b.txt"),
        (None, "/%2e%2e", FALLBACK),
        (None, "/x/%00.txt", "_.txt"),
        (None, "/x/%E9.txt", "\u{e9}.txt"),
        (None, "/x/%E6%96%87", "\u{6587}"),
        (None, "/x/100%", "100%"),
        (None, "/x/%zz", "%zz"),
        (None, "/x/", FALLBACK),
        (None, "/", FALLBACK),
        (None, "", FALLBACK),
    ];
    for &(suggested, path, want) in table {
        assert_eq!(name_from(suggested, path).as_str(), want, "{suggested:?} {path}");
    }
}

/// Goal: the promises of the module hold for any bytes. Method: random pieces that matter, 200,000 times from a seed.
#[test]
fn random_names_are_always_safe() {
    const PIECES: [&[u8]; 32] = [
        b".",
        b"..",
        b"/",
        b"\\",
        b" ",
        b"-",
        b"~",
        b"\0",
        b"\xff",
        b"\xe2\x80\xae",
        b"\xc2\x85",
        b"\xe3\x80\x80",
        b"CON",
        b"com1",
        b"nul",
        b".lhpart",
        b".lhnext",
        b".lhlog",
        b".lhlog~",
        b".lhpart~",
        b".lhmode~",
        b".lhlog.bad-",
        b"7",
        b"_",
        b":",
        b"\x1b",
        b"a",
        b"\xf0\x9f\xa6\x80",
        b"%2f",
        b".gz",
        b"\xef\xbb\xbf",
        b"long-enough-to-reach-the-limit-of-what-file-systems-take-in-one-name-long-enough-to-reach-the-limit-of-them",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..200_000 {
        let mut raw: Vec<u8> = (0..below(10)).flat_map(|_| PIECES[below(PIECES.len())]).copied().collect();
        if below(3) == 0 {
            raw.extend((0..below(40)).map(|_| below(256) as u8));
        }
        let safe = safe_name(&raw);
        let name = safe.as_str();
        let why = format!("{} -> {name}", raw.escape_ascii());
        assert!(!name.is_empty() && name.len() <= NAME_LEN_MAX, "{why}");
        assert!(!name.starts_with(['.', '-', '~', ' ']), "{why}");
        assert!(!name.ends_with(['.', ' ']), "{why}");
        assert!(!name.contains(|c: char| c.is_control() || "/\\<>:\"|?*\u{202e}\u{feff}".contains(c)), "{why}");
        let lower = name.to_ascii_lowercase();
        assert!(!longhaul_core::names::is_ours(&lower), "{why}");
        let stem = lower.split('.').next().unwrap().trim_end();
        assert!(!["con", "nul", "com1"].contains(&stem), "{why}");
        let mut components = std::path::Path::new(name).components();
        assert!(matches!(components.next(), Some(std::path::Component::Normal(_))), "{why}");
        assert!(components.next().is_none(), "{why}");
        assert_eq!(safe_name(name.as_bytes()), safe, "a safe name stays as it is: {why}");
        let _ = name_from(Some(&raw), &String::from_utf8_lossy(&raw));
    }
}

#[test]
fn what_is_no_page_is_known_by_its_ending() {
    for (name, no_page) in [
        ("data.zip", true),
        ("DATA.ZIP", true),
        ("a.tar.gz", true),
        ("/pub/a.tgz", true),
        ("model.safetensors", true),
        ("index.html", false),
        ("index.php", false),
        ("a.zip.html", false),
        ("release-1.2", false),
        ("zip", false),
        (".zip", false),
        ("data.", false),
        ("data.zip/", false),
        ("", false),
        ("caf\u{e9}.z\u{131}p", false),
    ] {
        assert_eq!(ending_of_no_page(name).is_some(), no_page, "{name}");
    }
    assert_eq!(ending_of_no_page("/mirror/Data.ZIP"), ending_of_no_page("data.zip"));
    assert_ne!(ending_of_no_page("/mirror/data.zip"), ending_of_no_page("data.iso"));
}
