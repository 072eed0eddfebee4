//! What starts a daemon with its user's session: units of systemd, or a property list of launchd. Texts only; the
//! program writes them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// What a daemon is started as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, from the root on.
    pub program: PathBuf,
    /// Its arguments, `daemon` and what follows.
    pub arguments: Vec<String>,
    /// Where it listens by TCP, if it does.
    pub listen: Option<SocketAddr>,
    /// The name of its Unix socket in the runtime directory's folder `longhaul`.
    pub socket_name: String,
}

impl Launch {
    /// User units for systemd (systemd.unit(5)), below the folder for a user's settings (`~/.config`). By the socket
    /// unit, the first caller starts the daemon, and callers during a restart wait.
    pub fn systemd(&self, config_dir: &Path) -> [UnitFile; 2] {
        let folder = config_dir.join("systemd/user");
        let words = std::iter::once(self.program.to_string_lossy().into_owned()).chain(self.arguments.iter().cloned());
        let command = words.map(|word| systemd_word(&word)).collect::<Vec<_>>().join(" ");
        let service = format!(
            "\
[Unit]
Description=longhaul: transfers that survive
Documentation=man:longhaul-daemon(1)
Requires=longhaul.socket
After=longhaul.socket

[Service]
Type=notify
ExecStart={command}
Restart=on-failure
RestartSec=5
# All runs stop in order within a second or so; a disk that hangs may take longer.
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"
        );
        let (name, tcp) = (&self.socket_name, self.listen.map(|address| format!("ListenStream={address}\n")));
        let tcp = tcp.unwrap_or_default();
        let socket = format!(
            "\
[Unit]
Description=longhaul: where its daemon is reached

[Socket]
{tcp}ListenStream=%t/longhaul/{name}
SocketMode=0600
DirectoryMode=0700

[Install]
WantedBy=sockets.target
"
        );
        [("longhaul.service", service), ("longhaul.socket", socket)]
            .map(|(name, text)| UnitFile { path: folder.join(name), text })
    }

    /// A launch agent for launchd (launchd.plist(5)), below the home folder.
    pub fn launchd(&self, home: &Path) -> UnitFile {
        let words = std::iter::once(self.program.to_string_lossy().into_owned()).chain(self.arguments.iter().cloned());
        let words: String = words.map(|word| format!("    <string>{}</string>\n", xml(&word))).collect();
        let text = format!(
            "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>longhaul.daemon</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
"
        );
        UnitFile { path: home.join("Library/LaunchAgents/longhaul.daemon.plist"), text }
    }
}

/// A word of `ExecStart=` (systemd.service(5), "Command lines"; specifiers in systemd.unit(5)).
fn systemd_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.,:=+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            '$' => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(program: &str, arguments: &[&str]) -> Launch {
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        let listen = Some("127.0.0.1:6800".parse().unwrap());
        Launch { program: program.into(), arguments, listen, socket_name: "daemon.sock".into() }
    }

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        for (word, quoted) in [
            ("/usr/bin/longhaul", "/usr/bin/longhaul"),
            ("a b", "\"a b\""),
            ("100%", "\"100%%\""),
            ("$HOME", "\"$$HOME\""),
            ("\"\\", "\"\\\"\\\\\""),
            ("", "\"\""),
        ] {
            assert_eq!(systemd_word(word), quoted);
        }
    }

    #[test]
    fn a_plist_has_all_words() {
        let file = launch("/Applications/a & b", &["daemon", "--root", "<x>"]).launchd(Path::new("/Users/u"));
        assert!(file.path.ends_with("Library/LaunchAgents/longhaul.daemon.plist"));
        for word in
            ["<string>/Applications/a &amp; b</string>", "<string>daemon</string>", "<string>&lt;x&gt;</string>"]
        {
            assert!(file.text.contains(word), "{word}: {}", file.text);
        }
    }

    /// Goal: systemd takes the units. Method: its own checker, where it is installed.
    #[test]
    fn systemd_takes_the_units() {
        let home = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let files =
            launch(&program.to_string_lossy(), &["daemon", "--root", "/home/u/my downloads 100%"]).systemd(home.path());
        for file in &files {
            std::fs::create_dir_all(file.path.parent().unwrap()).unwrap();
            std::fs::write(&file.path, &file.text).unwrap();
        }
        let paths = files.iter().map(|file| &file.path);
        let checked = std::process::Command::new("systemd-analyze")
            .args(["verify", "--user", "--man=no"])
            .args(paths)
            .env("XDG_RUNTIME_DIR", home.path())
            .output();
        match checked {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: systemd-analyze is not installed");
            }
            Err(error) => panic!("{error}"),
            Ok(checked) => {
                let said = String::from_utf8_lossy(&checked.stderr);
                assert!(checked.status.success() && !said.contains("longhaul."), "{said}");
            }
        }
    }
}
