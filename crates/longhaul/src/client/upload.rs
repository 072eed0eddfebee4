//! The settings of one upload, and how it is started.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longhaul_core::digest::DigestKind;
use longhaul_core::upload::journal::Intent;
use longhaul_core::upload::{Config, Limits, PartLengths};

use super::download::given_id;
use super::{Client, Connections, Durability, OnChange, ProxyChoice, RateLane};
use crate::advice::Advice;
use crate::credentials::{Credentials, StoreSettings};
use crate::disk::beside::lock::Locking;
use crate::disk::error::DiskError;
use crate::disk::state::spool::{SpoolReading, Spooled};
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::uploads::UploadKey;
use crate::drive::upload::body::SNAPSHOTS_KIB;
use crate::drive::upload::run::UploadRequest;
use crate::drive::upload::source::SourceFile;
use crate::error::{Disposition, Error, ErrorKind};
use crate::random::{random_id, random_u64};
use crate::source::{Dialect, ObjectName};
use crate::store::cloud::{Callback, Cloud, Orders};
use crate::stores::StoreConfig;
use crate::threads;
use crate::transfer::{Transfer, upload};

/// Settings of one upload, which [`start`](Self::start) begins.
#[must_use = "nothing is uploaded before start()"]
pub struct UploadBuilder {
    client: Client,
    from: UploadInput,
    destination: Option<Result<ObjectName, Error>>,
    /// The upload as it was begun, for one that is gone on with by its id.
    recorded: Option<Intent>,
    config: Config,
    single_max: Option<u64>,
    connections: Connections,
    orders: Orders,
    variables: Option<String>,
    store: Option<StoreSettings>,
    credentials: Option<Arc<dyn Credentials>>,
    part_md5: bool,
    no_lock: bool,
    min_rate: u64,
    stall_timeout: Duration,
    limit_rate: u64,
    lane: Option<RateLane>,
    proxy: Option<ProxyChoice>,
    id: Option<String>,
}

/// Where the bytes come from.
enum UploadInput {
    File(PathBuf),
    Input { input: Box<dyn Read + Send>, expected: Option<u64> },
}

/// Without what may be secret.
impl fmt::Debug for UploadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match &self.from {
            UploadInput::File(file) => Some(file),
            UploadInput::Input { .. } => None,
        };
        let to = &self.destination;
        f.debug_struct("UploadBuilder").field("file", &file).field("destination", to).finish_non_exhaustive()
    }
}

impl Client {
    /// An upload of a file. A link is followed once, at the start; anything but a regular file is refused.
    pub fn upload(&self, file: impl Into<PathBuf>) -> UploadBuilder {
        UploadBuilder::new(self.clone(), UploadInput::File(file.into()))
    }

    /// An upload of what can be read only once: a pipe, standard input.
    ///
    /// [`start`](UploadBuilder::start) reads it to its end into a private file in the state directory first, and is
    /// silent until then; `expected` is its length in bytes, where it is known, so that a lack of room shows before.
    /// From there it is an upload like any other: interrupted, it goes on when it is started again with the same input
    /// and destination (parts are compared by their digests), or by [`open_upload`](Self::open_upload). The private
    /// file is removed when the object is stored, or the upload cancelled with
    /// [`Cancel::Discard`](crate::Cancel::Discard).
    pub fn upload_reader(&self, input: impl Read + Send + 'static, expected: Option<u64>) -> UploadBuilder {
        UploadBuilder::new(self.clone(), UploadInput::Input { input: Box::new(input), expected })
    }

    /// An upload of bytes in memory: [`upload_reader`](Self::upload_reader) of them, whose length is known. They are
    /// kept in the state directory until the object is stored, so that an interrupted upload goes on in another
    /// process, too.
    pub fn upload_bytes(&self, bytes: impl Into<bytes::Bytes>) -> UploadBuilder {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        self.upload_reader(std::io::Cursor::new(bytes), Some(len))
    }

