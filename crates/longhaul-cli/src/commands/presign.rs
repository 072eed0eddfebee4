//! `longhaul presign OBJECT`: a link that works without keys, for a while. The link is all that goes to stdout.

use serde::Serialize;

use super::{json_lines, runtime, settings};
use crate::exit::{Exit, Failure};
use crate::flags::presign::PresignOptions;
use crate::out;

pub(crate) fn run(presign: &PresignOptions) -> Result<Exit, Failure> {
    let client = settings(&presign.network, &presign.store).build()?;
    let runtime = runtime()?;
    let link = runtime.block_on(client.presign(&presign.object, presign.method, presign.life));
    runtime.shutdown_background();
    let url = link?;
    if presign.json {
        json_lines(&[PresignAnswer {
            url: &url,
            object: presign.object.to_string(),
            expires_s: presign.life.as_secs(),
        }])?;
    } else {
        out::stdout(&format!("{url}\n"))?;
    }
    Ok(Exit::Done)
}

/// What came out, as `--json` shows it.
#[derive(Debug, Serialize)]
struct PresignAnswer<'a> {
    url: &'a str,
    object: String,
    /// Seconds from now.
    expires_s: u64,
}
