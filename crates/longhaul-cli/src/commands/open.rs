//! `longhaul open`: the daemon's page, with a code that logs the browser in.

use std::process::{Command, Stdio};

use super::daemon::{ask, socket_of};
use super::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::open::OpenOptions;
use crate::out;

pub(crate) fn run(options: &OpenOptions) -> Result<Exit, Failure> {
    let socket = socket_of(&options.state);
    let link = runtime()?.block_on(async {
        let none = || Failure::new(Exit::LocalFile, "local_file", "no daemon runs; `longhaul daemon start` starts one");
        let info = ask(&socket, "GET", "/api/v1/info").await?.ok_or_else(none)?;
        let Some(address) = info.body["address"].as_str() else {
            let message = "the daemon listens at no address (--no-tcp), and a browser cannot reach its socket";
            return Err(Failure::new(Exit::LocalFile, "local_file", message));
        };
        let code = ask(&socket, "POST", "/api/v1/codes").await?.ok_or_else(none)?;
        let code = code.body["code"].as_str().unwrap_or_default().to_owned();
        // What stands behind # is not sent, and is in no log.
        Ok(format!("http://{}/#code={code}", reachable(address)))
    })?;
    if !options.print && opened(&link) {
        out::say("opened in the browser");
        return Ok(Exit::Done);
    }
    out::stdout(&format!("{link}\n"))?;
    Ok(Exit::Done)
}

/// A daemon that listens at all addresses is here too.
fn reachable(address: &str) -> String {
    match address.parse::<std::net::SocketAddr>() {
        Ok(at) if at.ip().is_unspecified() => format!("127.0.0.1:{}", at.port()),
        _ => address.to_owned(),
    }
}

/// Hands the link to the desktop. It is seen by this user's own processes for a moment, and works once.
fn opened(link: &str) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
