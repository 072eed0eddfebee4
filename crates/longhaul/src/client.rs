//! The client: what transfers share, and the way to start one.

pub(crate) mod batch;
pub(crate) mod ledger;
pub(crate) mod sent;
pub(crate) mod upload;
mod wish;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use longhaul_core::digest::Digest;
use longhaul_core::download::Config;
pub use longhaul_core::download::{Durability, OnChange};
use longhaul_core::journal::Source;

use crate::credentials::{Credentials, Environment, StoreSettings};
use crate::disk::folders::Folders;
use crate::disk::hosts::Hosts;
use crate::disk::lock::Locking;
use crate::disk::names::Names;
use crate::disk::search::Search;
use crate::disk::state_dir::StateDir;
use crate::drive::run::{Below, Destination, Request};
use crate::drive::upload::body::Buffers;
use crate::error::{Disposition, Error, ErrorKind};
use crate::secrets;
use crate::source::{self, Redacted};
use crate::store::cloud::{Orders, Place};
use crate::store::{Address, HttpOptions, HttpStore, Origin};
use crate::stores::{Said, Stores};
use crate::transfer::{Transfer, start};
use wish::Wish;

pub use crate::store::{IpFamily, ProxyChoice};

/// How many requests for ranges of one object are under way at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connections {
    /// As many as pay, up to 16, of an upload up to 4: a few at the start, of an upload one, more while that makes it
    /// faster, fewer when the server refuses them, which is remembered for a day.
    #[default]
    Auto,
    /// So many from the start, of an upload so many at most, 1 to 64, as long as the server serves them; others are taken for the nearest of these. A source that cannot prove that two replies are of
    /// one version gets one all the same.
    Fixed(u32),
}

impl Connections {
    /// A server that takes more of one client is rare, and each costs memory.
    const MAX: u32 = 64;

    /// What browsers open to one host; fewer are slow to find out what a long line can carry.
    const AUTO_START: u32 = 6;
    /// Where a line still gets faster with more than this, its losses would have to be mended instead.
    const AUTO_MAX: u32 = 16;

    /// More opened cold connections on long lines, and gained nothing.
    const AUTO_MAX_OF_UPLOAD: u32 = 4;

    /// The most parts of an upload at once.
    fn of_upload(self) -> u32 {
        match self {
            Self::Auto => Self::AUTO_MAX_OF_UPLOAD,
            Self::Fixed(count) => count.clamp(1, Self::MAX),
        }
    }

    fn plan(self) -> longhaul_core::pace::Connections {
        use longhaul_core::pace::Connections as Plan;
        match self {
            Self::Auto => Plan::Auto { start: Self::AUTO_START, most: Self::AUTO_MAX },
            Self::Fixed(count) => Plan::Fixed(count.clamp(1, Self::MAX)),
        }
    }
}

impl From<u32> for Connections {
    fn from(count: u32) -> Self {
        Self::Fixed(count)
    }
}

/// Brings a fresh link when a signed one is not accepted any more.
///
/// Closures `Fn(String) -> impl Future<Output = Option<String>>` are link sources. The argument is the source as it is
/// stored, without its secrets; `None` ends the transfer with [`ErrorKind::NeedsLink`], everything received kept.
pub trait LinkSource: Send + Sync {
    /// A link to the same object that the server will accept. It may be called several times in one transfer.
    fn fresh_link<'a>(&'a self, source: &'a str) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;
}

impl<F, Fut> LinkSource for F
where
    F: Fn(String) -> Fut + Send + Sync,
    Fut: Future<Output = Option<String>> + Send + 'static,
{
    fn fresh_link<'a>(&'a self, source: &'a str) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        Box::pin(self(source.to_owned()))
    }
}

/// What transfers share: connections, TLS settings, the state directory. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<HttpStore>,
    state: Option<Arc<StateDir>>,
    hosts: Arc<Hosts>,
    credentials: Option<Logins>,
    stores: Stores,
    folders: Arc<Folders>,
    search: Search,
    buffers: Arc<Buffers>,
}

/// User and password by host.
type Logins = Arc<dyn Fn(&str) -> Option<(String, String)> + Send + Sync>;

/// Settings of a [`Client`].
#[derive(Default)]
pub struct ClientBuilder {
    http: HttpOptions,
    state_dir: Option<PathBuf>,
    credentials: Option<Logins>,
    environment: Option<Environment>,
    oss: Said,
    s3: Said,
}