    /// The unfinished upload with this id ([`Transfer::id`], [`Client::list`]): source, destination and endpoint come
    /// from its journal. What was asked for the object beside its bytes (metadata, a callback) is not stored: give it
    /// again.
    ///
    /// # Blocking
    /// It reads the journals of all uploads: from async code, call it on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no readable journal of it.
    pub fn open_upload(&self, id: &str) -> Result<UploadBuilder, Error> {
        let intent = self.recorded_upload(id)?.intent;
        let path = PathBuf::from(std::ffi::OsString::from_vec(intent.path.clone()));
        let builder = UploadBuilder::new(self.clone(), UploadInput::File(path)).to(intent.destination.as_str());
        let builder = builder.keep_parts(intent.keep_parts);
        Ok(UploadBuilder { recorded: Some(intent), ..builder })
    }
}

impl UploadBuilder {
    fn new(client: Client, from: UploadInput) -> Self {
        Self {
            client,
            from,
            destination: None,
            recorded: None,
            config: Config::default(),
            single_max: None,
            connections: Connections::Auto,
            orders: Orders::default(),
            variables: None,
            store: None,
            credentials: None,
            part_md5: false,
            no_lock: false,
            min_rate: 1024,
            stall_timeout: Duration::from_secs(30),
            limit_rate: 0,
            lane: None,
            proxy: None,
            id: None,
        }
    }

    /// The source of an upload that is gone on with, where that is now.
    pub(crate) fn reading(mut self, path: PathBuf) -> Self {
        self.from = UploadInput::File(path);
        self
    }

    /// Where to: `oss://BUCKET/KEY` or `s3://BUCKET/KEY`. Behind the bucket's `/` everything is the key, byte for byte.
    pub fn to<O>(mut self, destination: O) -> Self
    where
        O: TryInto<ObjectName>,
        Error: From<O::Error>,
    {
        self.destination = Some(destination.try_into().map_err(Error::from));
        self
    }

