//! The client: what transfers share, and the way to start one.
//!
//! What can be asked of a [`Client`] stands where it is answered:
//!
//! ```text
//! here                 builder, download, open, set_limit_rate; where a source is (origin)
//! client/live          what can be changed of a transfer while it runs
//! client/rates         rate_lane: limits that transfers share
//! client/download      the settings of a download, and its start
//! client/discard       discard_download: what is left of one is thrown away
//! client/upload        upload, upload_reader, open_upload, and the same for uploads
//! client/ledger        unfinished_uploads, kept_inputs, forget_upload: what was begun in stores
//! client/sent          sent_uploads: what was stored from here
//! client/wishes        wish_stop, wishes: what other processes want of a transfer that runs
//! objects              objects, presign
//! many/                download_all, upload_all
//! inspect/             list, inspect, verify, probe
//! token                open_token
//! ```

mod conditions;
mod discard;
mod download;
#[cfg(feature = "upload")]
pub(crate) mod ledger;
mod live;
mod rates;
mod repair;
#[cfg(feature = "upload")]
pub(crate) mod sent;
#[cfg(feature = "_stores")]
mod stores;
#[cfg(feature = "upload")]
pub(crate) mod upload;
pub(crate) mod wishes;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use download::DownloadBuilder;
pub use longhaul_core::words::{Durability, OnChange};
pub use rates::RateLane;

use crate::disk::folders::Folders;
use crate::disk::state::hosts::Hosts;
use crate::disk::state::search::FolderSearch;
use crate::disk::state::state_dir::StateDir;
#[cfg(feature = "upload")]
use crate::drive::upload::body::Buffers;
use crate::error::{Disposition, Error, ErrorKind};
use crate::secrets;
use crate::source::Source;
use crate::store::{HttpOptions, HttpStore, Origin, Pace};
#[cfg(feature = "_stores")]
use crate::stores::Stores;
use crate::sync::locked;

pub use crate::store::{IpFamily, ProxyChoice};

/// How many requests for ranges of one object are under way at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connections {
    /// As many as pay, up to 16, of an upload up to 4: a few at the start, of an upload one, more while that makes it
    /// faster, fewer when the server refuses them, which is remembered for a day.
    #[default]
    Auto,
    /// So many from the start, of an upload so many at most, 1 to 64, as long as the server serves them; others are
    /// taken for the nearest of these. A source that cannot prove that two replies are of one version gets one all the
    /// same.
    Fixed(u32),
}

impl Connections {
    /// A server that takes more of one client is rare, and each costs memory.
    const MAX: u32 = 64;

    /// A line that still gets faster with more than this loses packets: more connections hide that, and do not mend it.
    const AUTO_MAX: u32 = 16;

    /// More opened cold connections on long lines, without a gain.
    const AUTO_MAX_OF_UPLOAD: u32 = 4;

    /// The most parts of an upload at once.
    fn parts(self) -> u32 {
        match self {
            Self::Auto => Self::AUTO_MAX_OF_UPLOAD,
            Self::Fixed(count) => count.clamp(1, Self::MAX),
        }
    }

    pub(crate) fn plan(self) -> longhaul_core::pace::ConnectionPlan {
        use longhaul_core::pace::ConnectionPlan as Plan;
        match self {
            Self::Auto => Plan::Auto(Self::AUTO_MAX),
            Self::Fixed(count) => Plan::Fixed(count.clamp(1, Self::MAX)),
        }
    }
}

impl From<u32> for Connections {
    fn from(count: u32) -> Self {
        Self::Fixed(count)
    }
}

/// Proxies of single transfers whose connections are kept; one more costs new connections.
const PROXIES_MAX: usize = 32;

/// What a download does when a file stands at the target that is not known as its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// It ends with [`ErrorKind::Exists`], and a person decides.
    #[default]
    Ask,
    /// It is replaced when the download is whole.
    Overwrite,
    /// The download takes the next free name: `name.1.ext`.
    Rename,
}

