//! `clawgress secret`: puts values into the vault, says what is in it, takes them out. Never shows one, and never takes one
//! from the command line, which other users can read.

mod table;

use std::io::{self, IsTerminal as _, Read};

use zeroize::Zeroizing;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use crate::model::types::limits::SECRET_BYTES;
use crate::model::types::{SecretKey, SecretName};
use crate::operate::api::{Hidden, NewSecret, SetSecrets};
use crate::platform::sys::{process, terminal};
pub use table::set as applied;

/// Subcommands of `secret`.
#[derive(Debug, clap::Subcommand)]
pub enum Secret {
    /// Set a value, read from standard input without its last newline; in force when it returns
    Set {
        /// Its name
        name: String,
        /// The value's name within it [default: value]
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// What is in the vault, without the values
    List,
    /// Remove a secret; what needs it is refused from then on
    Remove {
        /// Its name
        name: String,
        /// One value of it [default: all of them]
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

impl Secret {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let now = context.now;
        match self {
            Self::Set { name, key } => {
                let (name, key) = (named(&name)?, keyed(key.as_deref())?);
                let query = set(&name, key.unwrap_or_else(SecretKey::default_key))?;
                let set =
                    context.with_daemon(|mut client| async move { client.set_secrets(&query).await })?;
                context.list(&set, |set, _| table::set(set))?;
            }
            Self::List => {
                let found = context.with_daemon(|mut client| async move { client.secrets().await })?;
                if found.is_empty() && context.format == Format::Table {
                    context.say("no secret is in the vault");
                }
                context.list(&found, |found, paint| table::lines(found, now, paint))?;
            }
            Self::Remove { name, key } => {
                let (name, key) = (named(&name)?, keyed(key.as_deref())?);
                let gone = context.with_daemon(|mut client| async move {
                    client.remove_secret(name.as_str(), key.as_ref().map(SecretKey::as_str)).await
                })?;
                context.list(&gone, |gone, _| table::gone(gone))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// The one value that is set, asked for.
fn set(name: &SecretName, key: SecretKey) -> Result<SetSecrets, Failure> {
    keep_to_ourselves()?;
    let value = value(&format!("{}/{}", name.as_str(), key.as_str()))?;
    let new =
        NewSecret { name: name.as_str().to_owned(), key: key.as_str().to_owned(), value: Hidden::of(&value) };
    Ok(SetSecrets { secrets: vec![new] })
}

/// Keeps this process out of core dumps before it has read a value.
pub fn keep_to_ourselves() -> Result<(), Failure> {
    process::forbid_core_dumps().map_err(|error| {
        // EX_OSERR of sysexits.h.
        Failure::new(Exit::Code(71), format!("core dumps cannot be turned off: {error}"))
    })
}

fn value(title: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !io::stdin().is_terminal() {
        return piped(io::stdin().lock());
    }
    let line = terminal::read_hidden(&format!("value of {title} (not shown): "))?;
    if line.len() + 1 >= terminal::LINE_BYTES {
        let message = format!("a terminal passes on less than {} bytes of a line", terminal::LINE_BYTES);
        return Err(Failure::new(Exit::Usage, message).hint(PIPE));
    }
    checked(line)
}

/// How a value comes in without a terminal.
const PIPE: &str = "pipe it in: `clawgress secret set NAME < FILE`";

/// All of it, without one newline at its end.
fn piped(input: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Room for more than may come: a buffer that grows leaves copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(SECRET_BYTES + 64));
    input.take(SECRET_BYTES as u64 + 2).read_to_end(&mut value)?;
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    checked(value)
}

fn checked(value: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if value.is_empty() {
        return Err(Failure::new(Exit::Usage, "the value is empty").hint(PIPE));
    }
    if value.len() > SECRET_BYTES {
        return Err(Failure::new(Exit::Usage, format!("the value has more than {SECRET_BYTES} bytes"))
            .hint("a secret is a key or a token: keep files elsewhere"));
    }
    Ok(value)
}

fn named(name: &str) -> Result<SecretName, Failure> {
    SecretName::parse(name)
        .ok_or_else(|| Failure::new(Exit::Usage, "this is not a name of a secret").hint(SecretName::RULE))
}

/// What is no name or key is not quoted: it may be a value in the wrong place.
fn keyed(key: Option<&str>) -> Result<Option<SecretKey>, Failure> {
    let wrong = || Failure::new(Exit::Usage, "this is not a key of a secret").hint(SecretKey::RULE);
    key.map(|key| SecretKey::parse(key).ok_or_else(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(input: &[u8]) -> Result<Vec<u8>, String> {
        piped(input).map(|value| value.to_vec()).map_err(|failure| failure.message.unwrap_or_default())
    }

    #[test]
    fn a_value_is_all_that_comes_without_one_newline_at_its_end() {
        for (input, value) in [
            (&b"swordfish"[..], &b"swordfish"[..]),
            (b"swordfish\n", b"swordfish"),
            (b"swordfish\n\n", b"swordfish\n"),
            (b" a\r\n", b" a\r"),
            (b"a\0\xff\n", b"a\0\xff"),
        ] {
            assert_eq!(of(input).as_deref(), Ok(value));
        }
        for input in [&b""[..], b"\n"] {
            assert_eq!(of(input), Err("the value is empty".to_owned()));
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_refused_and_one_that_just_fits_is_not() {
        let long = vec![b'x'; SECRET_BYTES];
        assert_eq!(of(&long).unwrap().len(), SECRET_BYTES);
        assert_eq!(of(&[&long[..], b"\n"].concat()).unwrap().len(), SECRET_BYTES);
        for more in [&b"x"[..], b"x\n", &long] {
            assert_eq!(
                of(&[&long[..], more].concat()),
                Err("the value has more than 65536 bytes".to_owned())
            );
        }
    }
}
