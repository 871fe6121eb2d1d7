//! RPC servers and their callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas::rpc;
use aiomas_core::rpc::ServiceDict;
use aiomas_tests::scripted_runtime::ScriptedRuntime;

/// The server continues, and can be shut down, even if its callbacks always panic.
#[test]
fn callbacks_that_panic_end_nothing_else() {
    let runtime = ScriptedRuntime::default();
    let count = Arc::<AtomicUsize>::default();
    let panics = |count: &Arc<AtomicUsize>| {
        let count = count.clone();
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("a callback");
        }
    };
    runtime.block_on(async {
        let (connected, disconnected) = (panics(&count), panics(&count));
        let server = rpc::builder(runtime.clone())
            .service(ServiceDict::new("Root").function("half", ["a"], |a: u32| a / 2))
            .on_connect(move |_| connected())
            .on_disconnect(move |_, _| disconnected())
            .listen("tcp://here:0")
            .await
            .expect("a free port");
        let mut clients = Vec::new();
        for i in 0..3 {
            let client = rpc::builder(runtime.clone()).connect(server.address().clone()).await;
            let client = client.expect("a listener");
            assert_eq!(client.remote().call("half").arg(2 * i).send().await, Ok(i));
            clients.push(client);
        }
        server.shutdown().await;
    });
    runtime.run();
    assert_eq!(count.load(Ordering::Relaxed), 6);
    assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
}
