//! `longhaul daemon install`: units for systemd, or an agent for launchd.

use std::fs;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use longhaul_daemon::install::{Launch, UnitFile};

use super::{socket_of, state_dir};
use crate::commands::absolute;
use crate::exit::{Exit, Failure};
use crate::flags::common::StateChoice;
use crate::flags::daemon::DaemonOptions;
use crate::out;
use crate::printable;

pub(super) fn run(options: &DaemonOptions) -> Result<Exit, Failure> {
    let launch = launch(options)?;
    let home = etcetera::home_dir().map_err(|_| Failure::usage("there is no home folder to write to"))?;
    let is_launchd = cfg!(target_os = "macos");
    let files: Vec<UnitFile> = match is_launchd {
        true => vec![launch.launchd(&home)],
        false => launch.systemd(&config_dir(home)).into(),
    };
    if options.print {
        let texts = files.iter().map(|file| format!("# {}\n{}", file.path.display(), file.text));
        out::stdout(&texts.collect::<Vec<_>>().join("\n"))?;
        return Ok(Exit::Done);
    }
    for file in &files {
        let folder = file.path.parent().map_or(Ok(()), fs::create_dir_all);
        folder.and_then(|()| fs::write(&file.path, &file.text)).map_err(|error| {
            let message = format!("cannot write {} ({error}); --print shows it", file.path.display());
            Failure::new(Exit::LocalFile, "local_file", message)
        })?;
        out::say(&format!("written: {}", printable::here(&file.path)));
    }
    let next = match is_launchd {
        true => format!("launchctl bootstrap gui/$(id -u) {}", printable::shell(&files[0].path.to_string_lossy())),
        false => "systemctl --user daemon-reload && systemctl --user enable --now longhaul.socket longhaul.service\n\
                  \x20 loginctl enable-linger        it also runs while you are logged out"
            .to_owned(),
    };
    out::stdout(&format!("Start it, now and whenever you log in:\n  {next}\n"))?;
    Ok(Exit::Done)
}

fn config_dir(home: PathBuf) -> PathBuf {
    etcetera::choose_base_strategy().map_or_else(|_| home.join(".config"), |base| base.config_dir())
}

/// The same daemon, with every path from the root on.
fn launch(options: &DaemonOptions) -> Result<Launch, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::internal(format!("cannot find this program ({error})")))?;
    let mut arguments = vec!["daemon".to_owned()];
    let mut word = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    if let StateChoice::Chosen(_) = options.state {
        word("--state-dir", absolute(state_dir(&options.state)?).to_string_lossy().into_owned());
    }
    for root in &options.roots {
        word("--root", absolute(root).to_string_lossy().into_owned());
    }
    for host in &options.hosts {
        word("--host", host.clone());
    }
    for origin in &options.origins {
        word("--origin", origin.clone());
    }
    match options.listen {
        Some(address) => word("--listen", address.to_string()),
        None => arguments.push("--no-tcp".to_owned()),
    }
    if options.insecure_http {
        arguments.push("--insecure-http".to_owned());
    }
    let socket = socket_of(&options.state);
    let socket_name = socket.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Launch { program, arguments, listen: options.listen, socket_name })
}
