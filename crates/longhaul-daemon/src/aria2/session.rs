//! The list as an input file of aria2 (its manual, section Input File), for programs that keep such files. The list
//! itself is durable without: this is a copy for reading, so that its links are without their secret parts.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use longhaul::manager::{Entry, Which};
use serde_json::Value;

use super::methods::Rpc;
use super::status::Stage;
use super::wire::Fault;

/// The first line of each file. A file that begins otherwise is not ours, and stays.
const HEAD: &str = "# written by longhaul: its list, without secret parts of links\n";

/// `saveSession`: writes the file that the global option `save-session` named. Without one, all is said: the list is
/// durable already.
pub(super) async fn save(rpc: &Rpc) -> Result<Value, Fault> {
    let path = rpc.save_session.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let Some(path) = path else { return Ok("OK".into()) };
    let entries = rpc.manager().entries(&Which::All, 0, usize::MAX);
    let entries = entries.iter().filter(|entry| !entry.state.is_over());
    let text: String = std::iter::once(HEAD.to_owned()).chain(entries.map(|entry| lines(entry))).collect();
    let written = tokio::task::spawn_blocking(move || {
        write(&path, &text).map_err(|error| Fault::new(format!("{}: {error}", path.display())))
    });
    written
        .await
        .map_err(|error| Fault::new(format!("the session could not be written: {error}")))?
        .map(|()| "OK".into())
}

fn lines(entry: &Entry) -> String {
    let mut text = entry.sources.join("\t");
    let mut option = |name: &str, value: &str| {
        // A value with a line break in it would be read as another option.
        if !value.contains(['\n', '\r']) {
            text.push_str(&format!("\n {name}={value}"));
        }
    };
    option("gid", &entry.gid.to_string());
    if Stage::of(&entry.state) == Stage::Paused {
        option("pause", "true");
    }
    option("dir", &entry.folder.to_string_lossy());
    if let Some(name) = &entry.name {
        option("out", &name.to_string_lossy());
    }
    if entry.options.limit_rate > 0 {
        option("max-download-limit", &entry.options.limit_rate.to_string());
    }
    text.push('\n');
    text
}

/// Beside it, then in its place.
fn write(path: &Path, text: &str) -> io::Result<()> {
    match fs::File::open(path) {
        Ok(file) => {
            let mut head = String::new();
            let read = file.take(HEAD.len() as u64).read_to_string(&mut head);
            if read.is_err() || head != HEAD {
                return Err(io::Error::other("another file stands there, which is not overwritten"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(format!("no random bytes ({error})")))?;
    let beside = folder.join(format!(".longhaul-session-{:016x}", u64::from_be_bytes(random)));
    let written = (|| {
        let mut file = fs::File::options().write(true).create_new(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside); // it is not there when the rename was what worked
    }
    written
}