impl ClientBuilder {
    /// Where the list of transfers and the receipts of finished files live; created (0700) when missing. Without it
    /// transfers resume all the same (their state lies beside the target), but nothing is listed, and a finished file
    /// is not recognised by the next call.
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(dir.into());
        self
    }

    /// The `User-Agent`; by default `longhaul/VERSION`.
    pub fn user_agent(mut self, agent: impl Into<String>) -> Self {
        self.http.user_agent = agent.into();
        self
    }

    /// How long a connection may take, TLS included; 10 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// Which proxy to use; by default none. The environment is read only for [`ProxyChoice::Environment`].
    pub fn proxy(mut self, proxy: ProxyChoice) -> Self {
        self.http.proxy = proxy;
        self
    }

    /// Hosts that are asked directly, in place of what `no_proxy` says: names (with all names below them), addresses,
    /// networks (`10.0.0.0/8`), separated by commas; `*` is all of them.
    pub fn no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.http.no_proxy = Some(hosts.into());
        self
    }

    /// Certificates (PEM) to trust besides the system's. May be called several times.
    pub fn ca_certificates(mut self, pem: Vec<u8>) -> Self {
        self.http.ca_certs.push(pem);
        self
    }

    /// Accepts any certificate. The bytes are then only as good as a digest that was given.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.http.insecure = insecure;
        self
    }

    /// Restricts connections to one IP family.
    pub fn ip_family(mut self, family: IpFamily) -> Self {
        self.http.ip_family = family;
        self
    }

    /// Who knows user and password (RFC 7617) for a host, named as in a URL, without the brackets of IPv6 addresses.
    ///
    /// It is asked when a transfer or probe starts, for the host of its own URL, unless credentials were given with
    /// [`basic_auth`](DownloadBuilder::basic_auth), an `Authorization` header or in the URL. What it says is sent to that
    /// origin only, never after a redirect elsewhere, and never stored. The library reads no `.netrc` by itself.
    pub fn credentials(mut self, of_host: impl Fn(&str) -> Option<(String, String)> + Send + Sync + 'static) -> Self {
        self.credentials = Some(Arc::new(of_host));
        self
    }

    /// Where the stores behind `oss://` names are, and how they are spoken to. What is left open comes from
    /// [`environment`](Self::environment), if that was given.
    pub fn oss(mut self, settings: StoreSettings) -> Self {
        self.oss.settings = settings;
        self
    }

    /// The same for `s3://` names.
    pub fn s3(mut self, settings: StoreSettings) -> Self {
        self.s3.settings = settings;
        self
    }

    /// Who has the keys for `oss://` names, in place of what the environment offers. Without either, requests are not
    /// signed, and only what anybody may read can be read.
    pub fn oss_credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.oss.credentials = Some(Arc::new(credentials));
        self
    }

    /// The same for `s3://` names.
    pub fn s3_credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.s3.credentials = Some(Arc::new(credentials));
        self
    }

    /// Where keys and settings of stores are looked for that nobody gave: variables, the vendors' files in the home
    /// folder, token services, the metadata service of the machine, as the vendors' tools do (`docs/stores.md`). By
    /// default nowhere; [`Environment::of_process`] is what a command line program wants.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Bytes per second that all transfers of the client together take from the network, shared fairly between their
    /// connections; 0, the default, is no limit. Waiting for one's turn never counts as a stall.
    pub fn limit_rate(mut self, bytes_per_s: u64) -> Self {
        self.http.limit_rate = bytes_per_s;
        self
    }

    /// Addresses of a host, in place of looking it up; a port of 0 stands for the URL's. Of both IP families, the one
    /// that connects first is used.
    pub fn resolve(mut self, host: impl Into<String>, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.http.resolve.push((host.into().to_ascii_lowercase(), addresses.into_iter().collect()));
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a proxy, certificate or header that cannot be used, [`ErrorKind::LocalFile`] when the
    /// state directory cannot be made.
    pub fn build(self) -> Result<Client, Error> {
        let state = match &self.state_dir {
            Some(dir) => Some(Arc::new(open_state(dir).map_err(|error| {
                Error::new(
                    ErrorKind::LocalFile,
                    Disposition::Permanent,
                    format!("the state directory {} cannot be used", dir.display()),
                )
                .with("path", dir.display())
                .caused_by(error)
            })?)),
            None => None,
        };
        let store = Arc::new(HttpStore::new(&self.http).map_err(bad_option)?);
        let hosts = Arc::new(Hosts::new(state.clone()));
        let environment = self.environment.map(|environment| (environment, self.http));
        let stores = Stores::new(store.clone(), environment, self.oss, self.s3);
        let (credentials, folders) = (self.credentials, Arc::default());
        let search = Search::default();
        let buffers = Arc::default();
        Ok(Client { inner: Arc::new(Inner { store, state, hosts, credentials, stores, folders, search, buffers }) })
    }
}

