//! One download before it starts: what it is told, and what is looked at before the first request.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use longhaul_core::digest::Digest;
use longhaul_core::download::adopt::{Adoption, AdoptionProof};
use longhaul_core::download::{Config, journal};
use longhaul_core::identity::Identity;
use longhaul_core::ranges::Range;
use longhaul_core::read::{ReadPlan, Reading};
use longhaul_core::words::{Durability, Extent, OnChange};

use super::conditions::HttpConditions;
use super::{Client, Connections, Existing, ProxyChoice, RateLane};
use crate::advice::Advice;
use crate::disk::beside::copies::begun_as;
use crate::disk::beside::lock::Locking;
use crate::disk::beside::names::FileNames;
use crate::disk::folder::Folder;
use crate::disk::saved::SavedFiles;
use crate::drive::download::destination::{Below, Destination};
use crate::drive::download::run::DownloadRequest;
use crate::drive::read::{self, ObjectBytes, ReadRequest};
use crate::error::{Disposition, Error, ErrorKind};
use crate::partial::Partial;
use crate::random::{random_id, random_u64};
use crate::source::LinkSource;
use crate::source::{ByteRange, Source};
use crate::store::{Given, Origin};
use crate::threads;
use crate::transfer::{Transfer, download};

/// Settings of one download, which [`start`](Self::start) begins.
#[must_use = "nothing is downloaded before start()"]
pub struct DownloadBuilder {
    client: Client,
    source: Result<Source, Error>,
    version: Option<String>,
    range: Result<Option<ByteRange>, Error>,
    recorded: Option<journal::Source>,
    destination: Option<Destination>,
    create_dirs: bool,
    saved: Option<SavedFiles>,
    config: Config,
    connections: Connections,
    retries: Option<u32>,
    headers: Vec<(String, String)>,
    basic_auth: Option<(String, String)>,
    remote_time: bool,
    no_lock: bool,
    min_rate: u64,
    stall_timeout: Duration,
    links: Option<Arc<dyn LinkSource>>,
    only_if: HttpConditions,
    limit_rate: u64,
    lane: Option<RateLane>,
    proxy: Option<ProxyChoice>,
    id: Option<String>,
    renames: bool,
    partial: Option<Partial>,
    trust_samples: bool,
    /// What an earlier download of this file recorded of it.
    repairs: Option<Box<Repairs>>,
}

/// What is known of the blocks of a finished file.
pub(super) struct Repairs {
    /// Where it came from, without secrets.
    pub(super) source: String,
    pub(super) identity: Identity,
    pub(super) extents: Vec<Extent>,
}

/// Without what may be secret.
impl fmt::Debug for DownloadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, range) = (&self.source, &self.range);
        f.debug_struct("DownloadBuilder").field("source", source).field("range", range).finish_non_exhaustive()
    }
}

impl DownloadBuilder {
    /// The download that was interrupted, of the source that its journal names.
    pub(super) fn reopened(client: Client, recorded: journal::Source, target: PathBuf) -> Self {
        let builder = Self::new(client, recorded.url.parse()).to(target);
        Self { version: recorded.version.clone(), recorded: Some(recorded), ..builder }
    }

    pub(super) fn new(client: Client, source: Result<Source, Error>) -> Self {
        Self {
            client,
            source,
            version: None,
            range: Ok(None),
            recorded: None,
            destination: None,
            create_dirs: false,
            saved: None,
            config: Config::default(),
            connections: Connections::Auto,
            retries: None,
            headers: Vec::new(),
            basic_auth: None,
            remote_time: false,
            no_lock: false,
            min_rate: 1024,
            stall_timeout: Duration::from_secs(30),
            links: None,
            only_if: HttpConditions::default(),
            limit_rate: 0,
            lane: None,
            proxy: None,
            id: None,
            renames: false,
            partial: None,
            trust_samples: false,
            repairs: None,
        }
    }

