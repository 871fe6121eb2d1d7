//! One blocking thread per end. All calls in flight are written at once.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use aiomas_bench_contract::{Address, Load, Meter, Serving, end_with_input, say};

use super::{READ, cut, frame};

/// Both kinds of sockets.
trait Stream: Read + Write {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

pub(super) fn serve(address: &Address) -> io::Result<()> {
    end_with_input();
    match address {
        Address::Unix(path) => {
            let listener = UnixListener::bind(path)?;
            say(&Serving { address: address.to_string(), agents: None })?;
            loop {
                echo(&mut listener.accept()?.0)?;
            }
        }
        Address::Tcp(host) | Address::Tls(host) => {
            let listener = TcpListener::bind(host)?;
            let address = address.bound(listener.local_addr()?.port());
            say(&Serving { address: address.to_string(), agents: None })?;
            loop {
                let (mut stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                echo(&mut stream)?;
            }
        }
    }
}

fn echo(stream: &mut dyn Stream) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

pub(super) fn call(load: &Load) -> Result<(), String> {
    let mut stream = open(&load.address).map_err(|error| format!("{}: {error}", load.address))?;
    let meter = Meter::start(load);
    run(&mut *stream, load, &meter).map_err(|error| error.to_string())?;
    say(&meter.report()?).map_err(|error| error.to_string())
}

fn open(address: &Address) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path)?),
        Address::Tcp(host) | Address::Tls(host) => {
            let stream = TcpStream::connect(host)?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    })
}

fn run(stream: &mut dyn Stream, load: &Load, meter: &Meter) -> io::Result<()> {
    let frame = frame(load);
    let output = frame.repeat(load.in_flight as usize);
    let mut input = vec![0; output.len()];
    let mut calls = meter.first(load.in_flight);
    while calls > 0 {
        let begun = Instant::now();
        let (mut read, bytes) = (0, calls as usize * frame.len());
        stream.write_all(&output[..bytes])?;
        while read < bytes {
            match stream.read(&mut input[read..bytes])? {
                0 => return Err(cut()),
                count => read += count,
            }
        }
        calls = meter.ended(begun, calls, Instant::now());
    }
    Ok(())
}
