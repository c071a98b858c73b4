//! Running one tool of the operating system: absolute path below the root, cleared environment, argument vector.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::interrupt;
use crate::probes::ToolRun;
use crate::root::Root;

/// The result of anything that runs tools or touches the system.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong at the seam.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tool could not be started at all.
    #[error("cannot run {program}: {source}")]
    Start { program: PathBuf, source: io::Error },
    /// The tool ran and failed. `stderr` is trimmed; stdin is never quoted, it may hold secrets.
    #[error("{}", describe(command, *status, stderr))]
    Failed { command: String, status: ExitStatus, stderr: String },
    /// The tool took longer than it was given and was ended.
    #[error("\"{command}\" did not finish within {} seconds", limit.as_secs())]
    TimedOut { command: String, limit: Duration },
    /// The operator asked to stop while the tool ran.
    #[error("interrupted")]
    Interrupted,
    /// Reading or writing a file or pipe failed.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// A tool or file said something that is not of its documented form.
    #[error("cannot understand {what}: {why}")]
    Unexpected { what: String, why: String },
    /// Another program holds the lock.
    #[error("{0}")]
    Locked(String),
    /// What waited for the VM has ended because another command goes by force; `to` is that command.
    #[error("{to} has taken VM {uuid} over by force")]
    GaveWay { uuid: String, to: String },
    /// A new VM has not said in time that it is set up; it is stopped and marked failed.
    #[error("timed out waiting for /var/svc/provisioning to move for {uuid}")]
    Unprovisioned { uuid: String },
}

impl Error {
    /// An I/O error with what was being done ("cannot read /etc/zones/index").
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// What the failed tool wrote to stderr; empty for other errors.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. } => stderr,
            _ => "",
        }
    }
}

fn describe(command: &str, status: ExitStatus, stderr: &str) -> String {
    let mut text = format!("\"{command}\" failed");
    let _ = match (status.code(), status.signal()) {
        (Some(code), _) => write!(text, " with exit status {code}"),
        (None, Some(signal)) => write!(text, ": killed by signal {signal}"),
        (None, None) => Ok(()),
    };
    if !stderr.is_empty() {
        let _ = write!(text, ": {stderr}");
    }
    text
}

/// What a finished tool left.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, without blanks around it.
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }

    /// Whether the tool exited with 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }
}

/// One run of a tool, built up and then started.
#[derive(Debug)]
pub struct Tool<'a> {
    root: &'a Root,
    program: &'static str,
    /// Where the program is, if not below the root.
    location: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    stdin: Vec<u8>,
    limit: Option<Duration>,
}

impl<'a> Tool<'a> {
    pub(crate) fn new(root: &'a Root, program: &'static str) -> Self {
        Self {
            root,
            program,
            location: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Vec::new(),
            limit: None,
        }
    }

    /// Runs the program beside this one of the same name instead, where the root has none.
    #[must_use]
    pub fn or_beside(mut self) -> Self {
        let name = self.program.rsplit('/').next().unwrap_or(self.program);
        let own = std::env::current_exe().ok();
        let beside = own.map(|own| own.with_file_name(name)).filter(|path| path.is_file());
        if !self.root.path(self.program).exists() {
            self.location = beside;
        }
        self
    }

