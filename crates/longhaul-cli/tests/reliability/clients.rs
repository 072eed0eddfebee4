//! Who takes part, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real::tool;

/// One downloader with its flags.
#[derive(Clone)]
pub(crate) struct Client {
    /// As the tables call it.
    pub(crate) name: &'static str,
    program: &'static str,
    /// How many connections it uses.
    pub(crate) connections: u64,
    /// Before the file and the URL.
    flags: &'static [&'static str],
    /// More of them, for so many connections.
    more: &'static [&'static str],
    /// Before the name of the file; without, it takes the name from the URL, which is the same.
    output: &'static str,
    /// Before a SHA-256, if there is such a flag.
    digest: Option<&'static str>,
    /// Where it keeps what it has: added to the name of the file.
    partial: &'static str,
    /// What it writes about that, beside it, if that is needed to go on.
    control: Option<&'static str>,
}

const LONGHAUL: Client = Client {
    name: "longhaul",
    program: "longhaul",
    connections: 1,
    more: &[],
    flags: &["get", "--proxy", "none", "--retries", "5", "--stall-timeout", "3"],
    output: "-o",
    digest: Some("--checksum=sha256:"),
    partial: ".lhpart",
    control: None,
};

const CURL: Client = Client {
    name: "curl",
    program: "curl",
    connections: 1,
    more: &[],
    flags: &[
        "-q",
        "--silent",
        "--show-error",
        "--fail",
        "--location",
        "--continue-at",
        "-",
        "--retry",
        "5",
        "--retry-all-errors",
        "--retry-delay",
        "1",
        "--speed-limit",
        "1000",
        "--speed-time",
        "3",
        "--noproxy",
        "*",
    ],
    output: "--output",
    digest: None,
    partial: "",
    control: None,
};

const WGET: Client = Client {
    name: "wget",
    program: "wget",
    connections: 1,
    more: &[],
    flags: &[
        "--no-config",
        "--no-verbose",
        "--continue",
        "--tries=6",
        "--waitretry=1",
        "--timeout=3",
        "--retry-connrefused",
        "--retry-on-http-error=408,429,500,502,503,504",
        "--no-proxy",
    ],
    output: "--output-document",
    digest: None,
    partial: "",
    control: None,
};

const WGET2: Client = Client {
    name: "wget2",
    program: "wget2",
    connections: 1,
    more: &[],
    flags: &[
        "--no-config",
        "--no-verbose",
        "--continue",
        "--compression=identity",
        "--tries=6",
        "--waitretry=1",
        "--timeout=3",
        "--retry-connrefused",
        "--no-proxy",
    ],
    output: "", // with it, 1.99 does not resume

    digest: None,
    partial: "",
    control: None,
};

const ARIA2: Client = Client {
    name: "aria2c",
    program: "aria2c",
    connections: 1,
    more: &[],
    flags: &[
        "--no-conf",
        "--quiet",
        "--continue",
        "--always-resume=false",
        "--max-tries=6",
        "--retry-wait=1",
        "--timeout=3",
        "--auto-save-interval=1",
        "--auto-file-renaming=false",
        "--file-allocation=none",
    ],
    output: "--out",
    digest: Some("--checksum=sha-256="),
    partial: "",
    control: Some(".aria2"),
};

/// Each on one connection. Ours first.
pub(crate) fn single() -> Vec<Client> {
    let longhaul = Client { more: &["-x", "1"], ..LONGHAUL };
    let aria2 = Client { more: &["--max-connection-per-server=1", "--split=1"], ..ARIA2 };
    vec![longhaul, CURL, WGET, WGET2, aria2]
}

/// Those that can use four. Ours first.
pub(crate) fn several() -> Vec<Client> {
    let more = &["--max-connection-per-server=4", "--split=4", "--min-split-size=1M"];
    vec![
        Client { name: "longhaul -x 4", connections: 4, more: &["-x", "4"], ..LONGHAUL },
        Client { name: "aria2c -x 4", connections: 4, more, ..ARIA2 },
    ]
}

impl Client {
    fn binary(&self) -> PathBuf {
        if self.program == LONGHAUL.program {
            return env!("CARGO_BIN_EXE_longhaul").into();
        }
        tool(self.program).unwrap_or_else(|| panic!("{} is not installed", self.program))
    }

    /// The command that downloads to `file` in `folder`; `None` when it would need a flag that there is not.
    pub(crate) fn command(&self, folder: &Path, url: &str, sha256: Option<&str>) -> Option<Command> {
        let mut command = Command::new(self.binary());
        command.args(self.flags).args(self.more);
        if let Some(sha256) = sha256 {
            command.arg(format!("{}{sha256}", self.digest?));
        }
        if !self.output.is_empty() {
            command.arg(self.output).arg("file");
        }
        command.arg(url).current_dir(folder);
        // Neither settings of this machine nor of whoever runs this.
        command
            .env_clear()
            .env("HOME", folder.parent().unwrap_or(folder))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Some(command)
    }

    /// As one would type it.
    pub(crate) fn typed(&self) -> String {
        let quoted = |word: &str| if word == "*" { "'*'".to_owned() } else { word.to_owned() };
        let flags: Vec<String> = self.flags.iter().chain(self.more).map(|word| quoted(word)).collect();
        let output = if self.output.is_empty() { String::new() } else { format!(" {} FILE", self.output) };
        format!("{} {}{output} URL", self.program, flags.join(" "))
    }

    /// The first line of what it says of its version.
    pub(crate) fn version(&self) -> String {
        let said = Command::new(self.binary()).arg("--version").output().unwrap().stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        said.lines().next().unwrap_or_default().to_owned()
    }

    /// Where it keeps what it has.
    pub(crate) fn partial(&self, folder: &Path) -> PathBuf {
        folder.join(format!("file{}", self.partial))
    }

    /// What it needs beside that.
    pub(crate) fn control(&self, folder: &Path) -> Option<PathBuf> {
        self.control.map(|ending| folder.join(format!("file{ending}")))
    }
}