    /// The download that mends a finished file.
    pub(super) fn mending(client: Client, source: Source, partial: Partial, repairs: Repairs) -> Self {
        let builder = Self::new(client, Ok(source)).to(partial.path()).adopt(partial);
        Self { repairs: Some(Box::new(repairs)), ..builder }
    }

    /// The link to use now, in place of the recorded one ([`Client::open`]).
    pub fn url<S>(mut self, link: S) -> Self
    where
        S: TryInto<Source>,
        Error: From<S::Error>,
    {
        self.source = link.try_into().map_err(Error::from);
        self
    }

    /// Where it comes from, unless that is refused.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref().ok()
    }

    /// The id of the download that is gone on with.
    pub(crate) fn recorded_id(&self) -> Option<[u8; 16]> {
        self.recorded.as_ref().map(|recorded| recorded.id)
    }

    /// This version of an object in a store, in place of the latest.
    pub fn version_id(mut self, id: impl Into<String>) -> Self {
        self.version = Some(id.into());
        self
    }

    /// Only these bytes of the object: `100-199` (both included, counted from 0), `100-` (to its end), `-100` (the last
    /// 100, or all when it has no more), or several of them separated by commas; `bytes=` may stand before them (RFC
    /// 9110, 14.1.2). The file holds the pieces one after the other, in the order given; they may overlap. At most
    /// 1,000.
    ///
    /// An end behind the object's is clipped. A piece of which the object has no byte is [`ErrorKind::Refused`] with
    /// the object's length in the context (`length`), and so is a server that does not serve ranges. Digests given with
    /// [`checksum`](Self::checksum) are of the file; those that the source declares are of the object, and compared
    /// only when the file is all of it. Several pieces need a strong validator, or a digest.
    pub fn range<R>(mut self, range: R) -> Self
    where
        R: TryInto<ByteRange>,
        Error: From<R::Error>,
    {
        self.range = range.try_into().map(Some).map_err(Error::from);
        self
    }

    /// The target file.
    pub fn to(mut self, file: impl Into<PathBuf>) -> Self {
        self.destination = Some(Destination::File(file.into()));
        self
    }

    /// The target folder; the name comes from the reply (`Content-Disposition`, RFC 6266), else from the URL, and is
    /// always one safe path component.
    pub fn into_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.destination = Some(Destination::Folder(folder.into()));
        self
    }

    /// The target file is at `path` below the folder `root`, which may be a link. No link below it is followed, at no
    /// time: a part of `path` that is a link, or no folder, ends the transfer with [`ErrorKind::Exists`]. A `path` that
    /// is empty or absolute, or has `.` or `..` in it, is [`ErrorKind::Usage`] at the start.
    pub fn below(mut self, root: impl Into<PathBuf>, path: impl AsRef<Path>) -> Self {
        self.destination = Some(match Below::new(root.into(), path.as_ref()) {
            Some(below) => Destination::Below(below),
            None => Destination::File(PathBuf::new()), // refused by `start`
        });
        self
    }

    /// The target is chosen when the suggested name is known; it is made safe before the function sees it.
    pub fn choose(mut self, choose: impl Fn(&str) -> PathBuf + Send + Sync + 'static) -> Self {
        self.destination = Some(Destination::Chosen(Arc::new(choose)));
        self
    }

    /// It takes the place of none of these files.
    pub(crate) fn beside_saved(mut self, saved: SavedFiles) -> Self {
        self.saved = Some(saved);
        self
    }

    /// Missing folders are created.
    pub fn create_dirs(mut self, create: bool) -> Self {
        self.create_dirs = create;
        self
    }

    /// An existing target that is not this download's may be replaced, when the new file is whole. A symbolic link is
    /// replaced itself, never followed; a folder is never replaced.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.config.overwrite = overwrite;
        self
    }

    /// What to do when a file stands at the target that is not this download's; [`Existing::Ask`] by default.
    ///
    /// [`Existing::Rename`] takes the next free name, `name.1.ext` to `name.255.ext`: also where an unfinished download of
    /// another source lies at the name, and where another program takes it while this one runs. No file is ever replaced
    /// then. A start of the same download finds what an earlier one began under such a name; [`Transfer::path`] and the
    /// outcome tell it. That the file at the name has the digest that was given is not looked at.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.config.overwrite = existing == Existing::Overwrite;
        self.renames = existing == Existing::Rename;
        self
    }

    /// A digest that the finished file must have. May be called several times; all must match. With a digest, bytes of
    /// several replies may be joined without a strong validator: the digest decides.
    pub fn checksum(mut self, digest: Digest) -> Self {
        self.config.expected.push(digest);
        self
    }

    /// Digests that the source declares are not compared. For sources whose digests are known to be of other bytes; a
    /// matching [`checksum`](Self::checksum) decides against them anyway.
    pub fn ignore_source_digest(mut self, ignore: bool) -> Self {
        self.config.ignore_declared = ignore;
        self
    }

    /// Only a file with a matching whole-object digest is published.
    pub fn require_verified(mut self, require: bool) -> Self {
        self.config.require_verified = require;
        self
    }

    /// A reply whose end cannot be proven (no length, ended by closing the connection) is refused.
    pub fn require_length(mut self, require: bool) -> Self {
        self.config.require_length = require;
        self
    }

    /// What to do when the object changes while bytes of an older version are held.
    pub fn on_change(mut self, on_change: OnChange) -> Self {
        self.config.on_change = on_change;
        self
    }

    /// What a power cut may cost. [`Durability::Power`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// Ranges in flight at once; [`Connections::Auto`] by default. A number is as good as [`Connections::Fixed`].
    pub fn connections(mut self, connections: impl Into<Connections>) -> Self {
        self.connections = connections.into();
        self
    }

    /// Failures in a row without progress before giving up; 10 by default.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// A connection that is slower than this many bytes per second, averaged over this time, counts as stalled;
    /// 1 KiB/s over 30 seconds by default. It covers everything from connecting to the last byte.
    pub fn stall(mut self, min_bytes_per_s: u64, timeout: Duration) -> Self {
        self.min_rate = min_bytes_per_s;
        self.stall_timeout = timeout;
        self
    }

    /// Bytes per second that this transfer takes at most, whatever its lane and its client may; 0, the default, is no
    /// limit. [`Transfer::set_limit_rate`] changes it.
    pub fn limit_rate(mut self, bytes_per_s: u64) -> Self {
        self.limit_rate = bytes_per_s;
        self
    }

    /// The transfer shares this lane's rate limit.
    pub fn lane(mut self, lane: RateLane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Which proxy this transfer goes by, in place of the client's; hosts that the client asks directly
    /// ([`no_proxy`](crate::ClientBuilder::no_proxy)) are asked directly all the same. Never stored. One that cannot be
    /// used is [`ErrorKind::Usage`], told by [`start`](Self::start).
    pub fn proxy(mut self, proxy: ProxyChoice) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The name of the transfer in lists: 32 hexadecimal digits, which no other transfer has; by default chance gives
    /// them. Others are [`ErrorKind::Usage`], told by [`start`](Self::start).
    ///
    /// What is gone on with keeps the name that it was begun under, whatever is said here: [`Transfer::id`] tells it.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// A header to send. Values are never stored, and never sent to another origin after a redirect.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// User and password for the source's origin (RFC 7617). Never stored.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.basic_auth = Some((user.into(), password.into()));
        self
    }

    /// The finished file gets the source's `Last-Modified` as its modification time.
    pub fn remote_time(mut self, remote_time: bool) -> Self {
        self.remote_time = remote_time;
        self
    }

    /// Goes on where the file system cannot lock. Two processes at the same transfer are then not noticed.
    pub fn no_lock(mut self, no_lock: bool) -> Self {
        self.no_lock = no_lock;
        self
    }

    /// Goes on from what another program fetched of the object, where this download has not brought a byte yet.
    ///
    /// Its bytes prove nothing of themselves. They are copied beside the target, in whole blocks, and published only under
    /// a digest of the whole, given by [`checksum`](Self::checksum) or declared by the source. If the whole does not have
    /// it, the other program's bytes are given up ([`Restart::Foreign`](crate::Restart::Foreign)), and the object is
    /// fetched. Where no digest is known, the start is refused ([`ErrorKind::NotProvable`]), but for
    /// [`trust_samples`](Self::trust_samples). Objects of up to 1 MiB are fetched anew.
    ///
    /// The file itself is only read. If it is the target, it is replaced when the finished file takes its name.
    pub fn adopt(mut self, partial: Partial) -> Self {
        self.partial = Some(partial);
        self
    }

    /// Without a digest of the whole, bytes that are [adopted](Self::adopt) count when samples of them, at their ends and
    /// at places chosen by chance, are what the source sends under a strong validator. That makes it likely that all of
    /// them are right, and proves it of the samples only: the outcome is [`Verified::Samples`](crate::Verified::Samples).
    pub fn trust_samples(mut self, trust: bool) -> Self {
        self.trust_samples = trust;
        self
    }

    /// Where fresh links come from when a signed one is refused.
    pub fn link_source(mut self, links: impl LinkSource + 'static) -> Self {
        self.links = Some(Arc::new(links));
        self
    }

    /// Only the version with this ETag (or `*`: any); quotes may be left out. Another one is
    /// [`ErrorKind::ConditionFailed`], and no byte of it is fetched.
    ///
    /// This and the other three conditions (RFC 9110, 13.1) say which version may be *begun*. What an earlier run began
    /// of a version that meets them is gone on with as always; otherwise the source is asked which version there is
    /// now, and what is held stays when that one is not wanted either. Servers that do not look at conditions are held
    /// to them by what their replies show.
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.only_if.if_match = Some(etag.into());
        self
    }

    /// Only a version with another ETag than this one, which the caller has already. Otherwise the transfer ends well
    /// at once, without one byte, and with [`Outcome::NotModified`](crate::Outcome::NotModified).
    pub fn if_none_match(mut self, etag: impl Into<String>) -> Self {
        self.only_if.if_none_match = Some(etag.into());
        self
    }

    /// Only a version that was modified after this time, which is cut to whole seconds; otherwise as
    /// [`if_none_match`](Self::if_none_match), beside which it does not count. A source that tells no time is fetched.
    pub fn if_modified_since(mut self, time: SystemTime) -> Self {
        self.only_if.modified_since = Some(time);
        self
    }

    /// Only a version that was not modified after this time, which is cut to whole seconds; otherwise as
    /// [`if_match`](Self::if_match), beside which it does not count. A source that tells no time is fetched.
    pub fn if_unmodified_since(mut self, time: SystemTime) -> Self {
        self.only_if.unmodified_since = Some(time);
        self
    }

    /// Starts, or resumes: what lies in the folder decides. Must be called inside a tokio runtime, whose timers are on.
    ///
    /// It returns when the disk was looked at, before the source is asked. A target on which another transfer of this
    /// program works is [`ErrorKind::InUse`], told by [`Transfer::finished`].
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a URL, header, range, ETag or target that cannot be used, and outside of a runtime;
    /// [`ErrorKind::NeedsLink`] when the recorded link had secrets and no new one was given.
    ///
    /// The rule: told here is what the arguments and the target's own name show (a folder stands there). What shows
    /// when the folder is opened and locked, or the source is asked, is told by [`Transfer::finished`]: a folder that
    /// is missing ([`ErrorKind::LocalFile`]), a file that is not this download's ([`ErrorKind::Exists`]), another
    /// transfer at work ([`ErrorKind::InUse`]), and everything of disk and network.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the download was not started.
    pub async fn start(self) -> Result<Transfer, Error> {
        let links = self.links.clone();
        let request = self.request().await?;
        Ok(download::begin(request, links))
    }

    /// Throws away what an earlier run of this download left: its partial file and its journal, and its entry in the
    /// list. The source is not asked, so a link whose secrets are not known any more will do, and the target itself is
    /// left alone. An empty place is no error. Of a download into a folder, what lies there of the same source is
    /// meant.
    ///
    /// # Errors
    /// As [`start`](Self::start); [`ErrorKind::InUse`] when a transfer works on it, [`ErrorKind::LocalFile`] when
    /// something cannot be removed.
    ///
    /// # Cancel safety
    /// When the future is dropped, part of it may be left: it can be called again.
    pub async fn discard(self) -> Result<(), Error> {
        threads::expect_runtime()?;
        let window = self.range?.map(ByteRange::into_window);
        let source = self.source?.with_version(self.version.as_deref())?;
        let ambiguous = source.is_ambiguous();
        let mut wanted =
            self.recorded.unwrap_or_else(|| journal::Source { url: source.to_string(), ..journal::Source::default() });
        wanted.window = window.unwrap_or(wanted.window);
        let destination = self.destination.unwrap_or_else(|| Destination::Folder(PathBuf::from(".")));
        let (client, locking) = (self.client, locking(self.no_lock));
        threads::run(move || client.discard_of(destination, &wanted, ambiguous, locking)).await
    }

    /// What a run needs.
    async fn request(self) -> Result<DownloadRequest, Error> {
        threads::expect_runtime()?;
        let window = self.range?.map(ByteRange::into_window);
        let source = self.source?.with_version(self.version.as_deref())?;
        let given_id = self.id.as_deref().map(given_id).transpose()?;
        let shown = source.to_string();
        let origin = self.client.origin(&source, &self.headers, self.basic_auth.as_ref(), self.proxy.as_ref()).await?;
        let is_recorded = |url: &str| url == shown && !source.has_secrets();
        if let Some(recorded) = self.recorded.as_ref().filter(|r| r.needs_link && is_recorded(&r.url)) {
            return Err(Error::new(
                ErrorKind::NeedsLink,
                Disposition::Permanent,
                format!("{}: the link had secrets, which are never stored", recorded.url),
            )
            .advise(Advice::FreshLink));
        }
        let destination = self.destination.unwrap_or_else(|| Destination::Folder(PathBuf::from(".")));
        let mut config = self.config;
        config.connections = self.connections.plan();
        if let Some(retries) = self.retries {
            config.retry.failures_max = retries;
        }
        if self.client.inner.state.is_none() {
            config.small_max = 0; // without receipts a crash behind the rename would leave a file that no later start recognises
        }
        config.link = source.link_facts(origin.given() != Given::Nothing);
        config.way_is_safe = origin.is_safe();
        config.began_s = now_unix_s();
        config.seed = random_u64();
        config.source = self.recorded.unwrap_or_else(|| journal::Source {
            id: given_id.unwrap_or_else(random_id),
            url: shown,
            name: Vec::new(),
            needs_link: source.has_secrets(),
            needs_headers: !self.headers.is_empty() || self.basic_auth.is_some(),
            ..journal::Source::default()
        });
        config.source.endpoint = origin.endpoint();
        config.source.version = source.version().map(str::to_owned);
        config.source.window = window.unwrap_or(config.source.window);
        config.only_if = self.only_if.conditions()?;
        config.wanted_name = wanted_name(&destination, &origin);
        let found =
            FoundOnDisk::look(&self.client, destination, &origin, &config.source, source.is_ambiguous()).await?;
        let destination = found.destination;
        config.connections_known = found.connections;
        let other = match (self.partial, self.repairs) {
            (Some(partial), Some(repairs)) => Some(offer_blocks(&partial, *repairs, &mut config)?),
            (Some(partial), None) => Some(offer(&partial, self.trust_samples, &destination, &mut config)?),
            (None, _) => None,
        };
        config.named = matches!(destination, Destination::File(_) | Destination::Below(_));
        let begun = if self.renames { begun_id(&destination, &config.source).await } else { found.id };
        config.source.id = begun.unwrap_or(config.source.id); // one transfer keeps one name
        Ok(DownloadRequest {
            origin,
            rates: self.client.rates(self.limit_rate, self.lane.as_ref()),
            config,
            other,
            destination,
            create_dirs: self.create_dirs,
            saved: self.saved,
            renames: self.renames,
            locking: locking(self.no_lock),
            remote_time: self.remote_time,
            min_rate: self.min_rate,
            stall_timeout: self.stall_timeout,
            state: self.client.inner.state.clone(),
            hosts: self.client.inner.hosts.clone(),
            folders: self.client.inner.folders.clone(),
        })
    }
}

