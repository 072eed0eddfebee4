//! What do aria2's options mean here?
//!
//! | | |
//! |---|---|
//! | where to | `dir`, `out` |
//! | with what | `header`, `referer`, `user-agent`, `http-user`, `http-passwd`, `all-proxy`, `http-proxy`, `https-proxy` |
//! | how fast | `split`, `max-connection-per-server`, `max-download-limit`, `lowest-speed-limit`, `timeout` |
//! | which | `checksum`, `allow-overwrite`, `auto-file-renaming`, `remote-time` |
//! | in the list | `gid`, `pause` |
//!
//! What would read or run files of this machine is refused. All other options are passed over, as aria2 does with
//! names that it does not know: front-ends send back whatever they were shown.

use std::path::{Path, PathBuf};

use longhaul::Digest;
use longhaul::manager::{EntrySecrets, Existing, Gid, Options};
use serde_json::{Map, Value};

use super::wire::Fault;

/// More connections than this are not opened for one entry.
const CONNECTIONS_MAX: u32 = 64;
/// aria2's own `timeout`, in seconds: what `lowest-speed-limit` is measured over here where none is given.
const STALL_SECONDS: u64 = 60;

/// What an add or a change asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) dir: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) gid: Option<Gid>,
    pub(crate) pause: bool,
    pub(crate) options: Options,
    /// What no file may hold; `None`: none was given.
    pub(crate) secrets: Option<Secrets>,
}

/// [`EntrySecrets`] that can be compared.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secrets {
    headers: Vec<(String, String)>,
    auth: Option<(String, String)>,
    proxy_auth: Option<(String, String)>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl From<Secrets> for EntrySecrets {
    fn from(secrets: Secrets) -> Self {
        Self { headers: secrets.headers, auth: secrets.auth, proxy_auth: secrets.proxy_auth }
    }
}

/// The options of a call, each as texts: front-ends send numbers and booleans too, which aria2 passes over.
struct Given<'a>(&'a Map<String, Value>);