    /// The length of all parts but the last, in bytes: 100 KiB to 5 GiB on OSS, 5 MiB to 5 GiB on S3, at most 10,000
    /// parts. By default a two hundredth of the source, rounded up to a power of two, 1 to 16 MiB on OSS, 5 to 16 MiB
    /// on S3, or what keeps the parts below 10,000; a quarter of that when no part arrived before an interruption, down
    /// to what the store takes. What is longer than this goes in parts. An upload that was begun with another length is
    /// begun anew.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.config.part_len = Some(bytes);
        self
    }

    /// A source of at most this many bytes is sent in one request, from memory, unless it is longer than
    /// [`part_size`](Self::part_size); 1 MiB on OSS and 5 MiB on S3 by default, 16 MiB at most. No part of a request
    /// that is interrupted is kept.
    pub fn single_max(mut self, bytes: u64) -> Self {
        self.single_max = Some(bytes);
        self
    }

    /// The most parts in flight at once; [`Connections::Auto`] by default, which is 4. A number is as good as
    /// [`Connections::Fixed`]. One part comes first, and more follow as long as that makes the store acknowledge more
    /// in the same time, never more than are sent in four seconds: what is in flight when an upload is killed is sent
    /// again.
    pub fn connections(mut self, connections: impl Into<Connections>) -> Self {
        self.connections = connections.into();
        self
    }

    /// Metadata of the object: a name without the store's prefix (`x-oss-meta-`, `x-amz-meta-`), and a value.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.orders.metadata.push((name.into(), value.into()));
        self
    }

    /// The object's `Content-Type`.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.orders.content_type = Some(content_type.into());
        self
    }

    /// Another header that the object is to be served with: `Cache-Control`, `Content-Disposition`, `Content-Encoding`,
    /// `Content-Language` or `Expires`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.orders.headers.push((name.into(), value.into()));
        self
    }

    /// The storage class, in the store's words.
    pub fn storage_class(mut self, class: impl Into<String>) -> Self {
        self.orders.storage_class = Some(class.into());
        self
    }

    /// Whom OSS is to tell when the object is stored: the JSON with `callbackUrl` and `callbackBody`. When that fails,
    /// the object is stored all the same, and [`Transfer::finished`] gives [`ErrorKind::CallbackFailed`].
    pub fn callback(mut self, json: impl Into<String>) -> Self {
        self.orders.callback = Some(Callback { callback: json.into(), variables: None });
        self
    }

    /// The variables of a [`callback`](Self::callback): the JSON with the `x:` names.
    pub fn callback_variables(mut self, json: impl Into<String>) -> Self {
        self.variables = Some(json.into());
        self
    }

    /// The most that OSS is to take, in bits per second and request: 819,200 to 838,860,800.
    pub fn traffic_limit(mut self, bits_per_s: u64) -> Self {
        self.orders.traffic_limit = Some(bits_per_s);
        self
    }

    /// The MD5 of every part is sent ahead of it, so that the store refuses other bytes. Costs reading every part
    /// twice.
    pub fn part_md5(mut self, part_md5: bool) -> Self {
        self.part_md5 = part_md5;
        self
    }

    /// An upload that is cancelled with [`Cancel::Discard`](crate::Cancel::Discard) leaves its parts in the store, and
    /// can be gone on with. That is recorded, and holds for an upload that is opened by its id as well.
    pub fn keep_parts(mut self, keep: bool) -> Self {
        self.config.keep_parts = keep;
        self
    }

    /// Sends even when an identical object is there already. Together with
    /// [`forbid_overwrite`](Self::forbid_overwrite) it is [`ErrorKind::Usage`] at the start.
    pub fn force(mut self, force: bool) -> Self {
        self.config.force = force;
        self
    }

    /// An object that stands at the key is not replaced: [`ErrorKind::OtherObject`], unless it is identical. Together
    /// with [`force`](Self::force) it is [`ErrorKind::Usage`] at the start.
    pub fn forbid_overwrite(mut self, forbid: bool) -> Self {
        self.config.forbid_overwrite = forbid;
        self.orders.forbid_overwrite = forbid;
        self
    }

    /// What to do when the source changes while it is uploaded: begin anew with the new version, three times at most,
    /// or stop.
    pub fn on_change(mut self, on_change: OnChange) -> Self {
        self.config.on_change = on_change;
        self
    }

    /// Where the store is and how it is spoken to, in place of what was said to the client's builder.
    pub fn store(mut self, settings: StoreSettings) -> Self {
        self.store = Some(settings);
        self
    }

    /// Who has the keys, in place of what was said to the client's builder.
    pub fn credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// What a power cut may cost. [`Durability::Power`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// Failures in a row without progress before giving up; 10 by default.
    pub fn retries(mut self, retries: u32) -> Self {
        self.config.retry.failures_max = retries;
        self
    }

    /// How long it may take to find out what became of a lost answer; 10 minutes by default.
    pub fn settle_timeout(mut self, timeout: Duration) -> Self {
        self.config.settle_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// A request whose bytes leave slower than this many per second, averaged over this time, counts as stalled; 1
    /// KiB/s over 30 seconds by default. An answer to a request that was sent whole may take four times that, the one
    /// that puts the parts together twenty times. A timeout of zero waits for ever.
    pub fn stall(mut self, min_bytes_per_s: u64, timeout: Duration) -> Self {
        self.min_rate = min_bytes_per_s;
        self.stall_timeout = timeout;
        self
    }

    /// Bytes per second that this transfer sends at most, whatever its lane and its client may; 0, the default, is no
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

    /// Goes on where the file system of the state directory cannot lock.
    pub fn no_lock(mut self, no_lock: bool) -> Self {
        self.no_lock = no_lock;
        self
    }

    /// Starts the upload; it runs on until it ends or every handle is dropped. Must be called inside a tokio runtime,
    /// whose timers are on.
    ///
    /// It returns when the source was looked at, and input without a name was read to its end. The same upload, on
    /// which another transfer of this program works, is [`ErrorKind::InUse`], told by [`Transfer::finished`].
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a destination, store or order that cannot be used, for a folder as source, when the
    /// client has no state directory, and outside of a runtime; [`ErrorKind::LocalFile`] for a source that cannot be
    /// opened or is no regular file; [`ErrorKind::NoSpace`] when input cannot be kept, [`ErrorKind::InUse`] when
    /// another process keeps input for the same destination. Everything else is told by [`Transfer::finished`].
    ///
    /// # Panics
    /// When reading the input panics.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the upload was not started, and what was kept of its input is
    /// removed.
    pub async fn start(self) -> Result<Transfer, Error> {
        threads::expect_runtime()?;
        let (request, spooled) = self.request(false).await?;
        Ok(upload::begin(request, spooled))
    }

    /// What a run needs. `sourceless`: to give it up, for which its source need not be there.
    pub(crate) async fn request(mut self, sourceless: bool) -> Result<(UploadRequest, Option<Spooled>), Error> {
        if self.config.force && self.config.forbid_overwrite && !sourceless {
            return Err(Error::usage(
                "an upload that is forced replaces what is there, which is forbidden: choose one",
            ));
        }
        let client = self.client.clone();
        let state = client.state().cloned().ok_or_else(no_state_dir)?;
        let destination = self
            .destination
            .take()
            .ok_or_else(|| Error::usage("an upload needs a destination: oss://BUCKET/KEY or s3://BUCKET/KEY"))?;
        let given_id = self.id.as_deref().map(given_id).transpose()?;
        let cloud = self.cloud(destination?).await?;
        let cloud = match &self.proxy {
            Some(proxy) => cloud.over(&*client.store_by(Some(proxy))?),
            None => cloud,
        };
        let (destination, endpoint) = (cloud.object().to_string(), cloud.endpoint());
        let (source, spooled) = open(self.from, &state, &destination, &endpoint, sourceless).await?;
        // The journal keeps the name that it got when the upload was begun, wherever the source is now.
        let recorded = self.recorded.filter(|r| (&r.destination, &r.endpoint) == (&destination, &endpoint));
        let path = match &recorded {
            Some(recorded) => recorded.path.clone(),
            None => source.path().as_os_str().to_owned().into_vec(),
        };
        let key = UploadKey::of(Path::new(OsStr::from_bytes(&path)), &destination, &endpoint);
        let (hosts, host) = (client.inner.hosts.clone(), endpoint.clone());
        let (known, connections_known, goodput_known) = {
            let (state, key, hosts, host) = (state.clone(), key.clone(), hosts.clone(), host.clone());
            let look = move || {
                let now_s = crate::now_unix_ms() / 1000;
                let known = state.upload(&key).ok().flatten().map(|recovered| recovered.intent.id);
                (known, hosts.limit(&host, now_s), hosts.goodput(&host, now_s))
            };
            threads::run(look).await
        };
        let callback = self.orders.callback.is_some();
        let region = cloud.region().to_owned();
        let mut config = self.config;
        let (id, keep_parts) = (known.or(given_id).unwrap_or_else(random_id), config.keep_parts);
        config.intent = Intent { id, path, destination, endpoint, region, callback, keep_parts };
        config.seed = random_u64();
        config.callback = callback;
        let dialect = cloud.object().dialect();
        (config.limits, config.part_lengths) = match dialect {
            Dialect::Oss => (Limits::OSS, PartLengths::OSS),
            Dialect::S3 => (Limits::S3, PartLengths::S3),
        };
        config.single_max = self.single_max.unwrap_or(config.part_lengths.least).min(u64::from(SNAPSHOTS_KIB) << 10);
        config.kinds = kinds(dialect);
        config.checksum = cloud.checksum_to_ask_for();
        config.checksum_single = cloud.checksum_to_send();
        config.connections = self.connections.parts();
        (config.connections_known, config.goodput_known) = (connections_known, goodput_known);
        let request = UploadRequest {
            config,
            cloud,
            source: Arc::new(source),
            state,
            key,
            locking: if self.no_lock { Locking::IfPossible } else { Locking::Required },
            buffers: client.inner.buffers.clone(),
            connections: std::sync::atomic::AtomicU32::new(self.connections.parts()),
            rates: client.rates(self.limit_rate, self.lane.as_ref()),
            hosts,
            host,
            part_md5: self.part_md5,
            min_rate: self.min_rate,
            stall_timeout: self.stall_timeout,
            sourceless,
        };
        Ok((request, spooled))
    }

    /// The object in its store.
    async fn cloud(&mut self, object: ObjectName) -> Result<Cloud, Error> {
        let mut orders = std::mem::take(&mut self.orders);
        match (&mut orders.callback, self.variables.take()) {
            (Some(callback), variables) => callback.variables = variables,
            (None, Some(_)) => return Err(Error::usage("variables of a callback without the callback itself")),
            (None, None) => {}
        }
        self.orders = orders.clone();
        let stores = self.client.stores();
        if self.store.is_none() && self.credentials.is_none() && self.recorded.is_none() {
            return stores.cloud(object, &orders).await;
        }
        let mut config: StoreConfig = stores.config(object.dialect()).clone();
        if let Some(settings) = self.store.take() {
            config.settings = settings;
        } else if let Some(recorded) = &self.recorded {
            // The endpoint that it was begun at, not the one that holds now.
            config.settings.endpoint = Some(recorded.endpoint.clone());
            config.settings.region = Some(recorded.region.clone()).filter(|region| !region.is_empty());
        }
        if let Some(credentials) = self.credentials.take() {
            config.credentials = Some(credentials);
        }
        stores.cloud_of(&config, object, orders).await
    }
}