/// What transfers share: connections, TLS settings, the state directory. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientParts>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state_dir = self.inner.state.is_some();
        f.debug_struct("Client").field("has_state_dir", &state_dir).finish_non_exhaustive()
    }
}

struct ClientParts {
    store: Arc<HttpStore>,
    http: HttpOptions,
    /// Stores of transfers with a proxy of their own, the last one used first.
    by_proxy: Mutex<Vec<(ProxyChoice, Arc<HttpStore>)>>,
    rate: Arc<Pace>,
    state: Option<Arc<StateDir>>,
    hosts: Arc<Hosts>,
    logins: Option<Logins>,
    #[cfg(feature = "_stores")]
    stores: Stores,
    folders: Arc<Folders>,
    search: FolderSearch,
    #[cfg(feature = "upload")]
    buffers: Arc<Buffers>,
}

/// User and password by host.
type Logins = Arc<dyn Fn(&str) -> Option<(String, String)> + Send + Sync>;

/// Settings of a [`Client`].
#[must_use = "there is no client before build()"]
#[derive(Default)]
pub struct ClientBuilder {
    http: HttpOptions,
    limit_rate: u64,
    state_dir: Option<PathBuf>,
    logins: Option<Logins>,
    #[cfg(feature = "_stores")]
    stores: stores::StoreChoices,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("state_dir", &self.state_dir).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Where the list of transfers and the receipts of finished files live; created (0700) when missing. Without it
    /// transfers resume all the same (their state lies beside the target), but they are not listed, and a finished file
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
    /// [`basic_auth`](DownloadBuilder::basic_auth), an `Authorization` header or in the URL. What it says is sent to
    /// that origin only, never after a redirect elsewhere, and never stored. The library reads no `.netrc` by itself.
    pub fn logins(mut self, of_host: impl Fn(&str) -> Option<(String, String)> + Send + Sync + 'static) -> Self {
        self.logins = Some(Arc::new(of_host));
        self
    }

