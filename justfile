# `just` lists what there is. Every recipe is one line of shell that also works without just.

_list:
    @just --list --unsorted

# What CI runs: sets up what is missing, then checks everything.
ci:
    .ci/run

# The same with more seeds, for an hour or a night.
test-long:
    scripts/test --long

# Bytes that might break a decoder, looked for with libFuzzer: `just fuzz --seconds 600 store_xml`.
fuzz *ARGS:
    scripts/fuzz {{ ARGS }}

# All tests that need nothing but Rust; those whose server is absent say so and are skipped.
test *ARGS:
    cargo test --workspace {{ ARGS }}

# One history of the simulated downloads, told as a story.
story SEED:
    LONGHAUL_SIM_SEED={{ SEED }} cargo test -p longhaul-core --test sim download::a_million_histories -- --nocapture

# One of the simulated uploads.
upload-story SEED:
    LONGHAUL_SIM_SEED={{ SEED }} cargo test -p longhaul-core --test sim upload::a_million_histories -- --nocapture

# Install what the tests need beside Rust.
setup:
    scripts/setup

# Format everything.
fmt:
    cargo fmt --all

# Lints as CI has them.
lint:
    cargo clippy --workspace --all-targets -- -D warnings -D clippy::incompatible_msrv

# Licences, bans and sources of dependencies.
deny:
    PATH="target/tools/bin:$PATH" cargo deny check bans licenses sources

# Do all dependencies fit the promised Rust?
msrv:
    scripts/msrv

# The library's documentation, opened.
doc:
    cargo doc --workspace --lib --no-deps --open

# Download something with the command line: `just get https://example.com/big.iso`.
get *ARGS:
    cargo run --release -p longhaul-cli -- get {{ ARGS }}

# longhaul beside its peers on this machine: `just bench --list`, `just bench --only one-stream`.
bench *ARGS:
    bench/run {{ ARGS }}

# The same faults for longhaul, curl, wget, wget2 and aria2c: writes the tables of docs/reliability.md.
reliability:
    scripts/reliability
