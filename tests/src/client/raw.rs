//! Bare streams, for bytes that a connection would not write.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use aiomas_core::agent::Address;
use aiomas_core::wire::codec::{blosc, decode, encode};
use aiomas_core::wire::{Codec, CodecContext, Value};
use serde::Serialize;

use super::{LIMIT, Server};

/// A stream to a server, without a protocol.
#[derive(Debug)]
pub struct RawStream {
    socket: Socket,
    codec: Codec,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Server {
    /// Opens a bare stream.
    ///
    /// # Panics
    /// The server does not listen.
    pub fn raw(&self) -> RawStream {
        RawStream::open(self).unwrap_or_else(|error| panic!("{}: {error}", self.address))
    }

    /// Returns the frame of a message or any other value.
    ///
    /// # Panics
    /// The value cannot be encoded.
    pub fn frame(&self, message: impl Serialize) -> Vec<u8> {
        let mut plain = Vec::new();
        let encoded = encode(self.codec.format(), &CodecContext::default(), &message, &mut plain);
        encoded.unwrap_or_else(|error| panic!("{error}"));
        let mut payload = Vec::new();
        if self.codec == Codec::MsgPackBlosc {
            let compressed = blosc::compress(&plain, &blosc::Options::default(), &mut payload);
            compressed.unwrap_or_else(|error| panic!("{error}"));
        } else if let Codec::Custom(codec) = self.codec {
            codec.encode(&plain, &mut payload).unwrap_or_else(|error| panic!("{error}"));
        } else {
            payload = plain;
        }
        [&(payload.len() as u32).to_be_bytes(), &payload[..]].concat()
    }
}

impl RawStream {
    fn open(server: &Server) -> io::Result<Self> {
        let limit = Some(LIMIT);
        let socket = match &server.address {
            Address::Tcp { host, port } => {
                let socket = TcpStream::connect((&**host, *port))?;
                socket.set_nodelay(true)?;
                socket.set_read_timeout(limit)?;
                Socket::Tcp(socket)
            }
            Address::Ipc(path) => {
                let socket = UnixStream::connect(&**path)?;
                socket.set_read_timeout(limit)?;
                Socket::Unix(socket)
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { socket, codec: server.codec })
    }

    /// Writes all of `bytes`.
    ///
    /// # Panics
    /// The stream is broken.
    pub fn write(&mut self, bytes: &[u8]) {
        let written = match &mut self.socket {
            Socket::Tcp(socket) => socket.write_all(bytes),
            Socket::Unix(socket) => socket.write_all(bytes),
        };
        written.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Reads a message.
    ///
    /// # Panics
    /// No message arrives.
    pub fn read(&mut self) -> Value {
        let mut header = [0; 4];
        self.read_exact(&mut header);
        let mut payload = vec![0; u32::from_be_bytes(header) as usize];
        self.read_exact(&mut payload);
        if self.codec == Codec::MsgPackBlosc {
            payload =
                blosc::decompress(&payload, 16 << 20).unwrap_or_else(|error| panic!("{error}"));
        }
        if let Codec::Custom(codec) = self.codec {
            let message = codec.decode(&payload, 16 << 20);
            payload = message.unwrap_or_else(|error| panic!("{error}")).to_vec();
        }
        decode(self.codec.format(), &payload, &CodecContext::default())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn read_exact(&mut self, buffer: &mut [u8]) {
        let read = match &mut self.socket {
            Socket::Tcp(socket) => socket.read_exact(buffer),
            Socket::Unix(socket) => socket.read_exact(buffer),
        };
        read.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until the server has closed the stream.
    ///
    /// # Panics
    /// The server sends data, or does not close the stream.
    pub fn expect_end(&mut self) {
        let read = match &mut self.socket {
            Socket::Tcp(socket) => socket.read(&mut [0]),
            Socket::Unix(socket) => socket.read(&mut [0]),
        };
        match read {
            Ok(0) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("{other:?} in place of the end"),
        }
    }
}
