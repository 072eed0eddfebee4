//! Values of flags: sizes and rates, seconds, checksums, headers, URLs. Each is parsed into a type that cannot be
//! wrong.
//!
//! Messages never repeat a value that may be secret (headers, URLs beyond their path).

use std::time::Duration;

use longhaul::source::{Dialect, redact_for_display};
use longhaul::{Connections, Digest, DigestTextFault, Error, ObjectName, ObjectPrefix, Source};

/// No flag of seconds takes more than a year: a larger number is a slip.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// Bytes, from `8M`, `1.5GiB`, `500k`, `1000`.
///
/// `K M G T` and `KiB MiB GiB TiB` are powers of 1024, as in curl and wget; `KB MB GB TB` are powers of 1000. Case does
/// not matter, and `/s` may follow.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number and a unit: 500k, 8M, 1.5GiB (1024), 20MB (1000)".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let bare = lower.strip_suffix("/s").unwrap_or(&lower);
    let digits_end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
    let (number, unit) = bare.split_at(digits_end);
    let factor: u64 = match unit.trim_start() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if number.contains('.') && (whole.is_empty() || part.is_empty() || part.len() > 6 || part.contains('.')) {
        return Err(wrong());
    }
    // In millionths, so that 0.1 means what it says.
    let millionths: u128 = format!("{whole}{part:0<6}").parse().map_err(|_| wrong())?;
    let bytes = millionths.checked_mul(u128::from(factor)).map(|m| m / 1_000_000);
    match bytes.and_then(|b| i64::try_from(b).ok()) {
        Some(bytes) if !whole.is_empty() => Ok(bytes.unsigned_abs()),
        Some(_) => Err(wrong()),
        None => Err("that is more than any file can have".into()),
    }
}

/// Bytes per second, more than none; written as a size.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("a rate of 0 would never end; leave it out for no limit".into()),
        rate => Ok(rate),
    }
}

/// `auto`, or a number from 1 to 64.
pub(crate) fn connections(text: &str) -> Result<Connections, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Connections::Auto);
    }
    let count: Option<u32> = text.parse().ok().filter(|count| (1..=64).contains(count));
    count.map(Connections::Fixed).ok_or_else(|| "it is a number from 1 to 64, or auto".to_owned())
}