impl Client {
    /// Settings for a new client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A download of an `http://` or `https://` URL, or of an object in a store: `oss://BUCKET/KEY`, `s3://BUCKET/KEY`,
    /// where everything behind the bucket is the key, byte for byte. Nothing happens before
    /// [`start`](DownloadBuilder::start).
    pub fn download(&self, url: impl Into<String>) -> DownloadBuilder {
        DownloadBuilder::new(self.clone(), url.into())
    }

    /// The interrupted download of the file at `path`, from what lies in its folder alone: the source and everything
    /// held come from the journal. Give [`url`](DownloadBuilder::url) when the link had secrets, which are never stored.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no readable journal of that file.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<DownloadBuilder, Error> {
        let path = path.as_ref();
        let recorded = crate::inspect::recorded_source(path)?;
        let target = crate::inspect::Site::of(path)?.path;
        let mut builder = DownloadBuilder::new(self.clone(), recorded.url.clone()).to(target);
        builder.version = recorded.version.clone();
        builder.recorded = Some(recorded);
        Ok(builder)
    }

    pub(crate) fn state(&self) -> Option<&Arc<StateDir>> {
        self.inner.state.as_ref()
    }

    /// What `oss://` and `s3://` names mean.
    pub(crate) fn stores(&self) -> &Stores {
        &self.inner.stores
    }

    /// Where the object behind a name is, with what a request for it needs; and what of the name may be written down.
    pub(crate) async fn origin(
        &self,
        name: &str,
        version: Option<&str>,
        headers: &[(String, String)],
        auth: Option<&(String, String)>,
    ) -> Result<(Origin, Redacted), Error> {
        if !Place::is_meant(name) {
            let url = parse_url(name)?;
            if version.is_some() {
                return Err(Error::usage("a version id is for oss:// and s3:// names; a URL has it in its query"));
            }
            let redacted = source::redact(name)
                .ok_or_else(|| Error::usage("the address cannot be used; give a whole http:// or https:// URL"))?;
            for (_, value) in url.query_pairs().filter(|(_, value)| !redacted.url.contains(value.as_ref())) {
                secrets::learn(&value); // of a signed link, say
            }
            let store = self.store_with(&url, headers, auth)?;
            return Ok((Origin::Web { store, url }, redacted));
        }
        let place = Place::parse(name)?;
        if auth.is_some() || !headers.is_empty() {
            return Err(Error::usage(format!(
                "{place}: headers and users are for http:// and https://; requests to a store are signed"
            )));
        }
        let stored = place.to_string();
        let mut cloud = self.stores().cloud(place, &Orders::default()).await?;
        if let Some(id) = version {
            cloud = cloud.of_version(id);
        }
        let redacted = Redacted { url: stored, secrets_removed: false, signed: false, ambiguous: false };
        Ok((Origin::Cloud(Arc::new(cloud)), redacted))
    }

    /// Another rate limit from now on, for transfers under way too; see [`ClientBuilder::limit_rate`].
    pub fn set_limit_rate(&self, bytes_per_s: u64) {
        self.inner.store.pace().set(bytes_per_s);
    }

    /// The shared store, or one with headers or credentials of its own over the same connections. Credentials that
    /// belong to this request win over userinfo in the URL, and that over what is known of its host.
    pub(crate) fn store_with(
        &self,
        url: &url::Url,
        headers: &[(String, String)],
        auth: Option<&(String, String)>,
    ) -> Result<Arc<HttpStore>, Error> {
        let given = auth.is_some()
            || !url.username().is_empty()
            || url.password().is_some()
            || headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let known = self.inner.credentials.as_ref().filter(|_| !given).and_then(|known| known(host));
        let auth = auth.cloned().or(known);
        if let Some((user, password)) = &auth {
            secrets::learn_login(user, password);
        }
        secrets::learn_login(url.username(), url.password().unwrap_or_default());
        if headers.is_empty() && auth.is_none() {
            return Ok(self.inner.store.clone());
        }
        Ok(Arc::new(self.inner.store.sending(header_map(headers)?, auth)))
    }
}