    /// Where the program is.
    fn location(&self) -> PathBuf {
        self.location.clone().unwrap_or_else(|| self.root.path(self.program))
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the tool's otherwise fixed environment.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// What the tool reads on its standard input. Never logged.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Ends the tool (SIGKILL) when it takes longer.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command as an operator would type it, for messages.
    pub fn display(&self) -> String {
        let name = self.program.rsplit('/').next().unwrap_or(self.program);
        let mut text = name.to_owned();
        for argument in &self.arguments {
            let argument = argument.to_string_lossy();
            let plain = !argument.is_empty()
                && argument.chars().all(|c| c.is_alphanumeric() || "-_./:,@=+%^".contains(c));
            text.push(' ');
            if plain {
                text.push_str(&argument);
            } else {
                let _ = write!(text, "'{}'", argument.replace('\'', "'\\''"));
            }
        }
        text
    }

    /// Runs to the end; any exit status but 0 is an error that quotes the command and its stderr.
    pub fn run(self) -> Result<Output> {
        let command = self.display();
        let output = self.output()?;
        if output.success() {
            return Ok(output);
        }
        Err(Error::Failed { command, status: output.status, stderr: output.error_text() })
    }

    /// Runs to the end and gives standard output as text; fails as [`Tool::run`] does.
    pub fn text(self) -> Result<String> {
        Ok(self.run()?.text())
    }

    /// Runs to the end, whatever the exit status.
    pub fn output(self) -> Result<Output> {
        if interrupt::requested() {
            return Err(Error::Interrupted);
        }
        let command = self.display();
        let mut probe = ToolRun::begin(&command);
        let mut child = self.start(Stdio::piped(), Stdio::piped())?;
        let collected = collect(&mut child, &self.stdin, self.limit, &command);
        match &collected {
            Ok(output) => probe.ended(output.status),
            Err(_) => end(&mut child),
        }
        log::debug!("{command} took {:.3} ms", probe.took().as_secs_f64() * 1e3);
        collected
    }

    /// Starts the tool with its standard input left open for the caller to write, and its standard output discarded.
    pub fn feed(self) -> Result<Running> {
        let command = self.display();
        let probe = ToolRun::begin(&command);
        let mut child = self.start(Stdio::piped(), Stdio::null())?;
        let stderr = drain_in_background(child.stderr.take());
        Ok(Running {
            command,
            stdin: child.stdin.take(),
            stdout: None,
            child,
            stderr,
            probe,
            done: false,
        })
    }

    /// Starts the tool with no standard input and its standard output left for the caller to read.
    pub fn stream(self) -> Result<Running> {
        let command = self.display();
        let probe = ToolRun::begin(&command);
        let mut child = self.start(Stdio::null(), Stdio::piped())?;
        let stderr = drain_in_background(child.stderr.take());
        let stdout = child.stdout.take();
        Ok(Running { command, stdin: None, stdout, child, stderr, probe, done: false })
    }

    /// Runs to the end on this program's own standard input and output, whose bytes it does not see; fails as
    /// [`Tool::run`] does.
    pub fn pass_through(self) -> Result<()> {
        let command = self.display();
        let probe = ToolRun::begin(&command);
        let mut child = self.start(Stdio::inherit(), Stdio::inherit())?;
        let stderr = drain_in_background(child.stderr.take());
        Running { command, stdin: None, stdout: None, child, stderr, probe, done: false }.finish()
    }

    /// Replaces nothing and captures nothing: the tool gets this program's own terminal, as a console needs it.
    pub fn interactive(self) -> Result<ExitStatus> {
        let program = self.location();
        self.command(&program).status().map_err(|source| Error::Start { program, source })
    }

    fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new(program);
        command.args(&self.arguments).env_clear().envs(self.root.environment());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn start(&self, stdin: Stdio, stdout: Stdio) -> Result<Child> {
        let program = self.location();
        log::debug!("running {}", self.display());
        // A group of its own: Ctrl-C reaches this program alone, which then ends the tool in good order.
        self.command(&program)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start { program, source })
    }
}

/// A started tool whose input or output the caller streams.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<std::thread::JoinHandle<Vec<u8>>>,
    probe: ToolRun,
    done: bool,
}

