//! What helps against an error?
//!
//! An [`Error`](crate::Error) says what happened. What to do about it depends on where it is done: a command line names
//! its flags, a program with windows opens a dialog, a service looks into its settings. So an error carries an
//! [`Advice`], and each front end says it in its own words. Those of the `Display` here fit anywhere.

use std::fmt;

/// What helps against an [`Error`](crate::Error).
///
/// `Display` says it in words that name no option of a program: to be shown behind the error, after a semicolon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// The same call again: it goes on from what is held.
    RunAgain,
    /// The same call, after a while.
    TryLater,
    /// Check the network and the name of the host, then the same call again.
    CheckNetwork,
    /// Log in to the network or the site in a browser, then the same call again.
    LogIn,
    /// Check the URL.
    CheckAddress,
    /// A fresh link: [`DownloadBuilder::link_source`](crate::DownloadBuilder::link_source), or a new start with one.
    FreshLink,
    /// A fresh link, or credentials, if the server has begun to ask for them.
    FreshLinkOrCredentials,
    /// A user and password or a header for the server
    /// ([`DownloadBuilder::basic_auth`](crate::DownloadBuilder::basic_auth),
    /// [`header`](crate::DownloadBuilder::header)).
    GiveCredentials,
    /// Check the user and password, or the headers, that were given.
    CheckCredentials,
    /// A user and password in the URL of the proxy.
    GiveProxyCredentials,
    /// Keys for the store ([`credentials`](crate::credentials)), or new ones in place of expired ones.
    GiveStoreKeys,
    /// Check the keys for the store and what they may do.
    CheckStoreKeys,
    /// Check the name of the bucket or object, the region and the endpoint.
    CheckStore,
    /// The name ends like a prefix: fetch the objects below it
    /// ([`many`](crate::many)), or check the name.
    FetchBelow,
    /// The store's endpoint or region is missing.
    GiveEndpoint,
    /// The store's region is missing, which version 4 of its signature names.
    GiveRegion,
    /// The certificate of the issuer, or of the server, if the server is the caller's own
    /// ([`ClientBuilder::ca_certificates`](crate::ClientBuilder::ca_certificates)).
    TrustIssuer,
    /// Name a file, or give the folder as the place to save in.
    ChooseFile,
    /// Another name for the file.
    ChooseName,
    /// Another name for one of two downloads that would be saved as the same file.
    ChooseNames,
    /// Another folder, which can be written.
    ChooseFolder,
    /// Another state directory, which can be written.
    ChooseStateDir,
    /// Another key for the object, or allow that the one there is replaced.
    ChooseKey,
    /// Move away what is there, or choose another name.
    MoveAway,
    /// Move away what is there, choose another name, or allow that it is replaced
    /// ([`DownloadBuilder::overwrite`](crate::DownloadBuilder::overwrite)).
    AllowOverwrite,
    /// The same, or give the digest ([`DownloadBuilder::checksum`](crate::DownloadBuilder::checksum)) by which the right
    /// file is recognised.
    GiveDigestOrOverwrite,
    /// Give a digest of the whole ([`DownloadBuilder::checksum`](crate::DownloadBuilder::checksum)), or be content with
    /// samples ([`trust_samples`](crate::DownloadBuilder::trust_samples)); or fetch the object anew.
    ProvePartial,
    /// Finish or remove the other transfer whose files are there, or choose another name.
    FinishOther,
    /// Look at the object; then choose another key, replace it, or give this upload up.
    JudgeObject,
    /// Give up what is held, and begin anew. `part` and `journal` in the [context](crate::Error::context) name the
    /// files that hold it.
    BeginAnew,
    /// Wait for the other process or transfer, or stop it.
    WaitForOther,
    /// Allow that the file is not locked, since the file system cannot lock.
    GoUnlocked,
    /// Make room on the disk, then the same call again.
    MakeRoom,
    /// Check the permissions of the folder or the file.
    CheckPermissions,
    /// Check the disk and the path.
    CheckDisk,
    /// Check the source of the upload, its disk and the state directory.
    CheckSource,
    /// Check the disk, the memory and the network: bytes change on their way.
    CheckMachine,
    /// No file may become that long: raise the limit, or choose a file system that allows it.
    AllowLongerFiles,
    /// Allow more open files, or transfer fewer at once.
    AllowMoreFiles,
    /// Allow more threads, or end other programs.
    AllowMoreThreads,
    /// Check the expected digest, or fetch from another source. What a download holds of the file (`part` and `journal`
    /// in the [context](crate::Error::context)) is kept: with the right digest it is published without being fetched
    /// again; [`discard`](crate::DownloadBuilder::discard) gives it up.
    CheckDigest,
    /// Give the right digest, which decides over what the server says; or leave the server's out of account, if it is
    /// known to be wrong.
    GiveDigest,
    /// The same call, when the source is not written to any more.
    LeaveSourceAlone,
    /// Send the source as a stream ([`Client::upload_reader`](crate::Client::upload_reader)).
    SendAsStream,
    /// Larger parts.
    LargerParts,
    /// Smaller parts.
    SmallerParts,
    /// The same call, with the permission to read the object: it tries once more to find out whether it is stored.
    AllowReading,
    /// No second upload: the object is stored. Tell it to the receiver of the callback.
    TellReceiver,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunAgain => "start it again",
            Self::TryLater => "try again later",
            Self::CheckNetwork => "check the name and the network, and start it again",
            Self::LogIn => "log in and start it again",
            Self::CheckAddress => "check the address",
            Self::FreshLink => "start it again with a fresh link",
            Self::FreshLinkOrCredentials => "start it again with a fresh link, or give credentials",
            Self::GiveCredentials => "give credentials",
            Self::CheckCredentials => "check the credentials that were given",
            Self::GiveProxyCredentials => "give user and password in the URL of the proxy",
            Self::GiveStoreKeys => "bring new credentials and start it again",
            Self::CheckStoreKeys => "check the credentials and their permissions",
            Self::CheckStore => "check the name, the region and the endpoint",
            Self::FetchBelow => "if it is a prefix, fetch the objects below it; otherwise check the name",
            Self::GiveEndpoint => "give the endpoint or the region of the store",
            Self::GiveRegion => "give the region, or have version 1 of the signature used",
            Self::TrustIssuer => {
                "if the server is one of yours, give the certificate of the issuer or that of the server itself"
            }
            Self::ChooseFile => "name a file, or give the folder as the place to save in",
            Self::ChooseName => "choose another name",
            Self::ChooseNames => "give one of them another name",
            Self::ChooseFolder => "choose a folder that can be written",
            Self::ChooseStateDir => "choose a state directory that can be written",
            Self::ChooseKey => "choose another key, or allow it to be replaced",
            Self::MoveAway => "move it away or choose another name",
            Self::AllowOverwrite => "move it away, choose another name, or allow it to be replaced",
            Self::GiveDigestOrOverwrite => {
                "give its digest if it may be the right file; or move it away, choose another name, or allow it to be \
                 replaced"
            }
            Self::ProvePartial => "give a digest of the whole, or be content with samples; or fetch it anew",
            Self::FinishOther => "finish or remove that one, or choose another name",
            Self::JudgeObject => "look at it; then choose another key, replace it, or give this upload up",
            Self::BeginAnew => "to begin anew, give up what is held",
            Self::WaitForOther => "wait for it or stop it",
            Self::GoUnlocked => "allow to go on without a lock",
            Self::MakeRoom => "make room and start it again",
            Self::CheckPermissions => "check the permissions",
            Self::CheckDisk => "check the disk and the path",
            Self::CheckSource => "check the file, its disk and the state directory",
            Self::CheckMachine => "check the disk, the memory and the network",
            Self::AllowLongerFiles => {
                "raise the limit (ulimit -f), or choose a file system that allows it (vfat ends at 4 GiB)"
            }
            Self::AllowMoreFiles => "allow more open files (ulimit -n), or transfer fewer at once",
            Self::AllowMoreThreads => {
                "end other programs, or allow more threads (ulimit -u, pids.max of the container)"
            }
            Self::CheckDigest => "check the expected digest, or fetch from another source",
            Self::GiveDigest => {
                "give the right digest, which decides; or ignore the server's, if it is known to be wrong"
            }
            Self::LeaveSourceAlone => "start it again when it is not written to any more",
            Self::SendAsStream => "send it as a stream",
            Self::LargerParts => "choose a larger part size",
            Self::SmallerParts => "choose a smaller part size",
            Self::AllowReading => {
                "start it again, with the permission to read the object if possible: it tries once more"
            }
            Self::TellReceiver => "do not upload it again; tell the receiver of the callback",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name != "tests" => sources(&path, found),
                false if name.ends_with(".rs") && !name.ends_with("tests.rs") => found.push(path),
                _ => {}
            }
        }
    }

    /// What of a line is code, with its string literals.
    fn code(line: &str) -> &str {
        let line = line.trim_start();
        if line.starts_with("//") { "" } else { line.split(" // ").next().unwrap_or_default() }
    }

    /// Goal: a program with windows, or a service, can show what the library says. Method: the source of library and
    /// core, without comments and tests, has no flag of a command line in it and sends nobody back to a command.
    #[test]
    fn no_text_of_the_library_speaks_of_a_command_line() {
        let mut files = Vec::new();
        for krate in ["src", "../longhaul-core/src"] {
            sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(krate), &mut files);
        }
        assert!(files.len() > 100, "{} files", files.len());
        let flag = |text: &str| {
            text.match_indices("--").any(|(at, _)| text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let mut wrong = Vec::new();
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let shipped = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
            for line in shipped.lines().map(code) {
                if flag(line) || ["same command", "run again", "run it again", "`put"].iter().any(|w| line.contains(w))
                {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