impl DownloadBuilder {
    /// Reads the bytes as they come, and writes no file: for programs that pass them on, or unpack them. All settings
    /// count but those of a file, of connections (there is one) and of what becomes of a change (it ends the reading):
    /// nothing is kept, and nothing is gone on with later.
    ///
    /// Ready when a reply showed which version it is; [`ObjectBytes`] says what holds for its bytes.
    ///
    /// # Errors
    /// As [`start`](Self::start), and [`ErrorKind::Usage`] when a target was given; everything that a source can answer
    /// in place of the object. `if_none_match` and `if_modified_since` that hold are [`ErrorKind::NotProvable`]: there
    /// are no bytes to give.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the request is given up.
    pub async fn read(self) -> Result<ObjectBytes, Error> {
        threads::expect_runtime()?;
        if self.destination.is_some() {
            return Err(Error::usage("bytes that are read go to no file"));
        }
        let source = self.source?.with_version(self.version.as_deref())?;
        let origin = self.client.origin(&source, &self.headers, self.basic_auth.as_ref(), self.proxy.as_ref()).await?;
        let mut retry = self.config.retry;
        retry.failures_max = self.retries.unwrap_or(retry.failures_max);
        let only_if = Some(self.only_if.conditions()?).filter(|only_if| !only_if.is_empty());
        let plan = ReadPlan {
            window: self.range?.map(ByteRange::into_window).unwrap_or_default(),
            only_if,
            retry,
            seed: random_u64(),
            expected: self.config.expected,
            ignore_declared: self.config.ignore_declared,
            wanted_name: longhaul_core::names::name_from(None, &origin.path()).to_string(),
            link: source.link_facts(origin.given() != Given::Nothing),
            began_s: now_unix_s(),
        };
        let request = ReadRequest {
            origin,
            rates: self.client.rates(self.limit_rate, self.lane.as_ref()),
            source,
            reading: Reading::new(plan),
            require_verified: self.config.require_verified,
            min_rate: self.min_rate,
            stall_timeout: self.stall_timeout,
            links: self.links,
        };
        read::open(request).await
    }
}

