//! Which file below a folder does each object of a prefix become?

use std::fmt;
use std::path::PathBuf;

use super::keys::{self, Clashes};
use crate::advice::Advice;
use crate::error::{Disposition, Error, ErrorKind};
use crate::objects::{ObjectInfo, Objects};

/// An object of a prefix, and where it is saved.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectFile {
    /// The object.
    pub object: ObjectInfo,
    /// Its path below the folder, for [`DownloadBuilder::below`](crate::DownloadBuilder::below); or why it cannot be
    /// saved under its name ([`ErrorKind::LocalFile`]).
    pub path: Result<PathBuf, Error>,
}

/// The objects of a prefix with the file of each, in the order of the store.
///
/// The path is the key without everything up to the prefix's last slash: of `logs/2024`, `logs/2024-01/a` becomes
/// `2024-01/a`. Refused is a key with an empty part, with `.` or `..` in it, with a control character, with a part
/// longer than a file name, with the ending of our own working files, and one that needs a folder where another object
/// is a file. Objects without bytes whose keys end in a slash stand for folders, as some tools make them, and are left
/// out.
pub struct ObjectFiles {
    objects: Objects,
    /// How much is the same in all keys.
    base_len: usize,
    clashes: Clashes,
    only: Option<Filter>,
}

/// Which names below a folder or prefix are meant.
pub(super) type Filter = Box<dyn FnMut(&str) -> bool + Send>;

impl fmt::Debug for ObjectFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectFiles").field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl ObjectFiles {
    /// The files of these objects, of which none was taken yet.
    pub fn of(objects: Objects) -> Self {
        let base_len = objects.prefix().map_or(0, |prefix| keys::base(prefix.key()).len());
        Self { objects, base_len, clashes: Clashes::default(), only: None }
    }

    /// Only those whose path, with `/` between its parts, is meant.
    pub fn only(self, meant: impl FnMut(&str) -> bool + Send + 'static) -> Self {
        Self { only: Some(Box::new(meant)), ..self }
    }

    /// The next one; `None` at the end.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time.
    ///
    /// # Errors
    /// As [`Objects::next`].
    pub async fn next(&mut self) -> Result<Option<ObjectFile>, Error> {
        while let Some(object) = self.objects.next().await? {
            let below = object.name.key().get(self.base_len..).unwrap_or_default();
            if self.only.as_mut().is_some_and(|meant| !meant(below)) {
                continue;
            }
            let path = match keys::path(below, object.len) {
                Ok(None) => continue,
                Ok(Some(path)) => match self.clashes.add(object.name.key()) {
                    Ok(()) => Ok(path),
                    Err(file) => Err(format!("{file:?} is an object too, and a file cannot be a folder")),
                },
                Err(why) => Err(why.to_owned()),
            };
            let path = path.map_err(|why| {
                let text = format!("{}: cannot be saved under its name: {why}", object.name);
                Error::new(ErrorKind::LocalFile, Disposition::Permanent, text)
                    .with("source", &object.name)
                    .advise(Advice::ChooseName)
            });
            return Ok(Some(ObjectFile { object, path }));
        }
        Ok(None)
    }
}
