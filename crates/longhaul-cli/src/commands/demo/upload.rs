//! The second half of the demo: a file goes up, over connections that are cut, by a program that is killed, to a server
//! whose last answer is lost.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

use longhaul_devstore::Content;
use serde_json::Value;

use super::{BUCKET, DemoCounts, Story, local, say, times};
use crate::exit::{Exit, Failure};
use crate::show::text::bytes;

const SIZE: u64 = 48 << 20;
const KEY: &str = "uploads/holiday.mov";
const FILE: &str = "holiday.mov";
const PART: u64 = 2 << 20;
/// Slow where the bytes leave: a slow server would leave whole parts in the buffers of the system between, which arrive
/// after the kill, when the next start has long asked which parts are there.
const RATE: &str = "18M";
const CONNECTIONS: &str = "3";
/// The process is killed when the server has acknowledged so much.
const KILL_AT: u64 = 20 << 20;

impl Story {
    /// A file goes up; its lines of the summary.
    pub(super) fn upload(&self) -> Result<String, Failure> {
        let file = self.folder.path().join(FILE);
        let written = File::create(&file).and_then(|mut to| io::copy(&mut Content::seeded(2, SIZE).reader(), &mut to));
        written.map_err(|e| local(format!("cannot write {} to {} ({e})", bytes(SIZE), file.display())))?;
        say(&format!(
            "Now the other way: a file of {} is uploaded in parts of {}, but\n  \
             - the connection is cut in the middle of a part,\n  \
             - the program is killed and started anew,\n  \
             - and the server's very last answer is lost, so that nobody told whether the file is stored.\n",
            bytes(SIZE),
            bytes(PART)
        ))?;
        self.server.clear_faults();
        self.fault("op=UploadPart kind=cut-upload after=1000000 by=reset skip=3 times=2")?;
        self.fault("op=CompleteMultipartUpload kind=lose-answer times=1")?;

        say(&format!("3  longhaul put {FILE} oss://{BUCKET}/{KEY}"))?;
        let first = self.put(&file, Some(KILL_AT))?;
        if first.done || first.failed.is_some() {
            let why = first.failed.unwrap_or_else(|| "it was done too early".to_owned());
            return Err(Failure::internal(format!("the first upload did not live to be killed: {why}")));
        }
        say(&format!(
            "   The connection was cut {}; only the parts that were on their way were sent anew.\n   \
             When the server had {}, the program was killed with kill -9.\n",
            times(first.retries),
            bytes(first.acknowledged)
        ))?;
        say("4  The same command again.")?;
        let second = self.put(&file, None)?;
        if !second.done {
            let why = second.failed.unwrap_or_else(|| "it told no reason".to_owned());
            return Err(Failure::internal(format!("the second upload did not end well: {why}")));
        }
        say(&format!(
            "   The server was asked what it has: {} in parts whose digests are right. Only the rest was sent.",
            bytes(second.resumed_with)
        ))?;
        if second.settled {
            say("   The last answer was lost. longhaul looked whether the file is there, instead of sending \
                 anything again or calling it a failure.")?;
        }
        say(&format!("   Stored. Checked: {}.\n", second.verified.as_deref().unwrap_or("nothing")))?;
        let same =
            self.compare(KEY, &file).map_err(|e| local(format!("cannot compare the file with the server's ({e})")))?;
        if !same {
            return Err(Failure::new(Exit::Integrity, "integrity", "what the server has is not the file"));
        }
        say("What the server has is byte for byte the file.\n")?;
        let log = self.server.log_since(0);
        let (arrived, twice) = parts(&log);
        Ok(format!(
            "  uploaded              {:>10}   for a file of {}\n  \
             parts stored twice    {:>10}   of {}, by the server's own log\n  \
             of parts cut off      {:>10}   by the cuts and the kill\n",
            bytes(arrived),
            bytes(SIZE),
            twice,
            SIZE.div_ceil(PART),
            bytes(arrived.saturating_sub(SIZE)),
        ))
    }

    /// Runs `longhaul put` as a process of its own; kills it when so much is acknowledged.
    fn put(&self, file: &std::path::Path, kill_at: Option<u64>) -> Result<DemoCounts, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::internal(format!("where am I? ({e})")))?;
        let mut command = Command::new(program);
        command
            .args(["put", "--json", "--connections", CONNECTIONS, "--limit-rate", RATE, "--proxy", "none"])
            .args(["--part-size", &PART.to_string()])
            .args(["--endpoint", self.server.endpoint(), "--region", self.server.region()])
            .arg("--state-dir")
            .arg(self.folder.path().join("state"))
            .arg(file)
            .arg(format!("oss://{BUCKET}/{KEY}"))
            // The store's own keys; the user's are not shown to it.
            .env("OSS_ACCESS_KEY_ID", self.server.access_key_id())
            .env("OSS_ACCESS_KEY_SECRET", self.server.access_key_secret())
            .env_remove("OSS_SESSION_TOKEN")
            .stdin(Stdio::null());
        self.listen(command, |told| kill_at.is_some_and(|at| told.acknowledged >= at))
    }
}

/// Bytes of parts that arrived, and how many parts were stored more than once.
fn parts(log: &[Value]) -> (u64, usize) {
    let parts = || log.iter().filter(|line| line["op"] == "UploadPart");
    let arrived = parts().filter_map(|line| line["bytes_in"].as_u64()).sum();
    let mut stored = BTreeSet::new();
    let twice = parts().filter(|line| line["status"] == 200).filter(|line| !stored.insert(line["target"].to_string()));
    (arrived, twice.count())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_part_is_sent_twice_when_it_was_stored_before() {
        let line = |target: &str, status: u16, bytes: u64| json!({"op": "UploadPart", "target": target, "status": status, "bytes_in": bytes});
        let log =
            [line("1", 200, 5), line("2", 0, 3), line("2", 200, 5), json!({"op": "ListParts"}), line("1", 200, 5)];
        assert_eq!(super::parts(&log), (18, 1));
    }
}