/// What the disk tells before the start.
struct FoundOnDisk {
    /// Where the file goes; a folder only when no transfer of the same bytes lies in it.
    destination: Destination,
    /// The id of the transfer that lies there.
    id: Option<[u8; 16]>,
    /// How many connections the server took the last time.
    connections: Option<u32>,
}

impl FoundOnDisk {
    /// Looks on a thread: the disk may be slow, or a network's. The next of many that go into one folder needs none.
    async fn look(
        client: &Client,
        destination: Destination,
        origin: &Origin,
        source: &journal::Source,
        ambiguous: bool,
    ) -> Result<Self, Error> {
        let server = origin.server();
        if let Some(none) = Self::none_of_a_batch(client, &destination, &server, source, ambiguous) {
            return Ok(none);
        }
        let (client, source) = (client.clone(), source.clone());
        threads::run(move || Self::look_here(&client, destination, &server, &source, ambiguous)).await
    }

    /// Of many that go into one folder, which was looked through for one of them a moment ago: nothing of this source
    /// is there. `None` where that is not known, and has to be found out.
    fn none_of_a_batch(
        client: &Client,
        destination: &Destination,
        server: &str,
        source: &journal::Source,
        ambiguous: bool,
    ) -> Option<Self> {
        let inner = &client.inner;
        let Destination::Folder(folder) = destination else { return None };
        if ambiguous || !inner.search.knows_of_none(folder, &source.url, &source.window, inner.state.as_deref()) {
            return None;
        }
        let connections = inner.hosts.limit_in_memory(server, crate::now_unix_ms() / 1000)?;
        Some(Self { destination: destination.clone(), id: None, connections })
    }