    /// Bytes per second that all transfers of the client together take from the network, shared fairly between their
    /// connections; 0, the default, is no limit. Waiting for one's turn never counts as a stall.
    pub fn limit_rate(mut self, bytes_per_s: u64) -> Self {
        self.limit_rate = bytes_per_s;
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
        let store = Arc::new(HttpStore::new(&self.http)?);
        let hosts = Arc::new(Hosts::new(state.clone()));
        let inner = ClientParts {
            http: self.http.clone(),
            by_proxy: Mutex::default(),
            #[cfg(feature = "environment")]
            stores: self.stores.stores(store.clone(), self.http),
            #[cfg(all(feature = "_stores", not(feature = "environment")))]
            stores: self.stores.stores(store.clone()),
            store,
            rate: Arc::new(Pace::new(self.limit_rate)),
            state,
            hosts,
            logins: self.logins,
            folders: Arc::default(),
            search: FolderSearch::default(),
            #[cfg(feature = "upload")]
            buffers: Arc::default(),
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

impl Client {
    /// Settings for a new client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A download of an `http://` or `https://` URL, or of an object in a store: `oss://BUCKET/KEY`, `s3://BUCKET/KEY`,
    /// where everything behind the bucket is the key, byte for byte. It begins with
    /// [`start`](DownloadBuilder::start).
    ///
    /// A text is parsed at once, and what is wrong with it is told by `start`; a [`Source`] is taken as it is.
    pub fn download<S>(&self, source: S) -> DownloadBuilder
    where
        S: TryInto<Source>,
        Error: From<S::Error>,
    {
        DownloadBuilder::new(self.clone(), source.try_into().map_err(Error::from))
    }

    /// The interrupted download of the file at `path`, from what lies in its folder alone: the source and everything
    /// held come from the journal. Give [`url`](DownloadBuilder::url) when the link had secrets, which are never
    /// stored.
    ///
    /// # Blocking
    /// It reads the journal: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no readable journal of that file.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<DownloadBuilder, Error> {
        let path = path.as_ref();
        let recorded = crate::target::recorded_source(path)?;
        let target = crate::target::NamedTarget::of(path)?.path;
        Ok(DownloadBuilder::reopened(self.clone(), recorded, target))
    }

    pub(crate) fn state(&self) -> Option<&Arc<StateDir>> {
        self.inner.state.as_ref()
    }

    /// Where a source is, with what a request for it needs.
    pub(crate) async fn origin(
        &self,
        source: &Source,
        headers: &[(String, String)],
        auth: Option<&(String, String)>,
        proxy: Option<&ProxyChoice>,
    ) -> Result<Origin, Error> {
        match source {
            Source::Web(link) => {
                let url = link.address().clone();
                secrets::learn_link(link);
                let store = self.store_with(&url, headers, auth, proxy)?;
                Ok(Origin::Web { store, url })
            }
            Source::Object(name) if auth.is_some() || !headers.is_empty() => Err(Error::usage(format!(
                "{name}: headers and users are for http:// and https://; requests to a store are signed"
            ))),
            #[cfg(feature = "_stores")]
            Source::Object(name) => {
                let cloud = self.stores().cloud(name.clone(), &Default::default()).await?;
                let cloud = match proxy {
                    Some(_) => cloud.over(&*self.store_by(proxy)?),
                    None => cloud,
                };
                Ok(Origin::Cloud(Arc::new(cloud)))
            }
            #[cfg(not(feature = "_stores"))]
            Source::Object(name) => Err(Error::usage(format!("{name}: no store is built into this program"))),
        }
    }

    /// Another rate limit from now on, for transfers under way too; see [`ClientBuilder::limit_rate`].
    pub fn set_limit_rate(&self, bytes_per_s: u64) {
        self.inner.rate.set(bytes_per_s);
    }

    /// The shared store, or one with headers or credentials of its own over the same connections. Credentials that
    /// belong to this request win over userinfo in the URL, and that over what is known of its host.
    pub(crate) fn store_with(
        &self,
        url: &url::Url,
        headers: &[(String, String)],
        auth: Option<&(String, String)>,
        proxy: Option<&ProxyChoice>,
    ) -> Result<Arc<HttpStore>, Error> {
        let given = auth.is_some()
            || !url.username().is_empty()
            || url.password().is_some()
            || headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let known = self.inner.logins.as_ref().filter(|_| !given).and_then(|known| known(host));
        let auth = auth.cloned().or(known);
        if let Some((user, password)) = &auth {
            secrets::learn_login(user, password);
        }
        secrets::learn_login(url.username(), url.password().unwrap_or_default());
        if headers.is_empty() && auth.is_none() {
            return self.store_by(proxy);
        }
        Ok(Arc::new(self.store_by(proxy)?.sending(header_map(headers)?, auth)))
    }

    /// The store whose connections go by way of this proxy; `None`: the client's. Those that were used last are kept.
    pub(crate) fn store_by(&self, proxy: Option<&ProxyChoice>) -> Result<Arc<HttpStore>, Error> {
        let Some(proxy) = proxy.filter(|&proxy| *proxy != self.inner.http.proxy) else {
            return Ok(self.inner.store.clone());
        };
        let mut kept = locked(&self.inner.by_proxy);
        let found = kept.iter().position(|(of, _)| of == proxy).map(|i| kept.remove(i));
        let (of, store) = match found {
            Some(found) => found,
            None => {
                let options = HttpOptions { proxy: proxy.clone(), ..self.inner.http.clone() };
                (proxy.clone(), Arc::new(HttpStore::new(&options)?))
            }
        };
        kept.truncate(PROXIES_MAX - 1);
        kept.insert(0, (of, store.clone()));
        Ok(store)
    }
}

/// Opens the state directory and removes what processes left there that died while writing, more than a day ago.
fn open_state(dir: &Path) -> crate::disk::error::Result<StateDir> {
    const DAY_NS: u128 = 24 * 3600 * 1_000_000_000;
    let state = StateDir::open(dir)?;
    let yesterday = i64::try_from(crate::now_unix_ns().saturating_sub(DAY_NS)).unwrap_or(0);
    let _ = state.sweep(yesterday); // tidiness only
    Ok(state)
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
