//! The C library in a process of its own: on a hostile frame it may crash, which is not our bug.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aiomas_core::wire::codec::blosc::{self as ours, Options};

use crate::c;
use crate::case::{OURS, SHUFFLES};

/// The maximum frame for C: from 8,421,505 bytes on, a frame can make it write to any address.
pub const MAX_FRAME: usize = 8 << 20;
/// The maximum data for C.
pub const MAX_DATA: usize = 1 << 20;
/// The answer that replaces a length.
const REFUSED: u32 = u32::MAX;

/// The C library, as the parent process sees it.
pub struct Oracle {
    command: fn() -> Command,
    running: Option<Running>,
    /// The number of crashes.
    pub crashes: usize,
    /// The number of frames that both decompressed to the same data.
    pub agreed: usize,
}

struct Running {
    child: Child,
    stdin: BufWriter<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// C's result for a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The data.
    Data(Vec<u8>),
    /// An error, or a frame over the limits.
    Refused,
    /// A crash. The process will be restarted.
    Crashed,
}

impl Oracle {
    /// Creates an oracle. `command` starts a process that runs [`serve`].
    #[must_use]
    pub fn new(command: fn() -> Command) -> Self {
        Self { command, running: None, crashes: 0, agreed: 0 }
    }

    /// Decompresses `frame` in the other process.
    ///
    /// # Panics
    /// The process cannot be started.
    pub fn decompress(&mut self, frame: &[u8]) -> Answer {
        if frame.len() > MAX_FRAME {
            return Answer::Refused;
        }
        let command = self.command;
        let mut running = self.running.take().unwrap_or_else(|| Running::start(command()));
        match running.ask(frame) {
            Ok(answer) => {
                self.running = Some(running);
                answer.map_or(Answer::Refused, Answer::Data)
            }
            Err(_) => {
                self.crashes += 1;
                Answer::Crashed
            }
        }
    }

    /// Decompresses `input` as a frame with both, and compresses it as data. Its first byte chooses
    /// the options.
    ///
    /// # Panics
    /// Both read different data, or C cannot read our frame.
    pub fn compare(&mut self, input: &[u8]) {
        let mut frame = input.to_vec();
        // Otherwise most inputs of a fuzzer would fail there.
        if let (Some(field), Ok(len)) = (frame.get_mut(12..16), u32::try_from(input.len())) {
            field.copy_from_slice(&len.to_le_bytes());
        }
        // C accepts some frames that we refuse, such as blocks that share bytes. It refuses some
        // that we accept, such as a stream whose checksum is wrong. Frames that both accept have
        // the same data.
        if let Ok(data) = ours::decompress(&frame, MAX_DATA)
            && let Answer::Data(theirs) = self.decompress(&frame)
        {
            assert!(data == theirs, "C and we read different data");
            self.agreed += 1;
        }

        let Some((&choice, data)) = input.split_first() else { return };
        let choice = usize::from(choice);
        let mut options = Options::default();
        options.compressor = OURS[choice % 2];
        options.shuffle = SHUFFLES[choice / 2 % 3];
        options.level = (choice % 10) as u8;
        options.type_size = [1, 2, 4, 8, 16, 17, 255][choice % 7];
        self.round_trip(data, &options);
    }

    fn round_trip(&mut self, data: &[u8], options: &Options) {
        if data.len() > MAX_DATA {
            return;
        }
        let mut frame = Vec::new();
        ours::compress(data, options, &mut frame).expect("options in range");
        assert!(
            self.decompress(&frame) == Answer::Data(data.to_vec()),
            "C does not read our frame"
        );
        self.agreed += 1;
    }
}

impl Default for Oracle {
    /// Starts this program itself, with a variable that [`serve_if_child`] checks.
    fn default() -> Self {
        Self::new(|| {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.env(CHILD, "1");
            command
        })
    }
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Oracle: {} agreed, {} crashes", self.agreed, self.crashes)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the other process starts");
        let stdin = BufWriter::new(child.stdin.take().expect("stdin is a pipe"));
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, frame: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.stdin.write_all(&(frame.len() as u32).to_le_bytes())?;
        self.stdin.write_all(frame)?;
        self.stdin.flush()?;
        let len = read_word(&mut self.stdout)?;
        if len == REFUSED {
            return Ok(None);
        }
        let mut data = vec![0; len as usize];
        self.stdout.read_exact(&mut data)?;
        Ok(Some(data))
    }
}

const CHILD: &str = "AIOMAS_BLOSC_ORACLE";

/// In the process that the default [`Oracle`] started, serves it and ends the process.
pub fn serve_if_child() {
    if std::env::var_os(CHILD).is_some() {
        let _ = serve();
        std::process::exit(0);
    }
}

/// Decompresses frames from standard input until it ends.
///
/// # Errors
/// The parent process is gone.
pub fn serve() -> io::Result<()> {
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    while let Ok(len) = read_word(&mut stdin) {
        let mut frame = vec![0; len as usize];
        stdin.read_exact(&mut frame)?;
        match is_bounded(&frame).then(|| c::decompress(&frame)).flatten() {
            Some(data) => {
                stdout.write_all(&(data.len() as u32).to_le_bytes())?;
                stdout.write_all(&data)?;
            }
            None => stdout.write_all(&REFUSED.to_le_bytes())?,
        }
        stdout.flush()?;
    }
    Ok(())
}

fn read_word(reader: &mut impl Read) -> io::Result<u32> {
    let mut word = [0; 4];
    reader.read_exact(&mut word)?;
    Ok(u32::from_le_bytes(word))
}

/// Returns whether C would read only within the frame, and allocate no more than permitted.
fn is_bounded(frame: &[u8]) -> bool {
    let word = |at| frame.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    word(12) == Some(frame.len() as u32) && word(4).is_some_and(|len| len as usize <= MAX_DATA)
}
