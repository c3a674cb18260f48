//! What this process may do, and what this host's nftables can.

use super::super::apply::{NftError, nft};
use super::super::ruleset::{Interception, replacement};
use super::Check;
use crate::platform::sys::process::{Capability, capabilities};

pub(super) fn privileges() -> Vec<Check> {
    let held = match capabilities() {
        Ok(held) => held,
        Err(error) => {
            return vec![Check::fail("capabilities", error.to_string(), "mount -t proc proc /proc")];
        }
    };
    [Capability::NetAdmin, Capability::NetRaw, Capability::NetBindService]
        .map(|needed| {
            let name = format!("capabilities.{}", needed.name());
            if held.has(needed) {
                Check::ok(name, "held")
            } else {
                let repair =
                    format!("start as root, or with AmbientCapabilities={} in the unit", needed.name());
                Check::fail(name, format!("this process lacks {}", needed.name()), repair)
            }
        })
        .into()
}

/// The program, then the kernel: a dry run of the very rules names the first expression that is not known.
pub(super) fn nftables(wanted: &Interception) -> Vec<Check> {
    let version = match nft(&["--version"], "", "asking for its version") {
        Ok(version) => Check::ok("nft", version.trim().to_owned()),
        Err(error @ NftError::NoProgram(_)) => {
            return vec![Check::fail("nft", first_line(&error), "apt install nftables")];
        }
        Err(error) => {
            return vec![Check::fail("nft", first_line(&error), "apt install --reinstall nftables")];
        }
    };
    let modules = "modprobe -a nft_tproxy nft_socket nft_fib_inet nft_reject_inet nft_log nft_limit";
    let kernel = match nft(&["-c", "-j", "-f", "-"], &replacement(wanted).to_string(), "trying the rules") {
        Ok(_) => Check::ok("kernel", "knows tproxy, socket, fib, reject, log and limits"),
        Err(_) => Check::fail("kernel", unknown_expressions(), modules),
    };
    vec![version, kernel]
}

/// Tries the unusual expressions one by one, to say which one is missing.
fn unknown_expressions() -> String {
    let tries = [
        ("tproxy", "meta l4proto tcp tproxy to :1"),
        ("socket", "socket transparent 1"),
        ("fib", "fib daddr type local"),
        ("reject", "reject with icmpx admin-prohibited"),
        ("log", "log group 1"),
        ("limit", "limit rate 1/second"),
        ("concatenation", "ip saddr . ether saddr { 10.0.0.0/8 . 02:00:00:00:00:02 }"),
    ];
    let refused: Vec<String> = tries
        .into_iter()
        .filter_map(|(name, rule)| {
            let chain = "type filter hook prerouting priority mangle;";
            let table = format!("table inet clawgress_probe {{ chain probe {{ {chain} {rule}; }}; }}");
            let error = nft(&["-c", "-f", "-"], &table, "trying an expression").err()?;
            Some(format!("`{name}` ({})", first_line(&error)))
        })
        .collect();
    if refused.is_empty() {
        "the rules as a whole are refused, though each expression is known".to_owned()
    } else {
        format!("refused: {}", refused.join(", "))
    }
}

fn first_line(error: &NftError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