impl Given<'_> {
    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// What is there and not empty.
    fn filled(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.filled(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(fault(name)),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.filled(name).map(|text| text.parse().map_err(|_| fault(name))).transpose()
    }

    /// Bytes; `K` and `M` are 1024 and its square (aria2's manual, section OPTIONS).
    fn bytes(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.filled(name).map(|text| bytes(&text).ok_or_else(|| fault(name))).transpose()
    }

    fn connections(&self) -> Result<Option<u32>, Fault> {
        let mut least = None;
        for name in ["split", "max-connection-per-server"] {
            if let Some(number) = self.number(name)? {
                let number = u32::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| fault(name))?;
                let number = number.min(CONNECTIONS_MAX);
                least = Some(least.map_or(number, |least: u32| least.min(number)));
            }
        }
        Ok(least)
    }

    /// One header, several in a list, or several lines.
    fn header_lines(&self) -> Vec<String> {
        let texts: Vec<&str> = match self.0.get("header") {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// aria2's words for a value that it cannot use. The value is not repeated: it may be a password.
fn fault(name: &str) -> Fault {
    Fault::new(format!("We encountered a problem while processing the option '--{name}'."))
}

fn bytes(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b'K' | b'k' => 1 << 10,
        b'M' | b'm' => 1 << 20,
        _ => 1,
    };
    let digits = if unit == 1 { text } else { &text[..text.len() - 1] };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Options that name files of this machine which would be read, run or written.
const REFUSED: [&str; 10] = [
    "load-cookies",
    "save-cookies",
    "netrc-path",
    "ca-certificate",
    "certificate",
    "private-key",
    "rpc-certificate",
    "rpc-private-key",
    "input-file",
    "server-stat-if",
];

fn refuse_files(given: &Given<'_>) -> Result<(), Fault> {
    let named = |name: &String| REFUSED.contains(&name.as_str()) || name.starts_with("on-");
    let mut names = given.0.keys().filter(|name| named(name));
    if let Some(name) = names.find(|name| given.filled(name).is_some()) {
        return Err(Fault::new(format!("--{name} is not for callers of the RPC: it names a file of this machine")));
    }
    if given.flag("check-certificate")? == Some(false) {
        return Err(Fault::new("--check-certificate=false is not possible: certificates are always checked"));
    }
    Ok(())
}

impl Wish {
    /// Reads what was given, onto what counts so far.
    ///
    /// # Errors
    /// Names the option whose value cannot be used.
    pub(crate) fn read(options: &Map<String, Value>, mut onto: Options) -> Result<Self, Fault> {
        let given = Given(options);
        refuse_files(&given)?;
        read_into(&given, &mut onto)?;
        Ok(Self {
            dir: given.filled("dir").map(PathBuf::from),
            out: given.filled("out").map(|out| safe_out(&out)).transpose()?,
            gid: given.filled("gid").map(|text| gid(&text)).transpose()?,
            pause: given.flag("pause")?.unwrap_or(false),
            options: onto,
            secrets: secrets(&given)?,
        })
    }
}

fn read_into(given: &Given<'_>, options: &mut Options) -> Result<(), Fault> {
    options.connections = given.connections()?.or(options.connections);
    options.limit_rate = given.bytes("max-download-limit")?.unwrap_or(options.limit_rate);
    options.remote_time = given.flag("remote-time")?.unwrap_or(options.remote_time);
    for name in ["checksum"] {
        if let Some(text) = given.filled(name) {
            options.checksums = vec![checksum(&text).ok_or_else(|| fault(name))?];
        }
    }
    match (given.flag("allow-overwrite")?, given.flag("auto-file-renaming")?) {
        (Some(true), _) => options.existing = Existing::Overwrite,
        (_, Some(false)) => options.existing = Existing::Ask,
        (_, Some(true)) => options.existing = Existing::Rename,
        (_, None) => {}
    }
    let seconds = given.number("timeout")?;
    if let Some(rate) = given.bytes("lowest-speed-limit")? {
        options.stall = (rate > 0).then(|| (rate, seconds.unwrap_or(STALL_SECONDS).max(1)));
    }
    for name in ["all-proxy", "http-proxy", "https-proxy"] {
        if let Some(text) = given.text(name) {
            options.proxy = if text.is_empty() { None } else { Some(proxy(&text).ok_or_else(|| fault(name))?.0) };
        }
    }
    // Nothing here follows from these; what is no value of theirs is still said, as aria2 does.
    for name in ["max-tries", "retry-wait", "connect-timeout"] {
        given.number(name)?;
    }
    given.bytes("min-split-size")?;
    for name in ["continue", "conditional-get", "check-integrity", "dry-run"] {
        given.flag(name)?;
    }
    Ok(())
}

/// `TYPE=DIGEST`.
fn checksum(text: &str) -> Option<Digest> {
    let (kind, hex) = text.split_once('=')?;
    // Both have to be there: digits alone are a digest to longhaul, and not to aria2.
    format!("{kind}={hex}").parse().ok()
}

/// The proxy without user and password, and these.
fn proxy(text: &str) -> Option<(String, Option<(String, String)>)> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = url::Url::parse(&whole).ok().filter(url::Url::has_host)?;
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let auth =
        (!url.username().is_empty()).then(|| (decode(url.username()), decode(url.password().unwrap_or_default())));
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some((url.to_string(), auth))
}

fn secrets(given: &Given<'_>) -> Result<Option<Secrets>, Fault> {
    let mut secrets = Secrets::default();
    for line in given.header_lines() {
        let (name, value) = line.split_once(':').ok_or_else(|| fault("header"))?;
        let (name, value) = (name.trim(), value.trim());
        let is_legal = name.parse::<http::HeaderName>().is_ok() && http::HeaderValue::from_str(value).is_ok();
        if !is_legal {
            return Err(fault("header"));
        }
        secrets.headers.push((name.to_owned(), value.to_owned()));
    }
    for (option, name) in [("referer", "Referer"), ("user-agent", "User-Agent")] {
        // A header of that name says more than the option. `*`: the link itself, which servers do not ask for.
        let stands = secrets.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if let Some(value) = given.filled(option).filter(|value| !stands && value != "*") {
            http::HeaderValue::from_str(&value).map_err(|_| fault(option))?;
            secrets.headers.push((name.to_owned(), value));
        }
    }
    if let Some(user) = given.filled("http-user") {
        secrets.auth = Some((user, given.text("http-passwd").unwrap_or_default()));
    }
    for name in ["all-proxy", "http-proxy", "https-proxy"] {
        if let Some(text) = given.filled(name) {
            secrets.proxy_auth = proxy(&text).and_then(|(_, auth)| auth).or(secrets.proxy_auth);
        }
        if let Some(user) = given.filled(&format!("{name}-user")) {
            secrets.proxy_auth = Some((user, given.text(&format!("{name}-passwd")).unwrap_or_default()));
        }
    }
    Ok((secrets != Secrets::default()).then_some(secrets))
}

/// A name, or a path downwards: what it is made of is made safe where the file is created.
fn safe_out(out: &str) -> Result<PathBuf, Fault> {
    use std::path::Component;
    let path = Path::new(out);
    let is_drive = out.as_bytes().get(1) == Some(&b':') && out.as_bytes()[0].is_ascii_alphabetic();
    let downwards = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let is_usable = downwards && !is_drive && !out.contains('\0') && path.file_name().is_some();
    is_usable.then(|| path.to_owned()).ok_or_else(|| Fault::new(format!("--out={out} leads out of its folder")))
}

/// 16 hexadecimal digits, not all 0.
fn gid(text: &str) -> Result<Gid, Fault> {
    let is_gid = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = if is_gid { u64::from_str_radix(text, 16).ok() } else { None };
    value.filter(|value| *value != 0).map(Gid).ok_or_else(|| Fault::new(format!("Invalid GID {text}")))
}

/// What the settings of all entries become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GlobalWish {
    pub(crate) dir: Option<PathBuf>,
    pub(crate) most: Option<u32>,
    pub(crate) limit_rate: Option<u64>,
    pub(crate) limit_upload_rate: Option<u64>,
    pub(crate) limit_rate_each: Option<u64>,
    pub(crate) connections: Option<u32>,
    pub(crate) user_agent: Option<String>,
    pub(crate) history: Option<u32>,
    pub(crate) save_session: Option<PathBuf>,
    /// Names that mean nothing here.
    pub(crate) passed_over: Vec<String>,
}

