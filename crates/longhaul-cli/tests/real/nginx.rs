//! nginx, started for a suite and killed with it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use longhaul_devstore::Content;
use tempfile::TempDir;

use super::place::{certificates, free_ports};
use super::{tool, until};

/// How long it may take to come up, or to notice that a client is gone.
const SOON: Duration = Duration::from_secs(90);

/// A running nginx. One process, so that killing it is killing it.
pub(crate) struct Nginx {
    folder: TempDir,
    binary: PathBuf,
    child: Child,
    port: u16,
    tls_port: u16,
}

/// One line of the access log.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) uri: String,
    pub(crate) status: u16,
    /// Bytes of the body that the kernel took.
    pub(crate) bytes: u64,
    /// `Range` as sent; "-" without.
    pub(crate) range: String,
    /// `Host` and `Authorization` as sent.
    pub(crate) host: String,
    pub(crate) authorization: String,
}

impl Nginx {
    /// Starts it. `None`, and a line about it, when it is not installed.
    pub(crate) fn start() -> Option<Nginx> {
        let Some(binary) = tool("nginx") else {
            super::skip("nginx not installed");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("longhaul-nginx-").tempdir().unwrap();
        for name in ["www", "tmp", "flags"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("users"), "user:{PLAIN}pass word\n").unwrap();
        certificates(folder.path());
        // Ports that were free a moment ago may be taken: then others are tried.
        for _ in 0..5 {
            let [port, tls_port] = free_ports();
            fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), port, tls_port)).unwrap();
            let mut child = spawn(&binary, folder.path());
            if until(SOON, || child.try_wait().unwrap().is_some() || TcpStream::connect(("127.0.0.1", port)).is_ok())
                && child.try_wait().unwrap().is_none()
            {
                return Some(Nginx { folder, binary, child, port, tls_port });
            }
            child.kill().unwrap_or_default();
            child.wait().unwrap();
        }
        panic!("nginx does not start: {}", fs::read_to_string(folder.path().join("errors")).unwrap_or_default());
    }

    /// `http://127.0.0.1:PORT/path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The same over TLS, under a name that the certificate has.
    pub(crate) fn tls_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls_port)
    }

    /// The same over TLS, under a name that the certificate does not have.
    pub(crate) fn tls_url_of_another_host(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.tls_port)
    }

    /// The certificate of the authority that signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Puts a file in the place of whatever has that name, by renaming, and makes it so old.
    pub(crate) fn put(&self, name: &str, content: &Content, age: Duration) {
        let temp = self.folder.path().join(format!("{name}.new"));
        let mut file = File::create(&temp).unwrap();
        std::io::copy(&mut content.reader(), &mut file).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        fs::rename(&temp, self.folder.path().join("www").join(name)).unwrap();
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join("www").join(name)).unwrap();
    }

    /// Raises or lowers a flag that the configuration looks at.
    pub(crate) fn flag(&self, name: &str, raised: bool) {
        let file = self.folder.path().join("flags").join(name);
        if raised { fs::write(file, "").unwrap() } else { fs::remove_file(file).unwrap() }
    }

    /// `kill -9`; the port is closed when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after a kill, on the same ports.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.binary, self.folder.path());
        let up = until(SOON, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        assert!(up && self.child.try_wait().unwrap().is_none(), "nginx does not come back");
    }

    /// All finished requests for a path, when no connection but the one that asks is open any more.
    pub(crate) fn served(&self, uri: &str) -> Vec<Served> {
        assert!(until(SOON, || self.status().contains("Active connections: 1 ")), "{}", self.status());
        let log = fs::read_to_string(self.folder.path().join("access")).unwrap();
        let parse = |line: &str| {
            let fields: Vec<&str> = line.split('|').collect();
            Served {
                uri: fields[0].to_owned(),
                status: fields[1].parse().unwrap(),
                bytes: fields[2].parse().unwrap(),
                range: fields[3].to_owned(),
                host: fields[4].to_owned(),
                authorization: fields[5].to_owned(),
            }
        };
        log.lines().map(parse).filter(|served| served.uri == uri).collect()
    }

    fn status(&self) -> String {
        let mut stream = self.connect();
        stream.write_all(b"GET /status HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// A connection that asks for a path and reads no further than the first byte of the answer.
    pub(crate) fn hold(&self, path: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        stream
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Ended already, or ended by this.
        self.child.kill().unwrap_or_default();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, folder: &Path) -> Child {
    let mut command = Command::new(binary);
    command.arg("-p").arg(folder).arg("-e").arg(folder.join("errors")).arg("-c").arg(folder.join("nginx.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Small send buffers: what the kernel took and what the client can have must not lie far apart. Not smaller, though,
/// than a few segments of the loopback device, of nearly 64 KiB each: else TCP waits for timers.
fn configuration(folder: &Path, port: u16, tls_port: u16) -> String {
    let dir = folder.display();
    format!(
        r#"
daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;
events {{ worker_connections 256; }}
http {{
  log_format counts '$uri|$status|$body_bytes_sent|$http_range|$http_host|$http_authorization';
  access_log {dir}/access counts;
  client_body_temp_path {dir}/tmp/1; proxy_temp_path {dir}/tmp/2; fastcgi_temp_path {dir}/tmp/3;
  uwsgi_temp_path {dir}/tmp/4; scgi_temp_path {dir}/tmp/5;
  default_type application/octet-stream;
  sendfile on; sendfile_max_chunk 64k; output_buffers 1 64k;
  limit_conn_zone $binary_remote_addr zone=clients:1m; limit_conn_status 429;
  server {{
    listen 127.0.0.1:{port} sndbuf=192k; listen 127.0.0.2:{port} sndbuf=192k;
    listen 127.0.0.1:{tls_port} ssl sndbuf=192k;
    ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;
    location /f/          {{ alias {dir}/www/; }}
    location /slow/       {{ alias {dir}/www/; limit_rate 16m; }}
    location /slower/     {{ alias {dir}/www/; limit_rate 4m; }}
    location /dated/      {{ alias {dir}/www/; limit_rate 16m; etag off; }}
    location /rangeless/  {{ alias {dir}/www/; limit_rate 16m; max_ranges 0; }}
    location /zipping/    {{ alias {dir}/www/; limit_rate 16m; gzip on; gzip_types *; gzip_proxied any; }}
    location /zipped/     {{ alias {dir}/www/; limit_rate 16m; add_header Content-Encoding gzip; }}
    location /busy/       {{ alias {dir}/www/; error_page 503 @busy; if (-f {dir}/flags/busy) {{ return 503; }} }}
    location @busy        {{ add_header Retry-After 1 always; return 503; }}
    location /moved/      {{ rewrite ^/moved/(.*)$ http://127.0.0.2:{port}/f/$1 redirect; }}
    location /closed/     {{ alias {dir}/www/; auth_basic "a test"; auth_basic_user_file {dir}/users; }}
    location /crowded/    {{ alias {dir}/www/; limit_conn clients 2; limit_rate 16m; }}
    location = /status    {{ stub_status; access_log off; }}
  }}
}}
"#
    )
}