/// What is computed of everything that is read, as long as the store is not known to keep a checksum of ours. OSS tells
/// a CRC-64 of every part and of the whole; the ETag of a part in S3 is its MD5 nearly everywhere, and what else a
/// store tells of the whole can be made of CRCs.
fn kinds(dialect: Dialect) -> Vec<DigestKind> {
    match dialect {
        Dialect::Oss => vec![DigestKind::Crc64],
        Dialect::S3 => vec![DigestKind::Crc64, DigestKind::Crc64Nvme, DigestKind::Md5],
    }
}

/// Finds the source, or keeps the input.
async fn open(
    from: UploadInput,
    state: &Arc<StateDir>,
    destination: &str,
    endpoint: &str,
    sourceless: bool,
) -> Result<(SourceFile, Option<Spooled>), Error> {
    let (mut input, expected) = match from {
        UploadInput::File(path) if sourceless => return Ok((threads::run(move || named(path)).await, None)),
        UploadInput::File(path) => return Ok((open_file(path).await?, None)),
        UploadInput::Input { input, expected } => (input, expected),
    };
    let reading = Arc::new(state.reading(destination, endpoint));
    let _until_read = GivenUp(reading.clone());
    let spooling = threads::run_beside(move || {
        let spooled = reading.read(expected, &mut *input)?;
        let source = SourceFile::at(&spooled.path())?;
        Ok((source, Some(spooled)))
    });
    match spooling.await {
        Ok(result) => result.map_err(|error| local(Path::new("the input"), error)),
        Err(error) => Err(Error::no_thread("the input cannot be read", error)),
    }
}