impl GlobalWish {
    /// Reads what was given.
    ///
    /// # Errors
    /// Names the option whose value cannot be used.
    pub(crate) fn read(options: &Map<String, Value>) -> Result<Self, Fault> {
        let given = Given(options);
        let small = |name: &str, least: u64| -> Result<Option<u32>, Fault> {
            let number = given.number(name)?;
            let number = number.map(|number| u32::try_from(number).ok().filter(|_| number >= least));
            number.map(|number| number.ok_or_else(|| fault(name))).transpose()
        };
        let known = Self {
            dir: given.filled("dir").map(PathBuf::from),
            most: small("max-concurrent-downloads", 1)?,
            limit_rate: given.bytes("max-overall-download-limit")?,
            limit_upload_rate: given.bytes("max-overall-upload-limit")?,
            limit_rate_each: given.bytes("max-download-limit")?,
            connections: given.connections()?,
            user_agent: given.text("user-agent"),
            history: small("max-download-result", 0)?,
            save_session: given.filled("save-session").map(PathBuf::from),
            passed_over: options.keys().filter(|name| !GLOBAL.contains(&name.as_str())).cloned().collect(),
        };
        Ok(known)
    }
}

/// The names that [`GlobalWish`] knows.
const GLOBAL: [&str; 10] = [
    "dir",
    "max-concurrent-downloads",
    "max-overall-download-limit",
    "max-overall-upload-limit",
    "max-download-limit",
    "max-connection-per-server",
    "split",
    "user-agent",
    "max-download-result",
    "save-session",
];

#[cfg(test)]
mod tests {
    use longhaul::DigestKind;
    use serde_json::json;

    use super::*;

    fn read(options: Value) -> Result<Wish, String> {
        Wish::read(options.as_object().unwrap(), Options::default()).map_err(|fault| fault.message)
    }

