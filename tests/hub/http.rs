//! As much of HTTP as an emulated hub needs.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use super::emulator::Role;

/// How long something that never comes is waited for.
const NEVER: Duration = Duration::from_secs(3600);

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub role: Role,
    /// The address after the host, without what follows `?`.
    pub path: String,
    pub authorization: Option<String>,
    /// The first byte that was asked for.
    pub range: Option<usize>,
    pub takes_gzip: bool,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Well,
    /// At a half, after all was promised.
    Half,
    /// At a half, and the connection stays open.
    Stall,
    /// With the connection, and without a promise.
    Unmeasured,
    /// In so many pieces, with a pause after each.
    Slow(usize, Duration),
    /// Before it begins.
    Never,
}

/// What is answered.
pub struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
    end: End,
}

impl Asked {
    /// Answers the requests of a connection.
    pub fn serve(
        stream: TcpStream,
        role: Role,
        mut answer: impl FnMut(&Self) -> Answer,
    ) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = Self::read(&mut reader, role)? {
            if !answer(&asked).send(&stream)? {
                break;
            }
        }
        stream.shutdown(Shutdown::Both)
    }

    fn read(reader: &mut impl BufRead, role: Role) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let path = line.split(' ').nth(1).unwrap_or_default();
        let mut asked = Self {
            role,
            path: path.split('?').next().unwrap_or_default().to_owned(),
            authorization: None,
            range: None,
            takes_gzip: false,
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                return Ok(Some(asked));
            };
            match name.to_ascii_lowercase().as_str() {
                "authorization" => asked.authorization = Some(value.to_owned()),
                "accept-encoding" => asked.takes_gzip = value.contains("gzip"),
                "range" => {
                    let from = value
                        .strip_prefix("bytes=")
                        .and_then(|range| range.split('-').next());
                    asked.range = from.and_then(|from| from.parse().ok());
                }
                _ => {}
            }
        }
    }
}

impl Answer {
    pub fn of(status: u16) -> Self {
        Self {
            status,
            headers: String::new(),
            body: Vec::new(),
            end: End::Well,
        }
    }

    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub fn body(self, bytes: &[u8]) -> Self {
        Self {
            body: bytes.to_vec(),
            ..self
        }
    }

    pub fn compressed(self, bytes: &[u8]) -> Self {
        self.with("Content-Encoding", "gzip").body(&gzip(bytes))
    }

    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Whether the connection may be used again.
    fn send(&self, mut stream: &TcpStream) -> io::Result<bool> {
        if self.end == End::Never {
            thread::sleep(NEVER);
        }
        let length = match self.end {
            End::Unmeasured => "Connection: close\r\n".to_owned(),
            _ => format!("Content-Length: {}\r\n", self.body.len()),
        };
        let head = format!(
            "HTTP/1.1 {} Emulated\r\n{}{length}\r\n",
            self.status, self.headers
        );
        stream.write_all(head.as_bytes())?;
        let half = self.body.len() / 2;
        match self.end {
            End::Half => stream.write_all(&self.body[..half])?,
            End::Stall => {
                stream.write_all(&self.body[..half])?;
                thread::sleep(NEVER);
            }
            End::Slow(pieces, pause) => {
                for piece in self.body.chunks(self.body.len() / pieces + 1) {
                    stream.write_all(piece)?;
                    thread::sleep(pause);
                }
            }
            _ => stream.write_all(&self.body)?,
        }
        Ok(matches!(self.end, End::Well | End::Slow(..)))
    }
}

/// The bytes as gzip has them that does not compress (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        gzip.push(u8::from(blocks.peek().is_none()));
        gzip.extend(length.to_le_bytes());
        gzip.extend((!length).to_le_bytes());
        gzip.extend(block);
    }
    let update = |crc: u32, &byte: &u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    };
    gzip.extend((!bytes.iter().fold(!0, update)).to_le_bytes());
    gzip.extend((bytes.len() as u32).to_le_bytes());
    gzip
}
