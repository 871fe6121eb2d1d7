//! Containers in Rust and Python that call each other, start late, and restart.

use std::time::{Duration, Instant};

use aiomas_core::agent::{AgentUrl, Remote, RetryLimit, Serve, Target};
use aiomas_core::connection::{CallError, CloseReason};
use aiomas_core::wire::Codec;
use aiomas_tests::client::Server;
use aiomas_tests::client::poll::Client;
use aiomas_tests::host::CallFailed;
use aiomas_tests::process::{Process, Ready};
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::Serializers;
use serde_json::{Value, json};

use crate::{CODECS, ipc_address, peer};

fn server(address: &str, codec: Codec) -> Server {
    let (address, serializers) = (address.parse().expect("an address"), Serializers::None);
    Server { address, codec, serializers, tls: None, external_clock: false }
}

fn url(ready: &Ready, name: &str) -> AgentUrl {
    let url = ready.info["agents"][name].as_str().expect("the ready line names the agent");
    url.parse().expect("a URL")
}

fn find(client: &mut Client, url: AgentUrl) -> Remote {
    client.connect(url, RetryLimit::Within(Duration::from_secs(300))).expect("the agent is there")
}

/// One container in Rust, one in Python for each codec. Their agents call each other, and chains of
/// calls alternate between them.
fn rust_and_python(runtime: RuntimeKind) {
    let (rust_process, rust) = Process::serve(peer(&["agent", "--runtime", runtime.name()]));
    for codec in CODECS {
        let (python_process, python) = Setup::new("agent", codec.name()).serve("tcp://127.0.0.1:0");
        let mut client = Client::new(&server(&rust.addr, codec), Serve::Agents);
        let mut callers = Vec::new();
        for (here, there) in [(&rust, &python), (&python, &rust)] {
            let caller = find(&mut client, url(here, "Caller"));
            callers.push((Target::from(&caller), here, there));
        }
        for (caller, here, there) in &callers {
            let [echo, other] = ["Echo", "Caller"].map(|name| url(there, name).to_string());
            assert_eq!(client.call(caller, "call", (&echo, "add", [20, 22])), Ok(42));
            let met = client.call::<Value>(caller, "introduce", (&echo,));
            assert_eq!(met, Ok(json!({"met": "Caller"})));
            // To the other container, and back again.
            let myself = url(here, "Echo").to_string();
            let nothing: [(); 0] = [];
            let chain = (&other, "call", (&myself, "addr_of", nothing));
            assert_eq!(client.call(caller, "call", chain), Ok(myself));
            let failed = client.call::<Value>(caller, "call", (&echo, "fail", ["ohno"]));
            match failed {
                Err(CallFailed::Call(CallError::Remote(error))) => {
                    assert!(error.text().contains("ValueError: ohno"), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        // Both directions at once.
        let calls: Vec<_> = (0..100)
            .flat_map(|i| callers.iter().map(move |caller| (i, caller)))
            .map(|(i, (caller, _, there))| {
                let args = (url(there, "Echo").to_string(), "echo", [i]);
                (i, client.start_call(caller, "call", args, ()))
            })
            .collect();
        for (i, call) in calls {
            assert_eq!(client.wait(call).unwrap().decode::<i32>(), Ok(i));
        }
        python_process.stop();
    }
    rust_process.stop();
}

/// A late container is waited for. A restarted one loses its calls, and is found again.
fn late_gone_and_back(runtime: RuntimeKind) {
    let address = ipc_address();
    let mut client = Client::new(&server(&address, Codec::MsgPack), Serve::Agents);
    let clock = AgentUrl::new(address.parse().unwrap(), "2");
    let serve =
        || Process::serve(peer(&["agent", "--addr", &address, "--runtime", runtime.name()]));

    let connecting = client.start_connect(clock.clone(), RetryLimit::Forever);
    client.host.turn(&[], Some(Instant::now() + Duration::from_millis(10))).unwrap();
    assert!(!connecting.is_done());
    let (process, _) = serve();
    let remote = client.wait(connecting).unwrap();
    assert_eq!(&*remote.type_name, "Clock");

    let sleeping = client.start_call(&Target::from(&remote), "sleep", (600,), ());
    assert!(client.call::<f64>(&Target::from(&remote), "time", ()).is_ok());
    process.stop();
    let lost = client.wait(sleeping).unwrap_err();
    assert_eq!(lost, CallFailed::Call(CallError::Lost(CloseReason::Peer)));
    assert!(client.connect(clock.clone(), RetryLimit::Once).is_err());

    let (process, _) = serve();
    let remote = find(&mut client, clock);
    assert!(client.call::<f64>(&Target::from(&remote), "time", ()).is_ok());
    process.stop();
}

#[test]
fn rust_and_python_on_poll() {
    rust_and_python(RuntimeKind::Poll);
}

#[test]
fn rust_and_python_on_tokio() {
    rust_and_python(RuntimeKind::Tokio);
}

#[test]
fn late_gone_and_back_on_poll() {
    late_gone_and_back(RuntimeKind::Poll);
}

#[test]
fn late_gone_and_back_on_tokio() {
    late_gone_and_back(RuntimeKind::Tokio);
}