    #[test]
    fn what_front_ends_send_is_understood() {
        let sha = "ab".repeat(32);
        let wish = read(json!({
            "dir": "/d", "out": "a/b.bin", "gid": "00000000000000aa", "pause": true, "split": "16",
            "max-connection-per-server": 4, "max-download-limit": "20K", "checksum": format!("sha-256={sha}"),
            "remote-time": "true", "allow-overwrite": "true", "bt-max-peers": "55", "seed-ratio": "1.0",
            "lowest-speed-limit": "1K", "timeout": "10",
        }))
        .unwrap();
        assert_eq!((wish.dir, wish.out), (Some("/d".into()), Some("a/b.bin".into())));
        assert_eq!((wish.gid, wish.pause), (Some(Gid(0xaa)), true));
        assert_eq!((wish.options.connections, wish.options.limit_rate), (Some(4), 20 << 10));
        assert_eq!(wish.options.checksums, [Digest::new(DigestKind::Sha256, vec![0xab; 32]).unwrap()]);
        assert!(wish.options.remote_time);
        assert_eq!((wish.options.existing, wish.options.stall), (Existing::Overwrite, Some((1024, 10))));
        assert_eq!(wish.secrets, None);
    }

    #[test]
    fn headers_come_as_one_text_a_list_or_lines() {
        for header in [json!("Cookie: a=b\nX-Y: 1"), json!(["Cookie: a=b", "X-Y:1"])] {
            let wish = read(json!({ "header": header, "referer": "http://r/", "user-agent": "UA" })).unwrap();
            let secrets: EntrySecrets = wish.secrets.unwrap().into();
            let names: Vec<&str> = secrets.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["Cookie", "X-Y", "Referer", "User-Agent"]);
        }
        let wish = read(json!({ "header": "User-Agent: mine", "user-agent": "other" })).unwrap();
        assert_eq!(EntrySecrets::from(wish.secrets.unwrap()).headers, [("User-Agent".to_owned(), "mine".to_owned())]);
    }

    #[test]
    fn passwords_leave_the_options() {
        let wish =
            read(json!({ "all-proxy": "http://u:p%40@proxy:3128", "http-user": "me", "http-passwd": "pw" })).unwrap();
        assert_eq!(wish.options.proxy.as_deref(), Some("http://proxy:3128/"));
        assert!(!format!("{wish:?}").contains("pw"));
        let secrets: EntrySecrets = wish.secrets.unwrap().into();
        assert_eq!(secrets.proxy_auth, Some(("u".to_owned(), "p@".to_owned())));
        assert_eq!(secrets.auth, Some(("me".to_owned(), "pw".to_owned())));
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_as_aria2_names_it() {
        let recorded: Value = serde_json::from_str(include_str!("../../tests/aria2/wire.json")).unwrap();
        let cases = recorded["bad_options"].as_array().unwrap();
        assert!(cases.len() >= 6, "{}", cases.len());
        for case in cases {
            let message = case["message"].as_str().unwrap().to_owned();
            assert_eq!(read(case["options"].clone()).map(|_| ()), Err(message), "{case}");
        }
    }

    #[test]
    fn files_of_this_machine_are_not_for_callers() {
        for name in ["load-cookies", "save-cookies", "on-download-complete", "netrc-path", "ca-certificate"] {
            assert!(read(json!({ name: "/etc/passwd" })).unwrap_err().contains(name));
        }
        assert!(read(json!({ "check-certificate": "false" })).is_err());
        assert!(read(json!({ "check-certificate": "true", "on-download-stop": "" })).is_ok());
    }

    #[test]
    fn out_leads_downwards_only() {
        for out in ["../x", "/etc/x", "a/../../x", "C:\\x", "..", ".", "a\0b"] {
            assert!(read(json!({ "out": out })).is_err(), "{out}");
        }
        assert!(read(json!({ "out": "a/./b" })).is_ok());
    }

    #[test]
    fn settings_of_all_are_read_the_same_way() {
        let wish =
            json!({ "max-concurrent-downloads": "3", "max-overall-download-limit": "1M", "log": "/x", "split": "5" });
        let wish = GlobalWish::read(wish.as_object().unwrap()).unwrap();
        assert_eq!((wish.most, wish.limit_rate, wish.connections), (Some(3), Some(1 << 20), Some(5)));
        assert_eq!(wish.passed_over, ["log"]);
        for bad in [json!({ "max-concurrent-downloads": "0" }), json!({ "max-overall-download-limit": "x" })] {
            assert!(GlobalWish::read(bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }
}