    fn look_here(
        client: &Client,
        destination: Destination,
        server: &str,
        source: &journal::Source,
        ambiguous: bool,
    ) -> Result<Self, Error> {
        let connections = client.inner.hosts.limit(server, crate::now_unix_ms() / 1000);
        let (destination, recorded) = lying_at(client, destination, source, ambiguous)?;
        let same = recorded.filter(|recorded| recorded.url == source.url && recorded.window == source.window);
        Ok(Self { destination, id: same.map(|recorded| recorded.id), connections })
    }
}

/// Where a download of these bytes goes: into a folder only when no transfer of them lies in it. With it what the
/// journal there is of, if there is one.
pub(super) fn lying_at(
    client: &Client,
    destination: Destination,
    source: &journal::Source,
    ambiguous: bool,
) -> Result<(Destination, Option<journal::Source>), Error> {
    if let Destination::File(path) = &destination {
        check_target(path)?;
    }
    let inner = &client.inner;
    let destination = match destination {
        // What lies in the folder already may be this very transfer, under the name it got then.
        Destination::Folder(folder) if !ambiguous => {
            match inner.search.find(&folder, &source.url, &source.window, inner.state.as_deref()) {
                Some(file) => Destination::File(file),
                None => Destination::Folder(folder),
            }
        }
        other => other,
    };
    let recorded = match &destination {
        Destination::File(path) if has_journal(path) => crate::target::recorded_source(path).ok(),
        Destination::Below(below) => {
            let folder = inner.folders.open_within(&below.within(), false).ok();
            folder.and_then(|folder| crate::target::recorded_in(&folder, &below.name))
        }
        _ => None,
    };
    Ok((destination, recorded))
}

