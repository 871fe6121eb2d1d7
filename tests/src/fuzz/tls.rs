//! TLS with a hostile peer.

use std::future::poll_fn;
use std::io::IoSlice;
use std::sync::OnceLock;

use aiomas::channel::{self, Channel};
use aiomas::tls::TlsConfig;
use aiomas::tls::rustls::pki_types::ServerName;
use aiomas::tls::rustls::{ClientConnection, Connection, Error};
use aiomas::{Listener, Runtime, Transport};
use aiomas_core::agent::Address;
use aiomas_core::connection::CloseReason;
use bytes::BytesMut;
use futures_lite::future;

use crate::certificates::{Authority, KeyKind};
use crate::scripted_runtime::{Pipe, ScriptedRuntime};

/// Sends `data` to a server or a client, instead of TLS or within it. The first byte chooses the
/// place, the second one the behaviour of the streams.
///
/// # Panics
/// A task waits forever, or state remains after the peer has disconnected.
pub fn tls_record(data: &[u8]) {
    let [how, pace, data @ ..] = data else { return };
    let runtime = ScriptedRuntime::new((0..64).map(|step: u8| step.wrapping_mul(*pace)));
    runtime.block_on(async {
        match how % 6 {
            0 => attack_server(&runtime, data).await,
            1 => attack_client(&runtime, data).await,
            2 => attack_handshake(&runtime, data).await,
            how => attack_session(&runtime, how, data).await,
        }
    });
    runtime.run();
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0), "something is left");
    assert!(runtime.spins() < 100, "a task polls in a busy loop");
}

fn config() -> TlsConfig {
    static CONFIG: OnceLock<TlsConfig> = OnceLock::new();
    CONFIG.get_or_init(|| Authority::new(KeyKind::Ec).sign("peer").config()).clone()
}

fn address() -> Address {
    Address::Tcp { host: "script".into(), port: 1 }
}

async fn listen(runtime: &ScriptedRuntime) -> channel::Listener {
    let listener = channel::builder(runtime.clone()).tls(config()).listen(address()).await;
    listener.unwrap_or_else(|error| panic!("{error}"))
}

/// Writes data. An error means that the receiver closed before it read everything.
async fn send(stream: &mut Pipe, mut data: &[u8]) {
    while !data.is_empty() {
        match poll_fn(|cx| stream.poll_send(cx, &[IoSlice::new(data)])).await {
            Ok(count) => data = &data[count..],
            Err(_) => return,
        }
    }
}

/// Sends bytes instead of a handshake.
async fn attack_server(runtime: &ScriptedRuntime, data: &[u8]) {
    let mut listener = listen(runtime).await;
    let mut stream = runtime.dial(address()).await.expect("a listener");
    let attacked = async { listener.accept().await.map(drop) };
    let attack = async {
        send(&mut stream, data).await;
        drop(stream);
    };
    let (accepted, ()) = future::zip(attacked, attack).await;
    accepted.expect_err("no certificate was shown");
}

async fn attack_client(runtime: &ScriptedRuntime, data: &[u8]) {
    let mut listener = runtime.listen(address()).await.expect("a free address");
    let attacked = channel::builder(runtime.clone()).tls(config()).connect(address());
    let attack = async {
        let stream = poll_fn(|cx| listener.poll_accept(cx)).await;
        send(&mut stream.expect("a connection"), data).await;
    };
    let (connected, ()) = future::zip(attacked, attack).await;
    connected.map(drop).expect_err("no certificate was shown");
}

/// Changes bytes of a handshake: three bytes choose position and change.
async fn attack_handshake(runtime: &ScriptedRuntime, data: &[u8]) {
    let mut listener = listen(runtime).await;
    let mut peer = Peer::dial(runtime).await;
    let attacked = async { listener.accept().await };
    let attack = async {
        // The handshake ends as soon as one side aborts.
        let _ended = peer.shake_hands(data).await;
        drop(peer);
    };
    let (accepted, ()) = future::zip(attacked, attack).await;
    if let Ok(channel) = accepted {
        serve(channel).await;
    }
}

/// Sends bytes after a handshake: instead of records (3), in a record with a flipped bit (4), or in
/// valid records (5).
async fn attack_session(runtime: &ScriptedRuntime, how: u8, data: &[u8]) {
    let mut listener = listen(runtime).await;
    let mut peer = Peer::dial(runtime).await;
    let attacked = async { listener.accept().await.expect("a secure stream") };
    let (channel, secure) = future::zip(attacked, peer.shake_hands(&[])).await;
    secure.expect("a good server");
    let records = match how {
        3 => data.to_vec(),
        4 => {
            let mut records = peer.encrypt(data);
            let place = data.iter().map(|&byte| usize::from(byte)).sum::<usize>();
            if let Some(byte) = records.get_mut(place % (5 + data.len())) {
                *byte ^= 1 << (place % 8);
            }
            records
        }
        _ => peer.encrypt(data),
    };
    let attack = async {
        send(&mut peer.stream, &records).await;
        drop(peer);
    };
    let (reason, ()) = future::zip(serve(channel), attack).await;
    assert_ne!(reason, CloseReason::Peer, "the peer has not announced the end");
}

/// Answers requests until the end of the channel.
async fn serve(channel: Channel) -> CloseReason {
    while let Some(request) = channel.recv().await {
        // The peer may have disconnected.
        let _answered = request.reply(&());
    }
    channel.closed().await
}

/// A peer with a certificate.
struct Peer {
    stream: Pipe,
    session: Connection,
}

impl Peer {
    async fn dial(runtime: &ScriptedRuntime) -> Self {
        let name = ServerName::try_from("script").expect("a name");
        let session = ClientConnection::new(config().client().clone(), name).expect("a session");
        let stream = runtime.dial(address()).await.expect("a listener");
        Self { stream, session: session.into() }
    }

    async fn shake_hands(&mut self, changes: &[u8]) -> Result<(), Error> {
        let mut sent = 0;
        loop {
            let mut output = Vec::new();
            while self.session.wants_write() {
                self.session.write_tls(&mut output).expect("a buffer takes all");
            }
            for change in changes.as_chunks::<3>().0 {
                let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % 4096;
                if let Some(byte) = place.checked_sub(sent).and_then(|at| output.get_mut(at)) {
                    *byte ^= change[2];
                }
            }
            sent += output.len();
            send(&mut self.stream, &output).await;
            if !self.session.is_handshaking() {
                return Ok(());
            }
            let mut input = BytesMut::with_capacity(4096);
            match poll_fn(|cx| self.stream.poll_recv(cx, &mut input)).await {
                Ok(1..) => {}
                _ => return Err(Error::HandshakeNotComplete),
            }
            let mut input = &input[..];
            while !input.is_empty() {
                self.session.read_tls(&mut input).expect("room");
                self.session.process_new_packets()?;
            }
        }
    }

    fn encrypt(&mut self, data: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut records = Vec::new();
        for part in data.chunks(1 << 14) {
            self.session.writer().write_all(part).expect("open");
            while self.session.wants_write() {
                self.session.write_tls(&mut records).expect("a buffer takes all");
            }
        }
        records
    }
}
