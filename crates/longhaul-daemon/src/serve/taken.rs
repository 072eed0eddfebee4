//! By whom is a port taken? Linux tells which socket listens there (proc_pid_net(5)), and of our own processes, which
//! one has it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// So many processes are looked at.
const PROCESSES_MAX: usize = 20_000;

/// `aria2c, process 123`; `None`: it cannot be found out, or belongs to another user.
pub(super) fn by_whom(address: SocketAddr) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        listening(&text, address.port()).map(str::to_owned)
    })?;
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten().take(PROCESSES_MAX) {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        if files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(&wanted))) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
            return Some(format!("{name}, process {pid}"));
        }
    }
    None
}

/// The inode of the socket that listens at this port: local address in the second column, state 0A in the fourth, inode
/// in the tenth.
fn listening(table: &str, port: u16) -> Option<&str> {
    let ending = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&ending) && *columns.get(3)? == "0A";
        listens.then(|| columns.get(9).copied()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:1A90 0100007F:8000 01 00000000:00000000 00:00000000 00000000  1000        0 111 1\n   \
             1: 0100007F:1A90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1\n";
        assert_eq!(listening(table, 6800), Some("222"));
        assert_eq!(listening(table, 6801), None);
        assert_eq!(listening("", 1), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let by = by_whom(listener.local_addr().unwrap()).unwrap();
        assert!(by.ends_with(&format!("process {}", std::process::id())), "{by}");
    }
}
