//! The settings of all entries as aria2's global options, and how the options of one are shown. Only what is so is shown:
//! aria2's options without a meaning here are left out, and so is every secret.

use longhaul::Digest;
use longhaul::manager::{Entry, Existing, Settings};
use serde_json::{Map, Value};

use super::add;
use super::methods::{Asker, Rpc, done};
use super::options::GlobalWish;
use super::params::Params;
use super::wire::Fault;

/// What is always so, in aria2's words.
const FIXED: [(&str, &str); 22] = [
    ("allow-overwrite", "false"),
    ("always-resume", "true"),
    ("auto-file-renaming", "true"),
    ("auto-save-interval", "0"),
    ("check-certificate", "true"),
    ("conditional-get", "false"),
    ("continue", "true"),
    ("daemon", "true"),
    ("dry-run", "false"),
    ("enable-http-keep-alive", "true"),
    ("enable-rpc", "true"),
    ("file-allocation", "none"),
    ("follow-metalink", "false"),
    ("follow-torrent", "false"),
    ("force-save", "true"),
    ("lowest-speed-limit", "0"),
    ("max-upload-limit", "0"),
    ("pause", "false"),
    ("remote-time", "false"),
    ("rpc-allow-origin-all", "false"),
    ("rpc-secure", "false"),
    ("save-session-interval", "0"),
];

/// The options of one entry. What is left out is decided while it runs.
pub(super) fn of_entry(entry: &Entry) -> Result<Value, Fault> {
    let options = &entry.options;
    let mut shown = Map::new();
    let mut show = |name: &str, value: String| shown.insert(name.to_owned(), value.into());
    show("dir", entry.folder.to_string_lossy().into_owned());
    if let Some(name) = &entry.name {
        show("out", name.to_string_lossy().into_owned());
    }
    show("allow-overwrite", (options.existing == Existing::Overwrite).to_string());
    show("auto-file-renaming", (options.existing == Existing::Rename).to_string());
    show("continue", "true".to_owned());
    show("max-download-limit", options.limit_rate.to_string());
    show("remote-time", options.remote_time.to_string());
    show("lowest-speed-limit", options.stall.map_or(0, |(rate, _)| rate).to_string());
    if let Some((_, seconds)) = options.stall {
        show("timeout", seconds.to_string());
    }
    if let Some(connections) = options.connections {
        show("split", connections.to_string());
        show("max-connection-per-server", connections.to_string());
    }
    if let Some(checksum) = options.checksums.iter().find_map(checksum) {
        show("checksum", checksum);
    }
    if let Some(proxy) = &options.proxy {
        show("all-proxy", proxy.clone());
    }
    Ok(Value::Object(shown))
}

/// `TYPE=DIGEST`, for the types that aria2 knows.
fn checksum(digest: &Digest) -> Option<String> {
    let kind = match digest.kind().name() {
        "sha256" => "sha-256",
        "sha512" => "sha-512",
        "sha1" => "sha-1",
        "md5" => "md5",
        _ => return None,
    };
    Some(format!("{kind}={}", digest.hex()))
}

/// `getGlobalOption`.
pub(super) fn of_all(rpc: &Rpc) -> Result<Value, Fault> {
    let settings = rpc.manager().settings();
    let mut shown: Map<String, Value> =
        FIXED.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut show = |name: &str, value: String| shown.insert(name.to_owned(), value.into());
    if let Some(folder) = add::usual_folder(rpc) {
        show("dir", folder.to_string_lossy().into_owned());
    }
    show("max-concurrent-downloads", settings.most.to_string());
    show("max-overall-download-limit", settings.limit_rate.to_string());
    show("max-overall-upload-limit", settings.limit_upload_rate.to_string());
    show("max-download-limit", settings.limit_rate_each.to_string());
    show("max-download-result", settings.history.to_string());
    if let Some(connections) = settings.connections {
        show("split", connections.to_string());
        show("max-connection-per-server", connections.to_string());
    }
    if let Some(user_agent) = &settings.user_agent {
        show("user-agent", user_agent.clone());
    }
    if let Some(address) = rpc.app.place.address {
        show("rpc-listen-port", address.port().to_string());
        show("rpc-listen-all", address.ip().is_unspecified().to_string());
    }
    let saved = rpc.save_session.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    if let Some(path) = saved {
        show("save-session", path.to_string_lossy().into_owned());
    }
    Ok(Value::Object(shown))
}

/// `changeGlobalOption(options)`.
pub(super) async fn change(rpc: &Rpc, asker: &Asker, params: &Params) -> Result<Value, Fault> {
    let wish = GlobalWish::read(params.options(0)?)?;
    if !wish.passed_over.is_empty() {
        tracing::debug!(options = wish.passed_over.join(" "), "global options without a meaning here were sent");
    }
    if let Some(path) = &wish.save_session {
        let path = add::folder(rpc, asker, Some(path))?;
        *rpc.save_session.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(path);
    }
    let before = rpc.manager().settings();
    let after = Settings {
        most: wish.most.unwrap_or(before.most),
        limit_rate: wish.limit_rate.unwrap_or(before.limit_rate),
        limit_upload_rate: wish.limit_upload_rate.unwrap_or(before.limit_upload_rate),
        limit_rate_each: wish.limit_rate_each.unwrap_or(before.limit_rate_each),
        connections: wish.connections.or(before.connections),
        history: wish.history.unwrap_or(before.history),
        user_agent: match wish.user_agent {
            Some(agent) => Some(agent).filter(|agent| !agent.is_empty()),
            None => before.user_agent.clone(),
        },
        folder: match &wish.dir {
            Some(dir) => Some(add::folder(rpc, asker, Some(dir))?),
            None => before.folder.clone(),
        },
        ..Settings::clone(&before)
    };
    if after == *before {
        return Ok("OK".into());
    }
    done(rpc.manager().set_settings(after).await)
}
