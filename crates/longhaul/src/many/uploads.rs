//! All files of a folder into a store, some side by side, with a report of each.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::batch::{Batch, JobReport, Notice};
use super::jobs::{AT_ONCE, Jobs};
use super::object_files::Filter;
use super::walk::{FileBelow, FilesBelow, LeftOut, files_below};
use crate::client::Client;
use crate::client::upload::UploadBuilder;
use crate::error::Error;
use crate::source::{ObjectName, ObjectPrefix};
use crate::threads;

type Each = Arc<dyn Fn(&FileBelow, UploadBuilder) -> UploadBuilder + Send + Sync>;
type Tell = Arc<dyn Fn(&FileBelow, Notice<'_>) + Send + Sync>;

/// Settings of the upload of all files of a folder. [`start`](Self::start) ends them.
#[must_use = "nothing is uploaded before start()"]
pub struct UploadAll {
    client: Client,
    folder: PathBuf,
    prefix: Option<Result<ObjectPrefix, Error>>,
    follow_links: bool,
    at_once: usize,
    batch: Batch,
    only: Option<Filter>,
    each: Option<Each>,
    tell: Option<Tell>,
}

impl fmt::Debug for UploadAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, prefix) = (&self.folder, &self.prefix);
        f.debug_struct("UploadAll").field("folder", folder).field("prefix", prefix).finish_non_exhaustive()
    }
}

impl Client {
    /// An upload of all files below a folder. A file that fails does not keep the others from being uploaded; the same
    /// call again sends what is missing.
    pub fn upload_all(&self, folder: impl Into<PathBuf>) -> UploadAll {
        UploadAll {
            client: self.clone(),
            folder: folder.into(),
            prefix: None,
            follow_links: false,
            at_once: AT_ONCE,
            batch: Batch::default(),
            only: None,
            each: None,
            tell: None,
        }
    }
}

impl UploadAll {
    /// Where to: keys are this prefix, a `/` unless it ends in one or is a whole bucket, and the path below the folder.
    pub fn to<P>(self, prefix: P) -> Self
    where
        P: TryInto<ObjectPrefix>,
        Error: From<P::Error>,
    {
        Self { prefix: Some(prefix.try_into().map_err(Error::from)), ..self }
    }

    /// Goes into folders behind symbolic links as well, never into one that the link lies in. Links to files are
    /// followed always.
    pub fn follow_links(self, follow: bool) -> Self {
        Self { follow_links: follow, ..self }
    }

    /// How many are uploaded side by side, 1 at least; 4 by default.
    pub fn at_once(self, count: usize) -> Self {
        Self { at_once: count, ..self }
    }

    /// Only files whose path below the folder, with `/` between its parts, is meant.
    pub fn only(self, meant: impl FnMut(&str) -> bool + Send + 'static) -> Self {
        Self { only: Some(Box::new(meant)), ..self }
    }

    /// Settings of each upload: `|file, upload| upload.force(true)`. The destination is set already.
    pub fn each(self, each: impl Fn(&FileBelow, UploadBuilder) -> UploadBuilder + Send + Sync + 'static) -> Self {
        Self { each: Some(Arc::new(each)), ..self }
    }

    /// Hears what happens in each. It is called from the uploads' own tasks, and must not block.
    pub fn tell(self, tell: impl Fn(&FileBelow, Notice<'_>) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Arc::new(tell)), ..self }
    }

    /// The batch that they belong to, with its switch; by default one of their own.
    pub fn batch(self, batch: &Batch) -> Self {
        Self { batch: batch.clone(), ..self }
    }

    /// Walks the folder, on a thread of its own, and is ready to upload: [`ManyUploads::next`] does it.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time. The thread then makes a list that is thrown away.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) without a destination, and for one that is none.
    pub async fn start(self) -> Result<ManyUploads, Error> {
        let prefix = self
            .prefix
            .unwrap_or_else(|| Err(Error::usage("an upload needs a destination: oss://BUCKET/PREFIX/")))?
            .into_folder();
        let (folder, follow_links, only) = (self.folder, self.follow_links, self.only);
        let walk = move || match only {
            Some(only) => files_below(&folder, follow_links, only),
            None => files_below(&folder, follow_links, |_| true),
        };
        let FilesBelow { files, left_out } = threads::run(walk).await;
        Ok(ManyUploads {
            client: self.client,
            prefix,
            files: files.into_iter(),
            left_out,
            batch: self.batch,
            jobs: Jobs::new(self.at_once),
            each: self.each,
            tell: self.tell,
        })
    }
}

/// ManyUploads of all files of a folder. Dropping it stops those at work in order, with everything stored kept.
#[must_use = "nothing is uploaded before next()"]
pub struct ManyUploads {
    client: Client,
    prefix: ObjectPrefix,
    files: std::vec::IntoIter<FileBelow>,
    left_out: Vec<LeftOut>,
    batch: Batch,
    jobs: Jobs<FileBelow>,
    each: Option<Each>,
    tell: Option<Tell>,
}

impl fmt::Debug for ManyUploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyUploads").field("prefix", &self.prefix).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

impl ManyUploads {
    /// The switch that stops them, and what they share. Cheap to clone.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What the walk left out, in its order.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The next report, in the order in which uploads end; `None` when all have ended. New uploads begin only while
    /// this is waited for. After the batch was stopped, those at work are reported, and no other file.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time: uploads at work go on, and the next call reports them.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) when a function that was given to [`each`](UploadAll::each)
    /// or [`tell`](UploadAll::tell) panics.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn next(&mut self) -> Result<Option<(FileBelow, JobReport)>, Error> {
        while self.jobs.has_room() && !self.batch.is_stopped() {
            let Some(file) = self.files.next() else { break };
            match file.name.clone().and_then(|name| self.prefix.object(&name)) {
                Ok(object) => self.begin(file, object),
                Err(error) => self.jobs.refuse(file, error),
            }
        }
        self.jobs.ended().await
    }

    fn begin(&mut self, file: FileBelow, object: ObjectName) {
        let upload = self.client.upload(&file.path).to(object);
        let upload = match &self.each {
            Some(each) => each(&file, upload),
            None => upload,
        };
        let (batch, tell) = (self.batch.clone(), self.tell.clone());
        self.jobs.begin(async move {
            let tell = |notice: Notice<'_>| {
                if let Some(tell) = &tell {
                    tell(&file, notice);
                }
            };
            let report = batch.upload(upload, tell).await;
            (file, report)
        });
    }
}
