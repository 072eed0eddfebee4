//! Checksum files: those that have to be fetched are, before anything else, and each source is looked for in all.

use std::path::Path;

use longhaul::{Checksums, Client, Digest, Error, Source};

use crate::exit::{Exit, Failure};
use crate::flags::get::{ChecksumFile, GetOptions};

/// The longest one that is fetched: 40,000 lines of SHA-256, say.
const FETCHED_MAX: usize = 4 << 20;

pub(super) struct Sums {
    files: Vec<Checksums>,
    /// The first thing that is to be fetched: headers and users are meant for its server.
    first: Option<Source>,
    /// One file is fetched, and no other.
    one: bool,
}

impl Sums {
    pub(super) fn new(first: Option<Source>, one: bool) -> Self {
        Self { files: Vec::new(), first, one }
    }

    /// Brings all of them here; what could not be brought, and why.
    pub(super) async fn fetch(&mut self, get: &GetOptions, client: &Client) -> Result<(), (String, Failure)> {
        for file in &get.checksum_files {
            let checksums = match file {
                ChecksumFile::Here(checksums) => checksums.clone(),
                ChecksumFile::At(source) => {
                    let fetched = self.fetch_one(get, client, source).await;
                    fetched.map_err(|failure| (source.to_string(), failure))?
                }
            };
            self.files.push(checksums);
        }
        Ok(())
    }

    async fn fetch_one(&self, get: &GetOptions, client: &Client, source: &Source) -> Result<Checksums, Failure> {
        let running = &get.running;
        let mut download = client.download(source).retries(running.retries);
        download = download.stall(running.min_rate, running.stall_timeout);
        if self.is_at_the_first_one_s_server(source) {
            for (name, value) in &get.headers {
                download = download.header(name, value);
            }
            if let Some((user, password)) = &get.user {
                download = download.basic_auth(user, password);
            }
        }
        let mut bytes = download.read().await?;
        let mut text = Vec::new();
        while let Some(piece) = bytes.next().await {
            text.extend_from_slice(&piece?);
            if text.len() > FETCHED_MAX {
                let message = format!("{source}: it is longer than {} MiB, and no checksum file", FETCHED_MAX >> 20);
                return Err(Failure::new(Exit::Refused, "refused", message));
            }
        }
        let is_no_list = |error: Error| {
            Failure::new(Exit::Integrity, "not_provable", format!("{source}: {error}; is it a checksum file?"))
        };
        let checksums = Checksums::parse(&text).map_err(is_no_list)?;
        match checksums.is_nameless() && !self.one {
            true => {
                let message = format!("{source}: it has one checksum without a name, and is about one file");
                Err(Failure::new(Exit::Integrity, "not_provable", message))
            }
            false => Ok(checksums),
        }
    }

    /// A header or a user was given for the server of what is fetched, and goes to no other one.
    fn is_at_the_first_one_s_server(&self, source: &Source) -> bool {
        match (&self.first, source) {
            (Some(Source::Web(first)), Source::Web(url)) => first.is_of_same_origin(url),
            _ => false,
        }
    }

    /// The digests of a source, by its own name or else by the one that it is saved under.
    pub(super) fn of(&self, source: &Source, saved_as: Option<&Path>) -> Result<Vec<Digest>, Failure> {
        let mut digests: Vec<Digest> = Vec::new();
        let mut missing = None;
        for checksums in &self.files {
            let found = checksums.of(source).or_else(|error| match saved_as.and_then(Path::to_str) {
                Some(name) => checksums.of_path(name).map_err(|_| error),
                None => Err(error),
            });
            match found {
                Ok(found) => digests.extend(found),
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        match missing {
            Some(error) if digests.is_empty() => {
                let message = format!(
                    "{source}: {error}; save it under the name that it has there, or fetch it without --checksums"
                );
                Err(Failure::new(Exit::Integrity, "not_provable", crate::printable::one_line(&message)))
            }
            _ => Ok(digests),
        }
    }
}
