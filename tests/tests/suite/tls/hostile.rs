//! Hostile peers, and scripted streams.

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::{Context, Poll, Waker};

use aiomas::channel::{self, Channel};
use aiomas::tls::rustls::version::{TLS12, TLS13};
use aiomas::tls::{Secure, TlsConfig};
use aiomas::{Error, Listener, Runtime, Transport};
use aiomas_core::agent::Address;
use aiomas_tests::certificates::{Authority, KeyKind};
use aiomas_tests::fuzz;
use aiomas_tests::scripted_runtime::ScriptedRuntime;
use proptest::collection::vec;
use proptest::prelude::*;

fn address() -> Address {
    Address::Tcp { host: "script".into(), port: 1 }
}

async fn pair(
    runtime: &ScriptedRuntime,
    server: TlsConfig,
    client: TlsConfig,
) -> (Result<Channel, Error>, Result<Channel, Error>) {
    let listener = channel::builder(runtime.clone()).tls(server).listen(address()).await;
    let mut listener = listener.unwrap();
    let connect = channel::builder(runtime.clone()).tls(client).connect(address());
    tokio::join!(listener.accept(), connect)
}

async fn exchange(one: &Channel, other: &Channel, content: &str) {
    let call = one.send::<String>(content);
    let request = other.recv().await.unwrap();
    let asked: String = request.content().unwrap();
    request.reply(&asked).unwrap();
    assert!(call.await.unwrap() == content);
}

/// Runs a whole conversation over scripted streams, and checks that no state remains.
fn converse(script: impl IntoIterator<Item = u8>, size: usize) {
    let authority = Authority::new(KeyKind::Ec);
    let (house, grid) = (authority.sign("house"), authority.sign("grid"));
    let script: Vec<u8> = script.into_iter().collect();
    for version in [&TLS12, &TLS13] {
        let runtime = ScriptedRuntime::new(script.iter().copied());
        runtime.block_on(async {
            let (server, client) = pair(&runtime, house.config(), grid.config_of(version)).await;
            let (server, client) = (server.unwrap(), client.unwrap());
            exchange(&client, &server, &"x".repeat(size)).await;
            exchange(&server, &client, &"y".repeat(size)).await;
        });
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
        assert!(runtime.spins() < 20, "{}", runtime.spins());
    }
}

#[test]
fn every_byte_alone() {
    converse(std::iter::repeat_n(1, 20_000), 1000);
}

#[test]
fn every_byte_alone_after_a_wait() {
    converse([0, 1].repeat(20_000), 1000);
}

fn cases() -> ProptestConfig {
    // The default number of cases, or more with `PROPTEST_CASES`.
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_script(script in vec(any::<u8>(), 0..2000), size in prop_oneof![0..100_usize, 10_000..200_000_usize]) {
        converse(script, size);
    }

    #[test]
    fn any_bytes(data in vec(any::<u8>(), 0..2000)) {
        fuzz::tls_record(&data);
    }
}

/// A handshake may have 64 KiB.
#[test]
fn a_chain_without_end() {
    let authority = Authority::new(KeyKind::Ec);
    let (house, grid) = (authority.sign("house"), authority.sign("grid"));
    for (version, certificates, goes) in
        [(&TLS12, 80, true), (&TLS13, 80, true), (&TLS12, 2000, false), (&TLS13, 2000, false)]
    {
        let chain = vec![grid.chain().remove(0); certificates];
        let client = grid.client(version).with_client_auth_cert(chain, grid.private_key()).unwrap();
        let client = TlsConfig::from_rustls(grid.config().server().clone(), client);
        let runtime = ScriptedRuntime::default();
        let (server, client) = runtime.block_on(pair(&runtime, house.config(), client));
        if goes {
            server.unwrap();
            continue;
        }
        let text = server.unwrap_err().to_string();
        assert_eq!(
            text,
            "no TLS at tcp://script:1: what the peer sent is no valid TLS: \
             received corrupt message of type HandshakePayloadTooLarge",
        );
        drop(client);
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
    }
}

/// A writer waits for its slow reader.
#[test]
fn a_reader_that_does_not_read() {
    const CAPACITY: usize = 10_000;
    let house = Authority::new(KeyKind::Ec).sign("house");
    let runtime = ScriptedRuntime::default().with_capacity(CAPACITY);
    let secure = Secure::new(runtime.clone(), house.config());
    runtime.block_on(async {
        let mut listener = secure.listen(address()).await.unwrap();
        let accept = poll_fn(|cx| listener.poll_accept(cx));
        let (server, client) = tokio::join!(accept, secure.dial(address()));
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        let open = poll_fn(|cx| server.poll_open(cx));
        let (server_opened, opened) = tokio::join!(open, poll_fn(|cx| client.poll_open(cx)));
        server_opened.and(opened).unwrap();
        let large = vec![7; 1 << 20];
        let mut taken = 0;
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(count) = client.poll_send(&mut cx, &[IoSlice::new(&large)]) {
            taken += count.unwrap();
        }
        assert!((CAPACITY..CAPACITY + (64 << 10)).contains(&taken), "{taken} bytes");
    });
}
