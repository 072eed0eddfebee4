//! A server or a proxy as a process: started, killed, started again.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use longhaul_devstore::Content;
use tempfile::TempDir;

use crate::common::SOON;
use crate::configurations;
use crate::real::place::{certificates, free_ports};
use crate::real::{skip, tool, until};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Apache,
    Lighttpd,
    Caddy,
    Tinyproxy,
    Microsocks,
}

pub(crate) const SERVERS: [Kind; 4] = [Kind::Nginx, Kind::Apache, Kind::Lighttpd, Kind::Caddy];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Apache => "apache2",
            Kind::Lighttpd => "lighttpd",
            Kind::Caddy => "caddy",
            Kind::Tinyproxy => "tinyproxy",
            Kind::Microsocks => "microsocks",
        }
    }

    /// The program, and the modules that come in packages of their own.
    fn missing(self) -> Option<String> {
        let modules: &[&str] = match self {
            Kind::Lighttpd => &["/usr/lib/lighttpd/mod_deflate.so", "/usr/lib/lighttpd/mod_openssl.so"],
            _ => &[],
        };
        let module = modules.iter().find(|module| !Path::new(module).exists());
        tool(self.name()).is_none().then(|| self.name().to_owned()).or(module.map(|module| (*module).to_owned()))
    }
}

/// A program at work in a folder of its own. One process, so that killing it is killing it.
pub(crate) struct Daemon {
    pub(crate) kind: Kind,
    folder: TempDir,
    child: Child,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
}

impl Daemon {
    /// Starts it. `None`, and a line about it, when it is not installed.
    pub(crate) fn start(kind: Kind) -> Option<Daemon> {
        if let Some(missing) = kind.missing() {
            skip(&format!("{missing} not installed"));
            return None;
        }
        let folder = tempfile::Builder::new().prefix("longhaul-server-").tempdir().unwrap();
        // Some give up being root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["www", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        certificates(folder.path());
        // Ports that were free a moment ago may be taken: then others are tried.
        for _ in 0..5 {
            let [port, tls_port] = free_ports();
            configurations::write(kind, folder.path(), port, tls_port);
            let mut child = spawn(kind, folder.path(), port);
            if until(SOON, || child.try_wait().unwrap().is_some() || answers(port))
                && child.try_wait().unwrap().is_none()
            {
                return Some(Daemon { kind, folder, child, port, tls_port });
            }
            child.kill().unwrap_or_default();
            child.wait().unwrap();
        }
        let said = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        panic!("{} does not start: {}{}", kind.name(), said("errors"), said("output"));
    }

    /// The certificate of the authority that signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Puts a file in the place of whatever has that name, by renaming.
    pub(crate) fn put(&self, name: &str, content: &Content, modified: SystemTime) {
        let temp = self.folder.path().join(format!("{name}.new"));
        let mut file = File::create(&temp).unwrap();
        std::io::copy(&mut content.reader(), &mut file).unwrap();
        file.set_modified(modified).unwrap();
        fs::rename(&temp, self.folder.path().join("www").join(name)).unwrap();
    }

    /// What it noted about requests.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("access")).unwrap_or_default()
    }

    /// `kill -9`; its ports are closed when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after a kill, on the same ports.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.kind, self.folder.path(), self.port);
        let up = until(SOON, || answers(self.port));
        assert!(up && self.child.try_wait().unwrap().is_none(), "{} does not come back", self.kind.name());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already, or ended by this.
        self.child.kill().unwrap_or_default();
        let _ = self.child.wait();
    }
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn spawn(kind: Kind, folder: &Path, port: u16) -> Child {
    let configuration = folder.join("configuration");
    let mut command = Command::new(tool(kind.name()).unwrap());
    match kind {
        Kind::Nginx => command.arg("-p").arg(folder).arg("-e").arg(folder.join("errors")).arg("-c").arg(configuration),
        Kind::Apache => command.arg("-X").arg("-f").arg(configuration),
        Kind::Lighttpd => command.arg("-D").arg("-f").arg(configuration),
        Kind::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(configuration),
        Kind::Tinyproxy => command.arg("-d").arg("-c").arg(configuration),
        Kind::Microsocks => command.args(["-i", "127.0.0.1", "-p", &port.to_string()]),
    };
    let output = File::options().create(true).append(true).open(folder.join("output")).unwrap();
    command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
}
