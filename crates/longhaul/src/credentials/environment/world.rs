//! What may a search for keys touch? Variables and files of the user, a few small requests, and the command that a
//! profile names; each bounded in time and size.
//!
//! The `reqsign` crates know what the vendors' chains ask whom; they reach the world only by way of a [`Look`]. It
//! takes down which files were looked at, so that a change of one of them is noticed, and whether a request found
//! nobody. What somebody answered never gets into an error: error replies of token services repeat what was sent to
//! them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqsign_core::{CommandExecute, CommandOutput, Context, Env, FileRead, HttpSend};

use super::Environment;
use super::ini::Ini;
use crate::error::{Disposition, Error, ErrorKind};
use crate::store::{BadOption, HttpOptions, errand_client};
use crate::sync::locked;
use crate::threads;

/// A profile file, a token: what is longer is none.
const FILE_LEN_MAX: u64 = 1 << 20;
/// A reply with keys in it has about 4 KiB.
const REPLY_LEN_MAX: usize = 1 << 20;
/// What a token service may take, connecting included.
const ERRAND_TIMEOUT: Duration = Duration::from_secs(10);
/// What the metadata service of an instance may take until it is taken for absent: it is one hop away.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
/// What a command may take: it may ask a person for a second factor.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Whom a search for keys can ask.
pub(crate) struct World {
    pub(super) environment: Environment,
    /// By way of proxies, as transfers go.
    web: reqwest::Client,
    /// Never by way of a proxy: a metadata service answers for the machine that asks it.
    direct: reqwest::Client,
}

impl World {
    pub(crate) fn new(environment: Environment, options: &HttpOptions) -> Result<Self, BadOption> {
        let metadata = HttpOptions { connect_timeout: METADATA_TIMEOUT, ..options.clone() };
        let (web, direct) = (errand_client(options, false)?, errand_client(&metadata, true)?);
        Ok(Self { environment, web, direct })
    }

    /// A search begins.
    pub(super) fn look(&self) -> Look<'_> {
        Look { world: self, notes: Arc::default() }
    }
}

/// One search.
pub(super) struct Look<'a> {
    pub(super) world: &'a World,
    notes: Arc<Notes>,
}

/// What a search came by.
#[derive(Debug, Default)]
struct Notes {
    files: Mutex<Vec<Stamp>>,
    /// No service answered a request of the last errand.
    nobody: AtomicBool,
}

impl Look<'_> {
    /// For providers that ask services on the net.
    pub(super) fn context(&self) -> Context {
        self.by_way_of(self.world.web.clone(), ERRAND_TIMEOUT)
    }

    /// For providers that ask the machine's own metadata service. After the first request that finds nobody, no other
    /// is sent.
    pub(super) fn metadata_context(&self) -> Context {
        self.by_way_of(self.world.direct.clone(), METADATA_TIMEOUT)
    }

    fn by_way_of(&self, client: reqwest::Client, timeout: Duration) -> Context {
        self.notes.nobody.store(false, Ordering::Relaxed);
        Context::new()
            .with_env(Variables(self.world.environment.clone()))
            .with_file_read(Files(Arc::clone(&self.notes)))
            .with_http_send(Web { client, timeout, notes: Arc::clone(&self.notes) })
            .with_command_execute(Commands)
    }

    /// Whether no service answered the last errand.
    pub(super) fn found_nobody(&self) -> bool {
        self.notes.nobody.load(Ordering::Relaxed)
    }

    /// A file's content; `None` when it is not there. Its name is taken down in either case.
    pub(super) async fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        match Files(Arc::clone(&self.notes)).read(path).await {
            Ok(content) => Ok(Some(content)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => {
                let text = format!("{} cannot be read", path.display());
                let error = Error::new(ErrorKind::LocalFile, Disposition::Permanent, text).caused_by(error);
                Err(error.with("path", path.display()))
            }
        }
    }

    /// The same, taken apart; empty when it is not there.
    pub(super) async fn ini(&self, path: Option<&Path>) -> Result<Ini, Error> {
        let Some(path) = path else { return Ok(Ini::default()) };
        Ok(self.file(path).await?.map(|text| Ini::parse(&String::from_utf8_lossy(&text))).unwrap_or_default())
    }

    /// The files that were looked at.
    pub(super) fn files(self) -> Vec<Stamp> {
        std::mem::take(&mut *locked(&self.notes.files))
    }
}

/// A file as it was when it was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    /// Length and modification time; none when it was not there.
    state: Option<(u64, Option<SystemTime>)>,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let state = std::fs::metadata(path).ok().map(|data| (data.len(), data.modified().ok()));
        Self { path: path.to_owned(), state }
    }

    /// Whether the file is still the same.
    pub(super) fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

#[derive(Debug)]
struct Variables(Environment);

impl Env for Variables {
    fn var(&self, key: &str) -> Option<String> {
        self.0.variable(key).map(str::to_owned)
    }

