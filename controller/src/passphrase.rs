//! Where the authority's passphrase comes from: a terminal that does not show it, or a descriptor. Never from the command
//! line, which every user of the machine can read.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use certs::Passphrase;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Trouble;

/// Nobody types more. Room for all of it is taken at once, so that growing leaves no copies behind.
const MAX_BYTES: usize = 1024;

const END_OF_FILE: u8 = 0x04;
const INTERRUPT: u8 = 0x03;
const ERASE: [u8; 2] = [0x08, 0x7f];
const ERASE_ALL: u8 = 0x15;

/// Where to ask for the passphrase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// The terminal of this program.
    #[default]
    Terminal,
    /// One line of what this descriptor holds.
    Descriptor(u32),
}

impl Source {
    /// Asks for a passphrase that exists already.
    ///
    /// # Errors
    /// There is nobody to ask, the answer is empty, or whoever was asked interrupted.
    pub fn ask(self, whose: &str) -> Result<Passphrase, Trouble> {
        self.read(&format!("Passphrase of {whose}: ")).map(Passphrase::from)
    }

    /// Asks for a new one; people type it twice, for nobody sees what they type.
    ///
    /// # Errors
    /// Those of [`Source::ask`], or the two are not the same.
    pub fn ask_new(self, whose: &str) -> Result<Passphrase, Trouble> {
        let chosen = self.read(&format!("New passphrase of {whose}: "))?;
        if self == Source::Terminal && *self.read("The same again: ")? != *chosen {
            let what = "the two passphrases are not the same, and nothing was changed".to_owned();
            return Err(Trouble::Here(what, "type it again, and then the same once more".to_owned()));
        }
        Ok(Passphrase::from(chosen))
    }

    fn read(self, question: &str) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let line = match self {
            Source::Terminal => from_terminal(question)?,
            Source::Descriptor(number) => from_descriptor(number)?,
        };
        if line.is_empty() {
            let what = "the passphrase is empty, and nothing was changed".to_owned();
            return Err(Trouble::Here(what, "type it, or look at what the descriptor holds".to_owned()));
        }
        Ok(line)
    }
}

fn from_descriptor(number: u32) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let unreadable = |error: io::Error| {
        let what = format!("the passphrase cannot be read from descriptor {number}: {error}");
        Trouble::Here(what, format!("open it for reading in the shell, such as: {number}< FILE"))
    };
    let file = descriptor(number).map_err(unreadable)?;
    if file.is_terminal() {
        let what = format!("descriptor {number} is a terminal, which would show the passphrase");
        return Err(Trouble::Here(what, "leave --passphrase-fd away, and be asked".to_owned()));
    }
    let mut line = Line::default();
    // What comes after the line is somebody else's.
    while let Some(byte) = next_byte(&file).map_err(unreadable)?.filter(|byte| *byte != b'\n') {
        line.push(byte)?;
    }
    Ok(line.0)
}

fn descriptor(number: u32) -> io::Result<File> {
    // Standard input may be a socket, which cannot be opened by its path.
    if number == 0 {
        return io::stdin().as_fd().try_clone_to_owned().map(File::from);
    }
    File::open(format!("/proc/self/fd/{number}"))
}

fn from_terminal(question: &str) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let nobody = |error: io::Error| {
        let what = format!("a passphrase is needed, and there is no terminal to ask for it: {error}");
        Trouble::Here(what, "have it read from a descriptor with --passphrase-fd".to_owned())
    };
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(nobody)?;
    let unseen = Unseen::new(&terminal).map_err(nobody)?;
    unseen.say(question);
    let line = read_keys(&terminal, nobody);
    unseen.say("\n");
    line
}

/// What the terminal would do with these keys, it does not do while it is [`Unseen`].
fn read_keys(terminal: &File, nobody: impl Fn(io::Error) -> Trouble) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let mut line = Line::default();
    while let Some(key) = next_byte(terminal).map_err(&nobody)? {
        match key {
            b'\n' | b'\r' | END_OF_FILE => return Ok(line.0),
            INTERRUPT => break,
            ERASE_ALL => line.0.zeroize(),
            key if ERASE.contains(&key) => line.erase(),
            key if key.is_ascii_control() => {}
            key => line.push(key)?,
        }
    }
    Err(Trouble::Here(
        "interrupted: no passphrase was given, and nothing was changed".to_owned(),
        String::new(),
    ))
}

fn next_byte(mut file: &File) -> io::Result<Option<u8>> {
    let mut byte = [0];
    match file.read_exact(&mut byte) {
        Ok(()) => Ok(Some(byte[0])),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// What has come so far.
struct Line(Zeroizing<Vec<u8>>);

impl Default for Line {
    fn default() -> Line {
        Line(Zeroizing::new(Vec::with_capacity(MAX_BYTES)))
    }
}

impl Line {
    fn push(&mut self, byte: u8) -> Result<(), Trouble> {
        if self.0.len() == MAX_BYTES {
            let what = format!("the passphrase is longer than {MAX_BYTES} bytes");
            return Err(Trouble::Here(what, "choose a shorter one".to_owned()));
        }
        self.0.push(byte);
        Ok(())
    }

    /// Takes back the last character, which may be several bytes of UTF-8.
    fn erase(&mut self) {
        while self.0.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
    }
}

/// A terminal that shows nothing of what is typed, and sends no signals, which would leave it so. Dropped, it is as before.
struct Unseen<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn new(terminal: &'a File) -> io::Result<Unseen<'a>> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &modes)?;
        Ok(Unseen { terminal, before })
    }

    fn say(&self, text: &str) {
        let mut terminal = self.terminal;
        let _ = terminal.write_all(text.as_bytes());
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
