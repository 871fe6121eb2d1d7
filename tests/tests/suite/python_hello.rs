//! Hello to Python: a peer without support sees plain calls, byte for byte as aiomas writes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas::service;
use aiomas_core::connection::Negotiate;
use aiomas_core::rpc::ServiceRef;
use aiomas_core::wire::Codec;
use aiomas_tests::message;
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::on_tokio;
use aiomas_tokio::{Error, rpc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Forwards one stream to `address`, and records its bytes.
async fn record(address: String) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let recorded = Arc::<Mutex<Vec<u8>>>::default();
    let record = recorded.clone();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.expect("a client");
        let server = TcpStream::connect(address).await.expect("a listener");
        let (mut from, mut back_to) = client.into_split();
        let (mut back_from, mut to) = server.into_split();
        let there = async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                record.lock().expect("no panic under the lock").extend_from_slice(&buffer[..count]);
                if to.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        };
        let back = async { tokio::io::copy(&mut back_from, &mut back_to).await };
        let _ended = tokio::join!(there, back);
    });
    (port, recorded)
}

/// The service that the server calls before it answers.
struct Gate {
    entered: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

#[service]
impl Gate {
    #[expose]
    async fn double(&self, value: i64) -> i64 {
        let (open, opened) = oneshot::channel();
        self.entered.send(open).expect("the test is there");
        opened.await.expect("an opened gate");
        2 * value
    }
}

/// Dropped calls and calls with timeouts are plain without Hello.
#[test]
fn a_python_peer_sees_no_extension() {
    let (process, ready) = Setup::new("rpc", "json").serve("tcp://127.0.0.1:0");
    let written = on_tokio(async {
        let (port, recorded) = record(ready.addr.replace("tcp://", "")).await;
        let negotiate = Negotiate::Hello { base: Codec::Json, offer: vec![Codec::MsgPack] };
        let (entered, mut calls_at_gate) = mpsc::unbounded_channel();
        let builder = rpc::builder().negotiate(negotiate).service(Gate { entered });
        let client = builder.connect(format!("tcp://127.0.0.1:{port}"));
        let client = client.await.expect("a connection");
        let remote = client.remote();
        let add = |a: i64, b: i64| remote.call("add").arg(a).arg(b);
        // Before the answer to Hello, and afterwards.
        assert_eq!(add(1, 2).send::<i64>().await, Ok(3));
        let patient = add(3, 4).with_timeout(Duration::from_secs(1000));
        assert_eq!(patient.send::<i64>().await, Ok(7));
        let call_me = |value: i64| remote.call("call_me").arg(ServiceRef::new("")).arg(value);
        let dropped = call_me(5).send::<i64>();
        let first = calls_at_gate.recv().await.expect("a callback");
        drop(dropped);
        let after = Duration::from_millis(20);
        let late = call_me(6).with_timeout(after).send::<i64>();
        let second = calls_at_gate.recv().await.expect("a callback");
        assert_eq!(late.await, Err(Error::TimedOut { after, sent: true }));
        // Only now can the server answer.
        assert_eq!((first.send(()), second.send(())), (Ok(()), Ok(())));
        while client.peer().state().stats.late_answers < 2 {
            assert_eq!(add(7, 8).send::<i64>().await, Ok(15));
        }
        let recorded = recorded.lock().expect("no panic under the lock");
        message::payloads(&recorded)
    });
    process.stop();
    let written: Vec<_> = written.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(written[0].starts_with("[0, 0, [\"$hello\", [{\"version\": 1, "), "{}", written[0]);
    assert!(
        written[0].contains("\"extensions\": [\"cancel\", \"deadline\", \"heartbeat\"]"),
        "{}",
        written[0]
    );
    let requests: Vec<_> = written[1..].iter().filter(|text| text.starts_with("[0, ")).collect();
    let expected = [
        r#"[0, 1, ["add", [1, 2], {}]]"#,
        r#"[0, 2, ["add", [3, 4], {}]]"#,
        r#"[0, 3, ["call_me", [{"__type__": [0, ""]}, 5], {}]]"#,
        r#"[0, 4, ["call_me", [{"__type__": [0, ""]}, 6], {}]]"#,
        r#"[0, 5, ["add", [7, 8], {}]]"#,
    ];
    assert_eq!(requests[..5], expected);
    let others = written[1..].iter().filter(|text| !text.starts_with("[0, "));
    assert_eq!(others.collect::<Vec<_>>(), ["[1, 0, 10]", "[1, 1, 12]"]);
}