/// Of a file that may get another name: the id under which this very transfer was begun, if it was.
async fn begun_id(destination: &Destination, source: &journal::Source) -> Option<[u8; 16]> {
    let path = match destination {
        Destination::File(path) => path.clone(),
        Destination::Below(below) => below.path.clone(),
        Destination::Folder(_) | Destination::Chosen(_) => return None,
    };
    let source = source.clone();
    let look = move || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        begun_as(&Folder::open(folder).ok()?, path.file_name()?, &source).map(|(_, id)| id)
    };
    threads::run(look).await
}

/// The id of a transfer as it is told.
pub(super) fn given_id(text: &str) -> Result<[u8; 16], Error> {
    let is_id = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| is_id);
    let refused = || Error::usage(format!("{text:?} is no id of a transfer: 32 hexadecimal digits"));
    number.map(u128::to_be_bytes).ok_or_else(refused)
}

/// Another program's bytes are offered to the run; gives its file.
fn offer(
    partial: &Partial,
    trust_samples: bool,
    destination: &Destination,
    config: &mut Config,
) -> Result<Arc<File>, Error> {
    if !config.source.window.is_whole() {
        return Err(Error::usage("bytes of another program are of all of the object, and a range was asked for"));
    }
    // The one file that may be replaced unasked is the one whose bytes it is made of.
    config.overwrite |= matches!(destination, Destination::File(target) if partial.stands_at(target));
    config.adoption = Some(Adoption {
        ranges: partial.ranges().to_vec(),
        least: partial.ranges().last().map_or(0, |r| r.end).max(if partial.total().is_none() {
            partial.len()
        } else {
            0
        }),
        total: partial.total(),
        proof: if trust_samples { AdoptionProof::Samples } else { AdoptionProof::Digest },
    });
    Ok(partial.file())
}

