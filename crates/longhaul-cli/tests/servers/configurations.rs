//! How the programs are set up: as anybody would, one location for each manner that is looked at.
//!
//! | location | manner |
//! |---|---|
//! | `/plain/` | as it comes |
//! | `/dated/` | no `ETag` |
//! | `/rangeless/` | no ranges |
//! | `/zipping/` | gzip for those who accept it |
//! | `/forcing/` | gzip also for those who do not |
//! | `/labelled/` | stored gzip: the label, and the bytes as they are |
//!
//! All write the protocol of each request to `access`.

use std::fs;
use std::path::Path;

use crate::daemon::Kind;

const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

pub(crate) fn write(kind: Kind, folder: &Path, port: u16, tls_port: u16) {
    let dir = folder.display().to_string();
    let text = match kind {
        Kind::Nginx => nginx(&dir, port, tls_port),
        Kind::Apache => apache(&dir, port, tls_port),
        Kind::Lighttpd => lighttpd(&dir, port, tls_port),
        Kind::Caddy => caddy(&dir, port, tls_port),
        Kind::Tinyproxy => {
            format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{dir}/errors\"\nAllow 127.0.0.1\n")
        }
        Kind::Microsocks => String::new(), // its arguments are all there is
    };
    fs::write(folder.join("configuration"), text).unwrap();
}

fn nginx(dir: &str, port: u16, tls_port: u16) -> String {
    format!(
        r"
daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;
events {{ worker_connections 256; }}
http {{
  log_format short '$server_protocol $status $uri'; access_log {dir}/access short;
  client_body_temp_path {dir}/tmp/1; proxy_temp_path {dir}/tmp/2; fastcgi_temp_path {dir}/tmp/3;
  uwsgi_temp_path {dir}/tmp/4; scgi_temp_path {dir}/tmp/5;
  default_type application/octet-stream; sendfile on; gzip_types *;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl http2;
    ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;
    location /plain/     {{ alias {dir}/www/; }}
    location /dated/     {{ alias {dir}/www/; etag off; }}
    location /rangeless/ {{ alias {dir}/www/; max_ranges 0; }}
    location /zipping/   {{ alias {dir}/www/; gzip on; }}
    location /forcing/   {{
      proxy_pass http://127.0.0.1:{port}/zipping/; proxy_http_version 1.1; proxy_set_header Accept-Encoding gzip;
    }}
    location /labelled/  {{ alias {dir}/www/; add_header Content-Encoding gzip; }}
  }}
}}
"
    )
}

fn apache(dir: &str, port: u16, tls_port: u16) -> String {
    let modules: String = ["mpm_event", "authz_core", "alias", "filter", "deflate", "headers", "env", "ssl", "http2"]
        .map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"))
        .concat();
    format!(
        r#"
ServerRoot {dir}
ServerName localhost
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{tls_port}
PidFile {dir}/pid
ErrorLog {dir}/errors
DefaultRuntimeDir {dir}/tmp
{modules}
LogFormat "%H %s %U" short
CustomLog {dir}/access short
DocumentRoot {dir}/www
Alias /plain/ {dir}/www/
Alias /dated/ {dir}/www/
Alias /rangeless/ {dir}/www/
Alias /zipping/ {dir}/www/
Alias /forcing/ {dir}/www/
Alias /labelled/ {dir}/www/
<Directory {dir}/www>
  Require all granted
</Directory>
<Location /dated/>
  FileETag None
</Location>
<Location /rangeless/>
  MaxRanges none
</Location>
<Location /zipping/>
  SetOutputFilter DEFLATE
</Location>
<Location /forcing/>
  SetOutputFilter DEFLATE
  SetEnv force-gzip 1
</Location>
<Location /labelled/>
  Header set Content-Encoding gzip
</Location>
Protocols h2 http/1.1
<VirtualHost 127.0.0.1:{tls_port}>
  SSLEngine on
  SSLCertificateFile {dir}/server.pem
  SSLCertificateKeyFile {dir}/server.key
</VirtualHost>
"#
    )
}

/// Without its cache of file attributes: for a second it would show an old ETag for a new file.
fn lighttpd(dir: &str, port: u16, tls_port: u16) -> String {
    format!(
        r#"
server.modules = ("mod_alias", "mod_setenv", "mod_deflate", "mod_openssl", "mod_accesslog")
server.document-root = "{dir}/www"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{dir}/errors"
server.upload-dirs = ("{dir}/tmp")
server.stat-cache-engine = "disable"
accesslog.filename = "{dir}/access"
accesslog.format = "%H %s %U"
mimetype.assign = ("" => "application/octet-stream")
alias.url = ("/plain/" => "{dir}/www/", "/dated/" => "{dir}/www/", "/rangeless/" => "{dir}/www/",
  "/zipping/" => "{dir}/www/", "/forcing/" => "{dir}/www/", "/labelled/" => "{dir}/www/")
deflate.mimetypes = ("application/octet-stream")
$HTTP["url"] =~ "^/dated/" {{ static-file.etags = "disable" }}
$HTTP["url"] =~ "^/rangeless/" {{ server.range-requests = "disable" }}
$HTTP["url"] =~ "^/(zipping|forcing)/" {{ deflate.allowed-encodings = ("gzip") }}
$HTTP["url"] =~ "^/forcing/" {{ setenv.set-request-header = ("Accept-Encoding" => "gzip") }}
$HTTP["url"] =~ "^/labelled/" {{ setenv.set-response-header = ("Content-Encoding" => "gzip") }}
$SERVER["socket"] == "127.0.0.1:{tls_port}" {{
  ssl.engine = "enable"
  ssl.pemfile = "{dir}/server.pem"
  ssl.privkey = "{dir}/server.key"
}}
"#
    )
}

fn caddy(dir: &str, port: u16, tls_port: u16) -> String {
    let location =
        |name: &str, more: &str| format!("handle_path /{name}/* {{\nroot * {dir}/www\n{more}\nfile_server\n}}\n");
    let encode = "encode {\ngzip\nmatch header Content-Type *\n}";
    let files = [
        location("plain", ""),
        location("dated", "header -ETag"),
        location("rangeless", "request_header -Range"),
        location("zipping", encode),
        location("forcing", &format!("request_header Accept-Encoding gzip\n{encode}")),
        location("labelled", "header Content-Encoding gzip"),
    ]
    .concat();
    format!(
        r"
{{
  admin off
  auto_https off
  storage file_system {dir}/tmp
}}
(files) {{
  bind 127.0.0.1
  log {{
    output file {dir}/access
  }}
  {files}
}}
http://:{port} {{
  import files
}}
https://:{tls_port} {{
  tls {dir}/server.pem {dir}/server.key
  import files
}}
"
    )
}