/// A time in seconds, decimals allowed; more than zero.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim().parse().map_err(|_| "a time is a number of seconds: 30, 2.5".to_owned())?;
    if !(0.001..=SECONDS_MAX).contains(&seconds) {
        return Err("a time is between 0.001 seconds and a year".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// How long a link works: a number of seconds, or of minutes, hours or days with `m`, `h`, `d`; 7 days at most, which
/// is what stores take.
pub(crate) fn life(text: &str) -> Result<Duration, String> {
    let wrong = || "how long a link works is 900 (seconds), 15m, 12h or 7d at most".to_owned();
    units(text).filter(|s| (1..=7 * 86_400).contains(s)).map(Duration::from_secs).ok_or_else(wrong)
}

/// How old something is, in the same units.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    units(text).map(Duration::from_secs).ok_or_else(|| "an age is 900 (seconds), 15m, 12h or 30d".to_owned())
}

/// Seconds.
fn units(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// `KIND:HEX`; `KIND=HEX` too, which hands know from aria2; or the digits alone.
pub(crate) fn checksum(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|fault: DigestTextFault| fault.to_string())
}

/// Headers that say which bytes are wanted, and in what form: they are how resuming works, and not for others to set.
const OURS: [&str; 11] = [
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "accept-encoding",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
];

/// `Name: value`. The message names the header, never its value.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is 'Name: value'")?;
    let name = name.trim_end();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b); // RFC 9110, 5.6.2
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a header is 'Name: value', and the name has no spaces or signs in it".into());
    }
    if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        let lower = name.to_ascii_lowercase();
        let instead = match lower.starts_with("if-") && lower != "if-range" {
            true => format!("; give --{lower} to get"),
            false if lower == "range" => "; give --range".to_owned(),
            false => String::new(),
        };
        return Err(format!("the header {name} is set by longhaul itself and cannot be given{instead}"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
        return Err(format!("the value of the header {name} holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// `NAME=VALUE` of an object's own metadata; names go without `x-oss-meta-` or `x-amz-meta-`, and know no case.
pub(crate) fn meta(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("metadata is NAME=VALUE")?;
    let name = name.to_ascii_lowercase();
    let bare = ["x-oss-meta-", "x-amz-meta-"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err("a name of metadata has letters, digits and '-' only".into());
    }
    let value = value.trim_matches([' ', '\t']);
    if value.bytes().any(|b| !(0x20..0x7f).contains(&b)) {
        return Err(format!("the value of {bare} can have printable ASCII only; encode other text (%C3%A4)"));
    }
    Ok((bare.to_owned(), value.to_owned()))
}

/// `USER:PASSWORD`; the password may hold colons.
pub(crate) fn user(text: &str) -> Result<(String, String), String> {
    let (user, password) = text.split_once(':').ok_or(
        "--user takes USER:PASSWORD; to keep it out of the list of processes, put 'Authorization: Basic …' into a --header-file",
    )?;
    Ok((user.to_owned(), password.to_owned()))
}

/// A URL, or an object in a store.
pub(crate) fn source(text: &str) -> Result<Source, String> {
    let source: Source = text.parse().map_err(|error: Error| match text.parse::<ObjectPrefix>() {
        Ok(_) => format!("{error}; all objects that begin so are fetched with --recursive"),
        Err(_) => error.to_string(),
    })?;
    match &source {
        Source::Web(url) if url.with_secrets().contains(|c: char| c.is_whitespace() || c.is_control()) => {
            let shown = source.to_string();
            Err(format!("{shown:?} has a space in it; write %20, or quote each URL for itself"))
        }
        _ => Ok(source),
    }
}

/// The kind of store that a source is in.
pub(crate) fn store_of(source: &Source) -> Option<Dialect> {
    match source {
        Source::Object(name) => Some(name.dialect()),
        _ => None,
    }
}

/// What the names of objects begin with.
pub(crate) fn prefix(text: &str) -> Result<ObjectPrefix, String> {
    if Dialect::of(text).is_none() {
        let shown = redact_for_display(text);
        return Err(format!(
            "--recursive fetches from stores that list their objects (oss://, s3://), not from {shown}: a web server \
             has no such list; give the URL of each file, or a file of them with -i"
        ));
    }
    text.parse().map_err(|error: Error| error.to_string())
}

/// Where to: an object, or a prefix below which files keep their names.
pub(crate) fn destination(text: &str) -> Result<ObjectPrefix, String> {
    if Dialect::of(text).is_none() {
        let shown = redact_for_display(text);
        return Err(format!("{shown:?} is no place to upload to; give oss://BUCKET/KEY or s3://BUCKET/KEY"));
    }
    text.parse().map_err(|error: Error| error.to_string())
}

/// An object in a store.
pub(crate) fn object(text: &str) -> Result<ObjectName, String> {
    if Dialect::of(text).is_none() {
        let shown = redact_for_display(text);
        return Err(format!("{shown} is no object in a store: oss://BUCKET/KEY, s3://BUCKET/KEY"));
    }
    text.parse().map_err(|error: Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let good = [
            ("0", 0),
            ("1000", 1000),
            ("12b", 12),
            ("500k", 500 << 10),
            ("500K/s", 500 << 10),
            ("8M", 8 << 20),
            ("8 MiB", 8 << 20),
            ("1GiB", 1 << 30),
            ("1.5g", 3 << 29),
            ("0.1K", 102),
            ("20MB", 20_000_000),
            ("2tb", 2_000_000_000_000),
            ("3T", 3 << 40),
        ];
        for (text, bytes) in good {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        let bad = ["", "M", "-1", "1e9", ".5M", "5.M", "1.2.3", "8X", "8MM", "١", "0x10", "1.0000001M", "+5"];
        for text in bad {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["9999999999T", "99999999999999999999999999999999999999999999", "8388608T"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_connections() {
        assert_eq!((rate("8M"), rate("100/s")), (Ok(8 << 20), Ok(100)));
        assert!(rate("0").is_err() && rate("fast").is_err());
        assert_eq!(connections("Auto"), Ok(Connections::Auto));
        assert_eq!((connections("1"), connections("64")), (Ok(Connections::Fixed(1)), Ok(Connections::Fixed(64))));
        for text in ["0", "65", "-1", "", "many", "1.5"] {
            assert!(connections(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds(" 2.5"), Ok(Duration::from_millis(2500)));
        for text in ["", "0", "-1", "NaN", "inf", "1e300", "5m"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lives_of_links() {
        for (text, seconds) in
            [("1", 1), ("900s", 900), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("604800", 604_800)]
        {
            assert_eq!(life(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "8d", "604801", "-1", "1.5h", "1w", "h", "99999999999999999999d", "999999999999999999d"] {
            assert!(life(text).is_err(), "{text}");
        }
        assert_eq!((age("0").unwrap().as_secs(), age("30d").unwrap().as_secs()), (0, 2_592_000));
        assert!(age("a month").is_err() && age("99999999999999999999d").is_err() && age("9999999999999999d").is_err());
    }

    #[test]
    fn checksums() {
        use longhaul::DigestKind;
        let sha = "ab".repeat(32);
        let digest = checksum(&format!("sha256:{sha}")).unwrap();
        assert_eq!(digest.to_string(), format!("sha256:{sha}"));
        assert_eq!(checksum(&format!("SHA-256={}", sha.to_uppercase())).unwrap(), digest);
        assert_eq!(checksum(&sha).unwrap(), digest);
        for kind in DigestKind::ALL {
            assert!(checksum(&format!("{}:{}", kind.name(), "0f".repeat(kind.len()))).is_ok());
        }
        for text in ["", "sha256", "sha256:", "sha256:xyz", "sha1:00", "sha224:00", "md5:zz", ":", "sha256:0f"] {
            assert!(checksum(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(header("X-A: b: c "), pair("X-A", "b: c"));
        assert_eq!(header("X-Empty:"), pair("X-Empty", ""));
        for text in ["", "secret", ": secret", "a b: secret", "X: secret\nY: z", "range: secret", "X: secret\u{7f}"] {
            let message = header(text).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn metadata() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(meta("Camera=A7 "), pair("camera", "A7"));
        assert_eq!(meta("x-oss-meta-a-1=b=c"), pair("a-1", "b=c"));
        assert_eq!(meta("empty="), pair("empty", ""));
        for text in ["", "a", "=b", "a b=c", "a_b=c", "a=ä", "a=b\nc", "x-oss-meta-=b"] {
            assert!(meta(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sources() {
        for text in ["http://h/x", "https://h/a?b#c", "oss://bucket/k", "S3://bucket/a b?c#d"] {
            assert_eq!(source(text), Ok(text.parse().unwrap()));
        }
        for (text, says) in [
            ("example.com/x", "https://example.com/x"),
            ("ftp://h/x", "\"ftp\" URLs are not supported"),
            ("http://h/a b", "a space in it"),
            ("https://user:hunter2@h/x y?token=hunter2", "a space in it"),
            ("https://user:hunter2@h/x\u{1}", "a space in it"),
            ("oss://bucket/", "with --recursive"),
            ("s3://bucket", "with --recursive"),
            ("oss://", "the bucket is missing"),
            ("oss://me:hunter2@bucket/k", "no place for user and password"),
        ] {
            let message = source(text).unwrap_err();
            assert!(message.contains(says) && !message.contains("hunter2"), "{message}");
        }
        assert_eq!(prefix("oss://bucket").unwrap().to_string(), "oss://bucket/");
        assert!(prefix("https://h/").unwrap_err().contains("not from https://h/"));
        for text in ["films/a", "https://h/films", "oss:films", "oss://", "s3:///k", "s3://id:hush@films/k"] {
            let messages = [destination(text).unwrap_err(), object(text).unwrap_err()];
            assert!(messages.iter().all(|message| !message.contains("hush")), "{messages:?}");
        }
    }
}