/// When the caller stopped waiting for the input, what was kept of it goes, though a read of it may never return.
struct GivenUp(Arc<SpoolReading>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// A source that need not be there: only what names its journal is wanted.
fn named(path: PathBuf) -> SourceFile {
    if let Ok(source) = SourceFile::at(&path) {
        return source;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (std::fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => SourceFile::canonical(folder.join(name)),
        _ => SourceFile::canonical(path),
    }
}

async fn open_file(path: PathBuf) -> Result<SourceFile, Error> {
    let shown = path.clone();
    let looked = threads::run(move || {
        if path.is_dir() {
            return Ok(None);
        }
        let source = SourceFile::at(&path)?;
        source.look()?;
        Ok(Some(source))
    });
    match looked.await {
        Ok(Some(source)) => Ok(source),
        Ok(None) => Err(Error::usage(format!("{} is a folder", shown.display())).advise(Advice::ChooseFile)),
        Err(error) => Err(local(&shown, error)),
    }
}

/// A source that cannot be used.
fn local(path: &Path, error: DiskError) -> Error {
    use longhaul_core::words::DiskFault;
    let (kind, advice) = match error.fault() {
        DiskFault::NoSpace => (ErrorKind::NoSpace, Advice::MakeRoom),
        DiskFault::InUse => (ErrorKind::InUse, Advice::WaitForOther),
        DiskFault::Denied => (ErrorKind::LocalFile, Advice::CheckPermissions),
        DiskFault::Unsupported => (ErrorKind::LocalFile, Advice::SendAsStream),
        _ => (ErrorKind::LocalFile, Advice::CheckSource),
    };
    let holder = error.holder();
    let advice = error.advice().unwrap_or(advice);
    let text = format!("{}: {error}", path.display());
    let error = Error::new(kind, Disposition::Permanent, text).with("source", path.display()).advise(advice);
    match holder {
        Some(holder) => error.with("holder", holder),
        None => error,
    }
}

pub(super) fn no_state_dir() -> Error {
    Error::usage(
        "an upload needs a state directory: what was begun in a store has to be known after a crash, to be gone on with \
         or removed",
    )
}