impl Running {
    /// The tool's standard input ([`Tool::feed`]); `None` once taken.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// The tool's standard output ([`Tool::stream`]); `None` once taken.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Closes the input if it is still held, waits, and fails as [`Tool::run`] does. Asked to stop meanwhile, it ends
    /// the tool.
    pub fn finish(mut self) -> Result<()> {
        self.stdin.take();
        let status = loop {
            let waited = self.child.try_wait();
            match waited
                .map_err(|e| Error::io(format!("cannot wait for \"{}\"", self.command), e))?
            {
                Some(status) => break status,
                None if interrupt::requested() => return Err(Error::Interrupted),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        self.done = true;
        self.probe.ended(status);
        let stderr = self.stderr.take().and_then(|t| t.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            command: self.command.clone(),
            status,
            stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
        })
    }

    /// Ends the tool: SIGTERM, and SIGKILL where that is not heeded within five seconds.
    pub fn abort(mut self) {
        self.stdin.take();
        end(&mut self.child);
        self.done = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done {
            self.stdin.take();
            end(&mut self.child);
        }
    }
}

fn drain_in_background(
    stream: Option<std::process::ChildStderr>,
) -> Option<std::thread::JoinHandle<Vec<u8>>> {
    /// More than any tool says before it fails.
    const MOST: u64 = 1 << 20;
    stream.map(|stream| {
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut stream = stream;
            let _ = (&mut stream).take(MOST).read_to_end(&mut kept);
            let _ = io::copy(&mut stream, &mut io::sink());
            kept
        })
    })
}

fn end(child: &mut Child) {
    let pid = Pid::from_raw(child.id().cast_signed());
    let _ = kill(pid, Signal::SIGTERM);
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) => return,
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// How often a running tool is looked at for a deadline, an interrupt, or an exit that left its pipes to a daemon.
const LOOK: Duration = Duration::from_millis(50);

/// Feeds stdin and reads stdout and stderr in one loop, without threads, until the tool is done.
fn collect(
    child: &mut Child,
    stdin: &[u8],
    limit: Option<Duration>,
    command: &str,
) -> Result<Output> {
    let broken = |e: io::Error| Error::io(format!("cannot talk to \"{command}\""), e);
    let deadline = limit.map(|limit| (Instant::now() + limit, limit));
    let mut input = child.stdin.take().filter(|_| !stdin.is_empty());
    let mut fed = 0;
    let mut output = Collected::new(child.stdout.take().map(OwnedFd::from)).map_err(broken)?;
    let mut errors = Collected::new(child.stderr.take().map(OwnedFd::from)).map_err(broken)?;
    if let Some(input) = &input {
        nonblocking(input).map_err(broken)?;
    }
    let mut exited = None;
    while output.open() || errors.open() {
        if interrupt::requested() {
            return Err(Error::Interrupted);
        }
        let mut wait = LOOK;
        if let Some((deadline, limit)) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::TimedOut { command: command.to_owned(), limit });
            }
            wait = wait.min(left);
        }
        let quiet = wait_for(&output, &errors, input.as_ref(), wait).map_err(broken)?;
        if let Some(pipe) = &mut input {
            match pipe.write(&stdin[fed..]) {
                Ok(count) => fed += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // A tool that stops reading has its reasons and says them on stderr.
                Err(_) => fed = stdin.len(),
            }
        }
        if fed == stdin.len() {
            input = None;
        }
        output.read().map_err(broken)?;
        errors.read().map_err(broken)?;
        if quiet {
            if exited.is_some() {
                break;
            }
            exited = child.try_wait().map_err(broken)?;
        }
    }
    drop(input);
    let status = match exited {
        Some(status) => status,
        None => wait_until(child, deadline, command)?,
    };
    Ok(Output { status, stdout: output.bytes, stderr: errors.bytes })
}

