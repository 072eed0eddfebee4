//! `.netrc` is read by the command line, which is no library.
#![no_main]

#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/longhaul-cli/src/flags/netrc.rs"]
mod netrc;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netrc::fuzz(bytes));
