//! Reads a line from the terminal without showing it.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};

use zeroize::Zeroizing;

/// Bytes of a line that a terminal passes on, its end included (termios(3), canonical mode); it drops the rest.
pub const LINE_BYTES: usize = 4096;
/// The interrupt character of a terminal (termios(3), VINTR), which arrives as a byte while a line is read here.
const INTERRUPT: u8 = 0x03;

/// Asks on standard error and reads a line from standard input, a terminal, without its end. Nothing is shown of it.
pub fn read_hidden(prompt: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut input = io::stdin().lock();
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES));
    {
        let _quiet = Quiet::begin(input.as_raw_fd())?;
        write!(io::stderr(), "{prompt}")?;
        // Byte by byte, so that nothing that is typed behind the line is taken.
        let mut byte = [0];
        while line.len() < LINE_BYTES && input.read(&mut byte)? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
    }
    writeln!(io::stderr())?;
    if line.contains(&INTERRUPT) {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "broken off"));
    }
    Ok(line)
}

/// A terminal that shows nothing and takes no signals, until this is dropped.
struct Quiet {
    terminal: RawFd,
    before: libc::termios,
}

impl Quiet {
    fn begin(terminal: RawFd) -> io::Result<Self> {
        let mut before = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the pointer is to room for the type that the call fills in.
        if unsafe { libc::tcgetattr(terminal, before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has succeeded, and so has filled it in.
        let before = unsafe { before.assume_init() };
        let mut quiet = before;
        quiet.c_lflag &= !(libc::ECHO | libc::ISIG);
        set(terminal, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = set(self.terminal, &self.before);
    }
}

fn set(terminal: RawFd, settings: &libc::termios) -> io::Result<()> {
    // SAFETY: the pointer is to a live value of the right type, which is only read.
    if unsafe { libc::tcsetattr(terminal, libc::TCSAFLUSH, settings) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