fn wait_until(
    child: &mut Child,
    deadline: Option<(Instant, Duration)>,
    command: &str,
) -> Result<ExitStatus> {
    let broken = |e: io::Error| Error::io(format!("cannot wait for \"{command}\""), e);
    let Some((deadline, limit)) = deadline else {
        return child.wait().map_err(broken);
    };
    loop {
        if let Some(status) = child.try_wait().map_err(broken)? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            return Err(Error::TimedOut { command: command.to_owned(), limit });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until one of the pipes can be used; true where none could within `wait`.
fn wait_for(
    output: &Collected,
    errors: &Collected,
    input: Option<&ChildStdin>,
    wait: Duration,
) -> io::Result<bool> {
    let mut fds = Vec::with_capacity(3);
    for pipe in [output, errors] {
        if let Some(fd) = &pipe.pipe {
            fds.push(PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        }
    }
    if let Some(input) = input {
        fds.push(PollFd::new(input.as_fd(), PollFlags::POLLOUT));
    }
    let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, wait) {
        Ok(ready) => Ok(ready == 0),
        Err(Errno::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(fd.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// One output pipe of a tool and what has come through it.
struct Collected {
    pipe: Option<std::fs::File>,
    bytes: Vec<u8>,
}

impl Collected {
    fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(fd) = &pipe {
            nonblocking(fd)?;
        }
        Ok(Self { pipe: pipe.map(Into::into), bytes: Vec::new() })
    }

    fn open(&self) -> bool {
        self.pipe.is_some()
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        match pipe.read_to_end(&mut self.bytes) {
            Ok(_) => self.pipe = None,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn root_with(script: &str) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tool");
        // Written and closed by another process: a descriptor that a parallel test's fork still holds open for
        // writing would make the run fail with "text file busy".
        let status = Command::new("/bin/sh")
            .args(["-c", "cat > \"$1\"", "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .and_then(|mut child| {
                child.stdin.take().unwrap().write_all(script.as_bytes())?;
                child.wait()
            })
            .unwrap();
        assert!(status.success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let root = Root::new(dir.path());
        (dir, root)
    }

    #[test]
    fn captures_both_streams_and_feeds_stdin() {
        let (_dir, root) = root_with("#!/bin/sh\ncat; echo bad >&2; exit 3\n");
        let big = vec![b'x'; 300_000];
        let output = root.tool("/tool").stdin(big.clone()).output().unwrap();
        assert_eq!(output.stdout, big);
        assert_eq!(output.error_text(), "bad");
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_failure_quotes_the_command_and_stderr_but_not_stdin() {
        let (_dir, root) = root_with("#!/bin/sh\necho 'no such zone' >&2; exit 1\n");
        let error = root.tool("/tool").args(["-z", "a b"]).stdin("secret").run().unwrap_err();
        assert_eq!(error.to_string(), "\"tool -z 'a b'\" failed with exit status 1: no such zone");
    }

    #[test]
    fn the_environment_is_cleared() {
        let (dir, root) = root_with("#!/bin/sh\necho $HOME-$LC_ALL-$ZONEKIT_ROOT\n");
        let text = root.tool("/tool").text().unwrap();
        assert_eq!(text.trim(), format!("-C-{}", dir.path().display()));
    }

    #[test]
    fn a_time_limit_ends_the_tool() {
        let (_dir, root) = root_with("#!/bin/sh\nexec sleep 60\n");
        let begun = Instant::now();
        let error = root.tool("/tool").timeout(Duration::from_millis(100)).run().unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_daemon_that_keeps_the_pipes_is_not_waited_for() {
        let (_dir, root) = root_with("#!/bin/sh\n(sleep 5) &\necho up\n");
        let begun = Instant::now();
        assert_eq!(root.tool("/tool").text().unwrap(), "up\n");
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_missing_tool_is_named() {
        let (dir, root) = root_with("");
        let error = root.tool("/usr/sbin/zfs").run().unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot run {}/usr/sbin/zfs", dir.path().display())));
    }

    #[test]
    fn feeding_streams_and_reports() {
        let (dir, root) = root_with("#!/bin/sh\ncat > \"$1\"; echo odd >&2; test -s \"$1\"\n");
        let kept = dir.path().join("kept");
        let mut running = root.tool("/tool").arg(&kept).feed().unwrap();
        running.take_stdin().unwrap().write_all(b"stream").unwrap();
        running.finish().unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"stream");
        let running = root.tool("/tool").arg(&kept).feed().unwrap();
        assert_eq!(running.finish().unwrap_err().stderr(), "odd");
    }
}
