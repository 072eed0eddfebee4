//! Where the entries of a list come from: a file, which is read in between, or a stream that may be slow, which is read
//! by a thread.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _};

use tokio::sync::mpsc;

use crate::flags::entries::{BadEntry, Entries, ListEntry};
use crate::flags::input::{ListFile, ListInput};

/// So many entries of a stream wait to be taken.
const AHEAD: usize = 64;

type FeedItem = Result<ListEntry, BadEntry>;

pub(super) struct Feed {
    name: String,
    from: FeedInput,
}

enum FeedInput {
    File {
        file: File,
        entries: Box<Entries<BufReader<File>>>,
    },
    Thread(mpsc::Receiver<FeedItem>),
    /// There is nothing (more) to be read.
    Bad(Option<BadEntry>),
}

impl Feed {
    pub(super) fn new(list: ListFile) -> Self {
        let from = match list.input {
            ListInput::File(file) => match rewound(&file) {
                Ok(entries) => FeedInput::File { file, entries: Box::new(entries) },
                Err(error) => FeedInput::Bad(Some(unreadable(&error))),
            },
            ListInput::Stream(stream) => match on_a_thread(stream) {
                Ok(entries) => FeedInput::Thread(entries),
                Err(error) => FeedInput::Bad(Some(unreadable(&error))),
            },
        };
        Self { name: list.name, from }
    }

    /// As messages name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is looked through before it is worked off.
    pub(super) fn is_read_twice(&self) -> bool {
        matches!(self.from, FeedInput::File { .. })
    }

    pub(super) async fn next(&mut self) -> Option<FeedItem> {
        match &mut self.from {
            FeedInput::File { entries, .. } => entries.next(),
            FeedInput::Thread(entries) => entries.recv().await,
            FeedInput::Bad(bad) => bad.take().map(Err),
        }
    }

    /// Begins again.
    pub(super) fn again(&mut self) {
        if let FeedInput::File { file, entries } = &mut self.from {
            match rewound(file) {
                Ok(anew) => **entries = anew,
                Err(error) => self.from = FeedInput::Bad(Some(unreadable(&error))),
            }
        }
    }

    /// All entries, beside those that are taken; `None` where that is not possible.
    pub(super) fn reread(&self) -> Option<impl Iterator<Item = FeedItem> + use<>> {
        match &self.from {
            FeedInput::File { file, .. } => {
                // A position of its own: that of the file belongs to the one who works it off.
                let own = ReadAt { file: file.try_clone().ok()?, at: 0 };
                Some(Entries::new(BufReader::new(own)))
            }
            FeedInput::Thread(_) | FeedInput::Bad(_) => None,
        }
    }
}

struct ReadAt {
    file: File,
    at: u64,
}

impl Read for ReadAt {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = std::os::unix::fs::FileExt::read_at(&self.file, into, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

fn rewound(file: &File) -> std::io::Result<Entries<BufReader<File>>> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    Ok(Entries::new(BufReader::new(file)))
}

/// The thread ends with the list, with its taker, or with the process.
fn on_a_thread(stream: Box<dyn Read + Send>) -> std::io::Result<mpsc::Receiver<FeedItem>> {
    let (give, take) = mpsc::channel(AHEAD);
    std::thread::Builder::new().name("list".to_owned()).spawn(move || {
        for entry in Entries::new(BufReader::new(stream)) {
            if give.blocking_send(entry).is_err() {
                return;
            }
        }
    })?;
    Ok(take)
}

fn unreadable(error: &std::io::Error) -> BadEntry {
    BadEntry { line: 1, why: format!("it cannot be read ({error})") }
}
