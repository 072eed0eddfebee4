#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| longhaul::fuzzing::aria2_control(bytes));