/// Settings of one download.
pub struct DownloadBuilder {
    client: Client,
    url: String,
    version: Option<String>,
    range: Option<String>,
    recorded: Option<Source>,
    destination: Option<Destination>,
    create_dirs: bool,
    batch: Option<batch::Batch>,
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
    only_if: Wish,
}

impl DownloadBuilder {
    fn new(client: Client, url: String) -> Self {
        Self {
            client,
            url,
            version: None,
            range: None,
            recorded: None,
            destination: None,
            create_dirs: false,
            batch: None,
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
            only_if: Wish::default(),
        }
    }

    /// The link to use now, in place of the recorded one ([`Client::open`]).
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
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
    /// 100, or all when it has no more), or several of them separated by commas; `bytes=` may stand before them (RFC 9110,
    /// 14.1.2). The file holds the pieces one after the other, in the order given; they may overlap. At most 1,000.
    ///
    /// An end behind the object's is clipped. A piece of which the object has no byte is [`ErrorKind::Refused`] with the
    /// object's length in the context (`length`), and so is a server that does not serve ranges. Digests given with
    /// [`checksum`](Self::checksum) are of the file; those that the source declares are of the object, and compared only
    /// when the file is all of it. Several pieces need a strong validator, or a digest.
    pub fn range(mut self, range: impl Into<String>) -> Self {
        self.range = Some(range.into());
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
    /// time: a part of `path` that is a link, or no folder, ends the transfer with [`ErrorKind::Exists`]. A `path` that is
    /// empty or absolute, or has `.` or `..` in it, is [`ErrorKind::Usage`] at the start.
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

    /// It belongs together with other downloads: see [`Batch`](crate::Batch).
    pub fn batch(mut self, batch: &batch::Batch) -> Self {
        self.batch = Some(batch.clone());
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

    /// Where fresh links come from when a signed one is refused.
    pub fn link_source(mut self, links: Arc<dyn LinkSource>) -> Self {
        self.links = Some(links);
        self
    }

    /// Only the version with this ETag (or `*`: any); quotes may be left out. Another one is
    /// [`ErrorKind::ConditionFailed`], and nothing of it is fetched.
    ///
    /// This and the other three conditions (RFC 9110, 13.1) say which version may be *begun*. What an earlier run began of
    /// a version that meets them is gone on with as always; otherwise the source is asked which version there is now, and
    /// what is held stays when that one is not wanted either. Servers that do not look at conditions are held to them by
    /// what their replies show.
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.only_if.if_match = Some(etag.into());
        self
    }

    /// Only a version with another ETag than this one, which the caller has already. Otherwise the transfer ends well at
    /// once, without one byte, and with [`Outcome::not_modified`](crate::Outcome::not_modified).
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

    /// Starts (or resumes: whatever lies in the folder decides). Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a URL, header, range, ETag or target that cannot be used, [`ErrorKind::NeedsLink`] when the
    /// recorded link had secrets and no new one was given. Everything else is told by [`Transfer::finished`].
    pub async fn start(self) -> Result<Transfer, Error> {
        let window = self.range.as_deref().map(source::window).transpose()?;
        let (headers, auth) = (&self.headers, self.basic_auth.as_ref());
        let (origin, redacted) = self.client.origin(&self.url, self.version.as_deref(), headers, auth).await?;
        if let Some(recorded) = self.recorded.as_ref().filter(|r| r.needs_link && origin.is_at(&r.url)) {
            return Err(Error::new(
                ErrorKind::NeedsLink,
                Disposition::Permanent,
                format!("{}: the link had secrets, which are never stored; give a fresh one", recorded.url),
            ));
        }
        let destination = self.destination.unwrap_or_else(|| Destination::Folder(PathBuf::from(".")));
        if let Destination::File(path) = &destination {
            check_target(path)?;
        }
        let mut config = self.config;
        config.connections = self.connections.plan();
        let hosts = self.client.inner.hosts.clone();
        config.connections_known = hosts.limit(&origin.server(), crate::now_unix_ms() / 1000);
        if let Some(retries) = self.retries {
            config.retry.failures_max = retries;
        }
        if self.client.inner.state.is_none() {
            config.small_max = 0; // without receipts a crash behind the rename would leave a file that nobody knows
        }
        config.link_signed = redacted.signed;
        config.seed = random_u64();
        config.source = self.recorded.unwrap_or_else(|| Source {
            id: random_id(),
            url: redacted.url.clone(),
            name: Vec::new(),
            needs_link: redacted.secrets_removed,
            needs_headers: !self.headers.is_empty() || self.basic_auth.is_some(),
            ..Source::default()
        });
        config.source.endpoint = origin.endpoint();
        config.source.version = self.version;
        config.source.window = window.unwrap_or(config.source.window);
        config.only_if = self.only_if.conditions()?;
        config.wanted_name = wanted_name(&destination, &origin);
        let state = self.client.inner.state.clone();
        let window = &config.source.window;
        let known = |ambiguous: bool| if ambiguous { None } else { Some(config.source.url.as_str()) };
        let destination = match destination {
            // What lies in the folder already may be this very transfer, under the name it got then.
            Destination::Folder(folder) => {
                match known(redacted.ambiguous)
                    .and_then(|url| self.client.inner.search.find(&folder, url, window, state.as_deref()))
                {
                    Some(file) => Destination::File(file),
                    None => Destination::Folder(folder),
                }
            }
            other => other,
        };
        config.named = matches!(destination, Destination::File(_) | Destination::Below(_));
        let recorded = match &destination {
            Destination::File(path) if has_journal(path) => crate::inspect::recorded_source(path).ok(),
            Destination::Below(below) => {
                let folder = self.client.inner.folders.open_within(&below.within(), false).ok();
                folder.and_then(|folder| crate::inspect::recorded_in(&folder, &below.name))
            }
            _ => None,
        };
        if let Some(recorded) = recorded
            && recorded.url == config.source.url
            && recorded.window == config.source.window
        {
            config.source.id = recorded.id; // one transfer keeps one name
        }
        let request = Request {
            origin,
            config,
            destination,
            create_dirs: self.create_dirs,
            batch: self.batch,
            locking: if self.no_lock { Locking::IfPossible } else { Locking::Required },
            remote_time: self.remote_time,
            min_rate: self.min_rate,
            stall_timeout: self.stall_timeout,
            state,
            hosts,
            folders: self.client.inner.folders.clone(),
        };
        Ok(start(request, self.links))
    }
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

/// Opens the state directory and removes what processes left there that died while writing, more than a day ago.
fn open_state(dir: &Path) -> crate::disk::error::Result<StateDir> {
    const DAY_NS: u128 = 24 * 3600 * 1_000_000_000;
    let state = StateDir::open(dir)?;
    let yesterday = i64::try_from(crate::now_unix_ns().saturating_sub(DAY_NS)).unwrap_or(0);
    let _ = state.sweep(yesterday); // tidiness only
    Ok(state)
}

pub(crate) fn bad_option(option: crate::store::BadOption) -> Error {
    Error::usage(format!("{} cannot be used", option.0))
}

/// Headers are taken for secret: an error names only the header.
fn header_map(headers: &[(String, String)]) -> Result<http::HeaderMap, Error> {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        let parsed = http::HeaderName::from_bytes(name.as_bytes()).ok();
        let value = http::HeaderValue::from_str(value).ok();
        let (Some(parsed), Some(mut value)) = (parsed, value) else {
            return Err(Error::usage(format!(
                "the header {name:?} cannot be sent; give NAME: VALUE in visible characters"
            )));
        };
        value.set_sensitive(true);
        secrets::learn(value.to_str().unwrap_or_default());
        map.append(parsed, value);
    }
    Ok(map)
}

pub(crate) fn parse_url(text: &str) -> Result<Address, Error> {
    let shown = source::redact_for_display(text);
    let url = Address::parse(text)
        .map_err(|e| Error::usage(format!("{shown}: not a URL ({e}); give a whole http:// or https:// URL")))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(Error::usage(format!(
            "{shown}: {scheme}:// cannot be fetched; http://, https://, oss:// and s3:// can"
        ))),
    }
}

fn check_target(path: &Path) -> Result<(), Error> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir() {
        return Err(Error::usage(format!(
            "{} is a folder; name a file, or give the folder with --dir",
            path.display()
        ))
        .with("path", path.display()));
    }
    Ok(())
}

/// Whether it is worth looking at the journal of this target: most targets have none.
fn has_journal(path: &Path) -> bool {
    let log = path.file_name().and_then(Names::of).map(|names| path.with_file_name(names.log()));
    log.is_some_and(|log| log.symlink_metadata().is_ok())
}

fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random_u64().to_le_bytes());
    id[8..].copy_from_slice(&random_u64().to_le_bytes());
    id
}

/// Names and jitter need spread, not secrecy: the standard library's hasher keys are random per process and instance.
pub(crate) fn random_u64() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u128(crate::now_unix_ns());
    hasher.write_u32(std::process::id());
    hasher.finish()
}
