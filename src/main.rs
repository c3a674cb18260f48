//! The binary: its allocator, and the way into the library.

use std::process::ExitCode;

/// Keeps its memory per thread: one worker's requests never wait for another's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    clawgress::cli::main(std::env::args_os())
}