/// The bytes of a finished file are offered, as far as its blocks have the checksums that were recorded.
fn offer_blocks(partial: &Partial, repairs: Repairs, config: &mut Config) -> Result<Arc<File>, Error> {
    // An equal ETag of another place says nothing of its bytes: then a digest has to.
    if config.source.url != repairs.source && config.expected.is_empty() {
        let text = format!(
            "{}: the file came from {}, and no digest of it is known by which bytes of another place could be proven",
            config.source.url, repairs.source
        );
        return Err(Error::new(ErrorKind::NotProvable, Disposition::Permanent, text));
    }
    config.overwrite = true; // the file itself
    config.adoption = Some(Adoption {
        ranges: vec![Range::new(0, partial.len())],
        least: 0,
        total: None,
        proof: AdoptionProof::Blocks { identity: Box::new(repairs.identity), extents: repairs.extents },
    });
    Ok(partial.file())
}

fn locking(no_lock: bool) -> Locking {
    if no_lock { Locking::IfPossible } else { Locking::Required }
}

fn now_unix_s() -> i64 {
    i64::try_from(crate::now_unix_ms() / 1000).unwrap_or(i64::MAX)
}

/// What the file is to be called, as far as that is known before it is asked for.
fn wanted_name(destination: &Destination, origin: &Origin) -> String {
    let given = match destination {
        Destination::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        Destination::Below(below) => Some(below.name.to_string_lossy().into_owned()),
        Destination::Folder(_) | Destination::Chosen(_) => None,
    };
    given.unwrap_or_else(|| longhaul_core::names::name_from(None, &origin.path()).to_string())
}

