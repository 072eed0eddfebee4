//! All objects of a prefix into a folder, some side by side, with a report of each.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::batch::{Batch, JobReport, Notice};
use super::jobs::{AT_ONCE, Jobs};
use super::object_files::{Filter, ObjectFile, ObjectFiles};
use crate::client::{Client, DownloadBuilder};
use crate::error::Error;
use crate::objects::ObjectInfo;
use crate::source::ObjectPrefix;

type Each = Arc<dyn Fn(&ObjectInfo, DownloadBuilder) -> DownloadBuilder + Send + Sync>;
type Tell = Arc<dyn Fn(&ObjectInfo, Notice<'_>) + Send + Sync>;

/// Settings of the download of all objects of a prefix. [`start`](Self::start) ends them.
#[must_use = "nothing is downloaded before start()"]
pub struct DownloadAll {
    client: Client,
    prefix: Result<ObjectPrefix, Error>,
    folder: PathBuf,
    at_once: usize,
    batch: Batch,
    only: Option<Filter>,
    each: Option<Each>,
    tell: Option<Tell>,
}

impl fmt::Debug for DownloadAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, folder) = (&self.prefix, &self.folder);
        f.debug_struct("DownloadAll").field("prefix", prefix).field("folder", folder).finish_non_exhaustive()
    }
}

impl Client {
    /// A download of all objects whose names begin with `prefix`, into the folder where the program runs unless another
    /// is given. An object that fails does not keep the others from being downloaded; the same call again fetches what
    /// is missing. [`ObjectFiles`] says which file each becomes.
    pub fn download_all<P>(&self, prefix: P) -> DownloadAll
    where
        P: TryInto<ObjectPrefix>,
        Error: From<P::Error>,
    {
        DownloadAll {
            client: self.clone(),
            prefix: prefix.try_into().map_err(Error::from),
            folder: PathBuf::from("."),
            at_once: AT_ONCE,
            batch: Batch::default(),
            only: None,
            each: None,
            tell: None,
        }
    }
}

impl DownloadAll {
    /// The folder; it is made when it is missing, and so are those below it that names ask for.
    pub fn to_dir(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    /// How many are downloaded side by side, 1 at least; 4 by default. Each takes as many open files as one download
    /// does.
    pub fn at_once(self, count: usize) -> Self {
        Self { at_once: count, ..self }
    }

    /// Only objects whose path below the folder, with `/` between its parts, is meant.
    pub fn only(self, meant: impl FnMut(&str) -> bool + Send + 'static) -> Self {
        Self { only: Some(Box::new(meant)), ..self }
    }

    /// Settings of each download: `|object, download| download.connections(2)`. The target is set already.
    pub fn each(self, each: impl Fn(&ObjectInfo, DownloadBuilder) -> DownloadBuilder + Send + Sync + 'static) -> Self {
        Self { each: Some(Arc::new(each)), ..self }
    }

    /// Hears what happens in each. It is called from the downloads' own tasks, and must not block.
    pub fn tell(self, tell: impl Fn(&ObjectInfo, Notice<'_>) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)), ..self }
    }

    /// The batch that they belong to, with its switch; by default one of their own.
    pub fn batch(self, batch: &Batch) -> Self {
        Self { batch: batch.clone(), ..self }
    }

    /// Starts with the first call of [`ManyDownloads::next`], which goes on with it as well.
    pub fn start(self) -> ManyDownloads {
        let objects = match &self.prefix {
            Ok(prefix) => self.client.objects(prefix),
            Err(error) => self.client.objects_of(Err(error.clone())),
        };
        let files = ObjectFiles::of(objects);
        let files = match self.only {
            Some(only) => files.only(only),
            None => files,
        };
        ManyDownloads {
            client: self.client,
            folder: self.folder,
            files: Some(files),
            batch: self.batch,
            jobs: Jobs::new(self.at_once),
            each: self.each,
            tell: self.tell,
        }
    }
}

/// ManyDownloads of all objects of a prefix. Dropping it stops those at work in order, with everything received kept.
///
/// At most one page of the store's list is held at a time, and a few more objects than are at work, however many there
/// are.
#[must_use = "nothing is downloaded before next()"]
pub struct ManyDownloads {
    client: Client,
    folder: PathBuf,
    /// `None` when all were listed, or when the list could not be gone on with.
    files: Option<ObjectFiles>,
    batch: Batch,
    jobs: Jobs<ObjectInfo>,
    each: Option<Each>,
    tell: Option<Tell>,
}

impl fmt::Debug for ManyDownloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyDownloads").field("folder", &self.folder).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

impl ManyDownloads {
    /// The switch that stops them, and what they share. Cheap to clone.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The next report, in the order in which downloads end; `None` when all have ended. New downloads begin only while
    /// this is waited for. After the batch was stopped, those at work are reported, and no other object.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time: downloads at work go on, and the next call reports them.
    ///
    /// # Errors
    /// As [`Objects::next`](crate::Objects::next), when the list of objects cannot be gone on with: downloads at work
    /// are reported by the calls after that. [`ErrorKind::Internal`](crate::ErrorKind::Internal) when a function that
    /// was given to [`each`](DownloadAll::each) or [`tell`](DownloadAll::tell) panics.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn next(&mut self) -> Result<Option<(ObjectInfo, JobReport)>, Error> {
        loop {
            if self.batch.is_stopped() {
                self.files = None;
            }
            let Some(files) = self.files.as_mut().filter(|_| self.jobs.has_room()) else {
                return self.jobs.ended().await;
            };
            let idle = self.jobs.is_idle();
            let file = tokio::select! {
                biased;
                () = self.batch.stopped() => continue,
                ended = self.jobs.ended(), if !idle => return ended,
                file = files.next() => file,
            };
            match file {
                Ok(Some(file)) => self.begin(file),
                Ok(None) => self.files = None,
                Err(error) => {
                    self.files = None;
                    return Err(error);
                }
            }
        }
    }

    fn begin(&mut self, file: ObjectFile) {
        let ObjectFile { object, path } = file;
        let path = match path {
            Ok(path) => path,
            Err(error) => return self.jobs.refuse(object, error),
        };
        let download = self.client.download(&object.name).below(&self.folder, path).create_dirs(true);
        let download = match &self.each {
            Some(each) => each(&object, download),
            None => download,
        };
        let (batch, tell) = (self.batch.clone(), self.tell.clone());
        self.jobs.begin(async move {
            let tell = |notice: Notice<'_>| {
                if let Some(tell) = &tell {
                    tell(&object, notice);
                }
            };
            let report = batch.download(download, tell).await;
            (object, report)
        });
    }
}
