//! A daemon under the name and with the arguments of aria2, for the test suites of aria2's clients: they start `aria2c`
//! and speak to it.
//!
//! Known are `--dir`, `--rpc-listen-port`, `--rpc-secret`, `--conf-path` and `--input-file`; all others are passed over.
//! `LONGHAUL_STATE` names a folder for the state: each start makes its own in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use longhaul::manager::{Existing, Gid, Manager, NewEntry, Options, Settings, Target};
use longhaul::{Client, Source};
use longhaul_daemon::Daemon;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Arguments {
    dir: PathBuf,
    port: u16,
    secret: Option<String>,
    conf: Option<PathBuf>,
    input: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments { dir: std::env::current_dir()?, port: 6800, ..Arguments::default() };
    for argument in std::env::args().skip(1) {
        let Some((name, value)) = argument.split_once('=') else { continue };
        match name {
            "--dir" => arguments.dir = value.into(),
            "--rpc-listen-port" => arguments.port = value.parse()?,
            "--rpc-secret" => arguments.secret = Some(value.to_owned()),
            "--conf-path" => arguments.conf = Some(value.into()),
            "--input-file" => arguments.input = Some(value.into()),
            _ => {}
        }
    }
    Ok(arguments)
}

fn settings(conf: &Path) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    for line in std::fs::read_to_string(conf)?.lines() {
        match line.split_once('=') {
            Some(("max-concurrent-downloads", value)) => settings.most = value.trim().parse()?,
            Some(("max-download-limit", value)) => settings.limit_rate_each = value.trim().parse()?,
            _ => {}
        }
    }
    settings.most_of_host = settings.most;
    Ok(settings)
}

/// Links, each followed by its options in lines that begin with a space.
async fn add_input(manager: &Manager, input: &Path, dir: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(input)?;
    let mut lines = text.lines().peekable();
    while let Some(links) = lines.next() {
        let sources: Vec<Source> = links.split('\t').filter_map(|link| link.parse().ok()).collect();
        let mut options = Options { existing: Existing::Rename, ..Options::default() };
        let (mut gid, mut hold) = (None, false);
        while let Some(option) = lines.next_if(|line| line.starts_with(' ')) {
            match option.trim().split_once('=') {
                Some(("gid", value)) => gid = Some(Gid(u64::from_str_radix(value, 16)?)),
                Some(("pause", value)) => hold = value == "true",
                Some(("max-download-limit", value)) => options.limit_rate = value.parse()?,
                _ => {}
            }
        }
        if sources.is_empty() {
            continue;
        }
        let mut new = NewEntry::download(sources, Target::Folder(dir.to_owned())).hold(hold).options(options);
        if let Some(gid) = gid {
            new = new.gid(gid);
        }
        manager.add(new).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let folder = std::env::var_os("LONGHAUL_STATE").map_or_else(std::env::temp_dir, PathBuf::from);
    let state = folder.join(format!("state-{}", std::process::id()));
    std::fs::create_dir_all(&state)?;
    if let Some(secret) = &arguments.secret {
        let path = state.join("token");
        std::fs::write(&path, secret)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    let client = Client::builder().state_dir(&state).build()?;
    let manager = client.manager().open().await?;
    let mut wanted = match &arguments.conf {
        Some(conf) => settings(conf)?,
        None => Settings::default(),
    };
    wanted.folder = Some(arguments.dir.clone());
    // Tests of clients make small files on disks that may be nearly full.
    wanted.spare = 0;
    manager.set_settings(wanted).await?;
    if let Some(input) = &arguments.input {
        add_input(&manager, input, &arguments.dir).await?;
    }
    let daemon = Daemon::builder(client, manager, &state)
        .listen(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), arguments.port))
        .root(&arguments.dir)
        .open_rpc(arguments.secret.is_none())
        .start()
        .await?;
    daemon.asked_to_stop().await;
    daemon.stop().await;
    Ok(())
}