fn check_target(path: &Path) -> Result<(), Error> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir() {
        let error = Error::usage(format!("{} is a folder", path.display())).with("path", path.display());
        return Err(error.advise(Advice::ChooseFile));
    }
    Ok(())
}

/// Whether it is worth looking at the journal of this target: most targets have none.
fn has_journal(path: &Path) -> bool {
    let log = path.file_name().and_then(FileNames::of).map(|names| path.with_file_name(names.log()));
    log.is_some_and(|log| log.symlink_metadata().is_ok())
}

#[cfg(feature = "upload")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ProxyChoice;

    /// A search that waits (for a disk that is slow, say) must not hold up the executor.
    #[test]
    fn the_disk_is_looked_at_beside_the_executor() {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::builder().proxy(ProxyChoice::Direct).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let held = client.inner.search.hold();
        let mut start = Box::pin(client.download("http://127.0.0.1:1/x").into_dir(dir.path()).start());
        let first = {
            let _inside = runtime.enter();
            start.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        };
        assert!(first.is_pending(), "a start is over, and the disk was not looked at");
        drop(held);
        drop(runtime.block_on(start).unwrap());
    }

    #[test]
    fn debug_tells_no_secrets() {
        let client = Client::builder().proxy(ProxyChoice::Direct).build().unwrap();
        let download = client.download("https://me:SECRET@h/x?Signature=SECRET").header("Cookie", "SECRET");
        let probe = client.probe("https://h/x?token=SECRET").header("Cookie", "SECRET");
        let upload = client.upload("x").to("oss://films/k").callback_variables("SECRET");
        let proxy = ProxyChoice::Url("http://me:SECRET@p".to_owned());
        let download = download.basic_auth("me", "SECRET");
        let shown = format!("{client:?} {download:?} {probe:?} {upload:?} {proxy:?}");
        assert!(!shown.contains("SECRET") && shown.contains("oss://films/k") && shown.contains("h/x"), "{shown}");
    }
}
