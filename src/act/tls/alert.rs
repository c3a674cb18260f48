//! Refusing TLS without opening it: one fatal alert in plain text, then the end.
//!
//! Used where no certificate of ours may be shown: under a passthrough listener, without a name, or after bytes that
//! are no ClientHello. It never starts a handshake.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::model::types::limits;

pub use rustls::AlertDescription;

/// Content type `alert` (RFC 8446, section 5.1).
const ALERT: u8 = 21;
/// Alert level `fatal` (RFC 8446, section 6).
const FATAL: u8 = 2;
/// Bytes of what the client still sends that are thrown away, so that the alert is read before the reset.
const DISCARDED_BYTES: u64 = limits::HELLO_BYTES as u64;

/// Writes a fatal alert, ends the stream and waits for the client to end it too, for `REFUSAL_LINGER` at most.
///
/// Sensible descriptions: `AccessDenied` (policy refuses), `UnrecognisedName` (no name, or not one we know),
/// `DecodeError` (no ClientHello). What the client does with it does not matter, so nothing is returned.
pub async fn alert<S>(mut io: S, description: AlertDescription)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let record = [ALERT, 3, 3, 0, 2, FATAL, u8::from(description)];
    let say = async {
        io.write_all(&record).await?;
        io.shutdown().await?;
        // Closing with unread bytes makes the kernel send a reset, which overtakes the alert.
        tokio::io::copy(&mut (&mut io).take(DISCARDED_BYTES), &mut tokio::io::sink()).await
    };
    // A client that has gone or will not listen has been refused all the same.
    let _ = timeout(limits::REFUSAL_LINGER, say).await;
}
