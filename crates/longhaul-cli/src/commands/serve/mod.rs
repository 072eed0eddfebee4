//! `longhaul serve`: the local store, until a signal or its command ends it.

mod child;
mod settings;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul_devstore::oss::{Builder, NoListener, Port, Server};

use super::ready_file::ReadyFile;
use super::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::serve::ServeOptions;
use crate::out;
use crate::signals::Signals;

/// How long the end of the store waits for its threads.
const GRACE: Duration = Duration::from_millis(700);
/// So many files that are not served are named.
const NAMED_MAX: usize = 3;

pub(crate) fn run(options: &ServeOptions) -> Result<Exit, Failure> {
    let ready_file = options.words.ready_file.as_deref().map(ReadyFile::reserve).transpose()?;
    let home = Home::of(options)?;
    let server = start(options, home.path())?;
    warn(options, &server);
    let ended = serve(options, &server, ready_file);
    end(server);
    home.leave();
    ended
}

/// Says that the store is ready, and waits for what ends it.
fn serve(options: &ServeOptions, server: &Server, ready_file: Option<ReadyFile>) -> Result<Exit, Failure> {
    let line = settings::ready_line(server);
    // What a command writes is not mixed with what its store says, and a script that waits for a file reads that.
    let for_programs = !options.words.command.is_empty() || ready_file.is_some();
    let text = match options.words.json {
        true => line.clone(),
        false if for_programs => String::new(),
        false => settings::settings(server, options),
    };
    runtime()?.block_on(async {
        // Signals are taken before the ready line is written: a script may send one as soon as it has read that.
        let mut signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let _written = ready_file.map(|file| file.write(&line)).transpose()?;
        out::stdout(&text)?;
        match options.words.command.split_first() {
            None => Ok(Exit::Signal(signals.next().await)),
            Some((program, arguments)) => {
                child::run(program, arguments, &settings::variables(server, options), &mut signals).await
            }
        }
    })
}

/// Where the store lies.
enum Home {
    Folder(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Home {
    fn of(options: &ServeOptions) -> Result<Home, Failure> {
        match &options.words.folder {
            Some(folder) => Ok(Home::Folder(folder.clone())),
            None => tempfile::Builder::new()
                .prefix("longhaul-serve-")
                .tempdir()
                .map(Home::Temporary)
                .map_err(|e| local(format!("cannot make a temporary folder ({e}); TMPDIR names another place"))),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Home::Folder(folder) => folder,
            Home::Temporary(folder) => folder.path(),
        }
    }

    fn leave(self) {
        if let Home::Temporary(folder) = self {
            let path = folder.path().to_owned();
            if let Err(error) = folder.close() {
                out::say(&format!("warning: the temporary folder {} is not removed ({error})", path.display()));
            }
        }
    }
}

/// Ends the store. Threads that the disk or an application keeps longer than [`GRACE`] end with the process: what they
/// have not answered by now, they never will, and all that was answered is kept.
fn end(mut server: Server) {
    if !server.stop(GRACE) {
        std::mem::forget(server); // dropped, it would wait for them
    }
}

fn start(options: &ServeOptions, folder: &Path) -> Result<Server, Failure> {
    let words = &options.words;
    let mut builder = Builder::new(folder)
        .listen(options.listen)
        .admin(options.admin)
        .region(&words.region)
        .anonymous(words.anonymous)
        .open_cors(words.cors)
        .sync(options.sync)
        .connections_max(words.connections_max)
        .clock_offset_ms(i64::from(words.clock_offset) * 1000);
    for (id, secret) in &options.keys {
        builder = builder.key(id, secret).map_err(|why| Failure::usage(format!("--key: {why}")))?;
    }
    for (name, value) in &words.variant {
        builder = builder.variant(name, value).map_err(|why| Failure::usage(format!("--variant: {why}")))?;
    }
    for (host, bucket) in &words.host {
        builder = builder.host(host, bucket);
    }
    for domain in &words.domain {
        builder = builder.domain(domain);
    }
    for bucket in &words.bucket {
        builder = builder.bucket(bucket);
    }
    for seed in &words.seed {
        builder = builder.seed(seed.bucket.as_deref(), &seed.folder);
    }
    for rule in &words.fault {
        builder = builder.fault(rule).map_err(|why| Failure::usage(format!("--fault '{rule}': {why}")))?;
    }
    if let Some(path) = &words.log {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|e| local(format!("cannot write the log to {} ({e})", path.display())))?;
        builder = builder.log(Box::new(file));
    }
    builder.start().map_err(|error| not_started(folder, &error))
}

fn not_started(folder: &Path, error: &io::Error) -> Failure {
    if let Some(none) = error.get_ref().and_then(|inner| inner.downcast_ref::<NoListener>()) {
        let flag = match none.port {
            Port::Store => "--listen",
            Port::Admin => "--admin",
        };
        let message = format!("{none}; {flag} takes another address, {flag} :0 a free port");
        return match error.kind() {
            io::ErrorKind::AddrInUse => Failure::new(Exit::InUse, "in_use", message),
            _ => local(message),
        };
    }
    let message = format!("cannot serve {}: {error}", folder.display());
    match error.kind() {
        io::ErrorKind::ResourceBusy => Failure::new(Exit::InUse, "in_use", message),
        io::ErrorKind::InvalidInput => Failure::usage(message),
        _ => local(message),
    }
}

fn local(message: String) -> Failure {
    Failure::new(Exit::LocalFile, "local_file", message)
}

/// What a user may not have meant.
fn warn(options: &ServeOptions, server: &Server) {
    if !options.listen.ip().is_loopback() || !options.admin.ip().is_loopback() {
        out::say("warning: this store can be reached from other machines");
    }
    let mine = [&options.words.log, &options.words.ready_file];
    let mine = mine.into_iter().flatten().filter_map(|path| path.file_name());
    let mine: Vec<_> = mine.map(|name| name.to_string_lossy()).collect();
    // A folder that cannot be read is no reason not to serve it.
    let mut foreign = server.foreign_files().unwrap_or_default();
    foreign.retain(|name| !mine.contains(&name.as_str().into()));
    let Some(folder) = options.words.folder.as_ref().filter(|_| !foreign.is_empty()) else { return };
    let more = if foreign.len() > NAMED_MAX { ", …" } else { "" };
    let names = foreign[..foreign.len().min(NAMED_MAX)].join(", ");
    let folder = folder.display();
    out::say(&format!(
        "warning: {folder} has files that are not the store's, and they are not served: {names}{more}. \
         --seed BUCKET=FOLDER puts the files of a folder into a bucket"
    ));
}
