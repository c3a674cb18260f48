//! Programs in a namespace: a clean environment, a deadline for every wait, and nothing left running.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};

use super::Namespace;
use super::family::Family;

/// What a program may take unless the test says otherwise.
const DEADLINE: Duration = Duration::from_secs(20);

/// The variables by which curl, OpenSSL, Python, Node and git learn which authority to trust.
const TRUST: [&str; 5] =
    ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"];

/// A program that has not started yet.
#[must_use]
pub struct Program {
    command: Command,
    family: Family,
    shown: String,
    input: Vec<u8>,
    deadline: Duration,
}

impl Program {
    pub(super) fn new(namespace: &Namespace, program: &str) -> Self {
        let mut command = Command::new("ip");
        // `ip netns exec` replaces itself with the program, so the child's pid is the program's own.
        let home = namespace.home();
        command.args(["netns", "exec", namespace.name(), program]).current_dir(home);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", home).process_group(0);
        let (family, shown) = (namespace.family(), program.to_owned());
        Self { command, family, shown, input: Vec::new(), deadline: DEADLINE }
    }

    /// One more argument, with the addresses in it in the namespace's family.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref();
        let told =
            argument.to_str().map_or_else(|| argument.to_owned(), |text| self.family.twin(text).into());
        self.shown.push(' ');
        self.shown.push_str(&told.to_string_lossy());
        self.command.arg(told);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = S>) -> Self {
        arguments.into_iter().fold(self, |program, argument| program.arg(argument))
    }

    /// A variable in its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Passes descriptors to the program as a service manager does, from number 3 on (sd_listen_fds(3)).
    pub fn passing(mut self, descriptors: Vec<(String, OwnedFd)>) -> Self {
        let names: Vec<_> = descriptors.iter().map(|(name, _)| name.clone()).collect();
        let places = descriptors.into_iter().zip(3..);
        let mapped = places.map(|((_, parent_fd), child_fd)| FdMapping { parent_fd, child_fd }).collect();
        self.command.fd_mappings(mapped).expect("no number is given twice");
        if names.is_empty() {
            return self;
        }
        self.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"))
    }

    /// Lets the program trust the certificates in this PEM file.
    pub fn trusting(self, authority: &Path) -> Self {
        TRUST.into_iter().fold(self, |program, name| program.env(name, authority))
    }

    /// What it reads from standard input; nothing unless given.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// How long `run` waits before it kills.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs the program to its end, or to the deadline.
    pub fn run(mut self) -> Finished {
        let input = std::mem::take(&mut self.input);
        let deadline = self.deadline;
        let mut running = self.start();
        let mut stdin = running.stdin.take().expect("piped");
        // A program that does not read its input must not hold the test.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let finished = running.finish(deadline);
        let _ = writer.join();
        finished
    }

    /// Starts the program and leaves it running; its output is collected meanwhile.
    pub fn start(mut self) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn();
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Running { stdin: child.stdin.take(), child, shown: self.shown, output: Some([stdout, stderr]) }
    }

    /// Starts a server whose output goes to a log file.
    pub fn start_logged(mut self, log: &Path) -> Running {
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        let twin = log.try_clone().expect("a second handle of the log");
        self.command.stdin(Stdio::null()).stdout(log).stderr(twin);
        let child = self.spawn();
        Running { stdin: None, child, shown: self.shown, output: None }
    }

    fn spawn(&mut self) -> Child {
        self.command.spawn().unwrap_or_else(|error| panic!("`ip netns exec` does not run: {error}"))
    }
}

/// A program that runs. Killed when dropped.
pub struct Running {
    child: Child,
    shown: String,
    stdin: Option<ChildStdin>,
    output: Option<[JoinHandle<Vec<u8>>; 2]>,
}

impl Running {
    /// Its standard input, once.
    pub fn stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("standard input is taken once")
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("waiting for a child")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("`{}` is gone: {error}", self.shown));
    }

    /// Waits for its end; the deadline kills it.
    pub fn finish(&mut self, deadline: Duration) -> Finished {
        let in_time = self.wait(deadline);
        self.stop();
        let status = self.child.wait().expect("waiting for a child");
        let (stdout, stderr) = match self.output.take() {
            Some([stdout, stderr]) => (join(stdout), join(stderr)),
            None => (Vec::new(), Vec::new()),
        };
        Finished { shown: self.shown.clone(), status, stdout, stderr, timed_out: !in_time }
    }

    /// Waits for its end and says whether it came in time.
    pub fn wait(&mut self, deadline: Duration) -> bool {
        if self.ended().is_some() {
            return true;
        }
        let handle = pidfd_open(self.pid(), PidfdFlags::empty()).expect("a handle of a child");
        wait_readable(&handle, deadline);
        self.ended().is_some()
    }

    /// Kills it and its descendants.
    pub fn stop(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.stop();
            let _ = self.child.wait();
        }
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    shown: String,
    status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Whether the deadline killed it.
    pub timed_out: bool,
}

impl Finished {
    /// Its exit code; for a signal 128 and its number, as a shell says.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// Panics unless the exit code is 0; returns standard output.
    pub fn succeeded(&self) -> String {
        assert!(self.code() == 0, "{self}");
        self.text()
    }

    /// Panics unless the exit code is this one; returns standard error.
    pub fn failed_with(&self, code: i32) -> String {
        assert!(self.code() == code && !self.timed_out, "expected exit code {code}: {self}");
        self.errors()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.timed_out { ", killed at its deadline" } else { "" };
        write!(f, "`{}` ended with {}{how}\n{}{}", self.shown, self.code(), self.text(), self.errors())
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().expect("a reader does not panic")
}

/// Waits until a descriptor can be read, up to the deadline.
fn wait_readable(handle: &impl rustix::fd::AsFd, deadline: Duration) {
    use rustix::event::{PollFd, PollFlags, poll};
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout =
            rustix::time::Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}
