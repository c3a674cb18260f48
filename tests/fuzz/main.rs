//! The fuzzer: libFuzzer under one of the claims of `targets`, which `FUZZ_TARGET` names. `make fuzz` runs it.

#![no_main]

mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<targets::Check> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    targets::target(&name).unwrap_or_else(|| panic!("`FUZZ_TARGET` is `{name}`, which is no target"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