    fn vars(&self) -> std::collections::HashMap<String, String> {
        self.0.variables().clone()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        self.0.home().map(Path::to_owned)
    }
}

#[derive(Debug)]
struct Files(Arc<Notes>);

impl Files {
    async fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        use std::io::{Error, ErrorKind, Read as _};
        let path = path.to_owned();
        let reading = threads::run(move || {
            // Stamped first: what changes while it is read is read again.
            let stamp = Stamp::of(&path);
            let mut content = Vec::new();
            // A pipe would wait for its writer.
            let read = match std::fs::metadata(&path) {
                Ok(data) if data.is_file() => {
                    std::fs::File::open(&path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut content))
                }
                Ok(_) => Err(Error::new(ErrorKind::InvalidInput, "it is no regular file")),
                Err(error) => Err(error),
            };
            (stamp, read.map(|_| content))
        });
        let (stamp, content) = reading.await;
        let mut files = locked(&self.0.files);
        files.retain(|known| known.path != stamp.path);
        files.push(stamp);
        match content? {
            content if content.len() as u64 > FILE_LEN_MAX => {
                Err(Error::new(ErrorKind::FileTooLarge, "it is too long"))
            }
            content => Ok(content),
        }
    }
}

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        let read = self.read(Path::new(path)).await;
        read.map_err(|e| reqsign_core::Error::config_invalid(format!("{path} cannot be read")).with_source(e))
    }
}

struct Web {
    client: reqwest::Client,
    timeout: Duration,
    notes: Arc<Notes>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").finish_non_exhaustive()
    }
}

impl HttpSend for Web {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        use reqsign_core::Error;
        let nobody = || {
            self.notes.nobody.store(true, Ordering::Relaxed);
            Error::unexpected("nobody answered")
        };
        if self.notes.nobody.load(Ordering::Relaxed) {
            return Err(nobody());
        }
        // Errors of reqwest name the URL, in which there may be a token.
        let request = reqwest::Request::try_from(request).map_err(|_| Error::request_invalid("not a request"))?;
        let exchange = async {
            let mut reply = self.client.execute(request).await.ok()?;
            let mut body = Vec::new();
            while let Some(chunk) = reply.chunk().await.ok()? {
                body.extend_from_slice(&chunk);
                if body.len() > REPLY_LEN_MAX {
                    return None;
                }
            }
            let mut answer = http::Response::new(Bytes::from(body));
            *answer.status_mut() = reply.status();
            std::mem::swap(answer.headers_mut(), reply.headers_mut());
            Some(answer)
        };
        let answer = tokio::time::timeout(self.timeout, exchange).await.ok().flatten();
        answer.ok_or_else(nobody)
    }
}

/// Runs what a profile names as `credential_process`. Its words are taken apart as a shell does, but no shell runs.
#[derive(Debug)]
struct Commands;

impl CommandExecute for Commands {
    async fn command_execute(&self, program: &str, args: &[&str]) -> reqsign_core::Result<CommandOutput> {
        use reqsign_core::Error;
        use tokio::io::AsyncReadExt as _;
        // The crate has split the line at blanks; quoted words are put together again.
        let line = std::iter::once(program).chain(args.iter().copied()).collect::<Vec<_>>().join(" ");
        let words = words(&line).ok_or_else(|| Error::config_invalid("the command has a quote without an end"))?;
        let (program, args) = words.split_first().ok_or_else(|| Error::config_invalid("the command is empty"))?;
        let run = async {
            let mut child = tokio::process::Command::new(program)
                .args(args)
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            let mut stdout = Vec::new();
            if let Some(pipe) = child.stdout.take() {
                pipe.take(REPLY_LEN_MAX as u64).read_to_end(&mut stdout).await?;
            }
            let status = child.wait().await?.code().unwrap_or(-1);
            Ok::<_, std::io::Error>(CommandOutput { status, stdout, stderr: Vec::new() })
        };
        match tokio::time::timeout(COMMAND_TIMEOUT, run).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(Error::config_invalid("the command cannot be run").with_source(error)),
            Err(_) => Err(Error::unexpected("the command did not end")),
        }
    }
}

/// The words of a line, with quotes and backslashes as POSIX shells read them; `None` when a quote has no end.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().push(chars.next()?),
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        let table: [(&str, Option<&[&str]>); 6] = [
            ("a b  c", Some(&["a", "b", "c"])),
            (r#""/opt/my tools/x" --user 'a "b"' """#, Some(&["/opt/my tools/x", "--user", "a \"b\"", ""])),
            (r"a\ b c\\d", Some(&["a b", "c\\d"])),
            ("", Some(&[])),
            ("'open", None),
            ("a\\", None),
        ];
        for (line, want) in table {
            let words = super::words(line);
            assert_eq!(
                words.as_deref().map(|w| w.iter().map(String::as_str).collect()),
                want.map(<[_]>::to_vec),
                "{line}"
            );
        }
    }
}
