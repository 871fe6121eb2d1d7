//! Containers and servers that are ended by a call: the answer is sent before the connection
//! closes.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Cx, Poll, Waker};
use std::time::Duration;

use aiomas::{
    Context, Runtime, container,
    rpc::{self, RpcClient},
};
use aiomas::{Error, agent, service};
use aiomas_tests::scripted_runtime::ScriptedRuntime;

#[derive(Clone, Default)]
struct Root {
    stopped: Arc<AtomicUsize>,
}

#[service]
impl Root {
    #[expose]
    fn stop(&self, #[context] ctx: &Context) -> Result<String, Error> {
        ctx.stop()?;
        Ok("bye".to_owned())
    }

    #[expose]
    async fn stop_later(&self, #[context] ctx: Context) -> Result<String, Error> {
        ctx.stop()?;
        ctx.stop()?;
        std::future::ready(()).await;
        Ok("bye".to_owned())
    }

    #[expose]
    async fn wait(&self) {
        std::future::pending().await
    }
}

struct Door(Root);

#[agent]
impl Door {
    #[expose]
    fn stop(&self, #[context] ctx: &Context) -> Result<String, Error> {
        self.0.stop(ctx)
    }

    #[expose]
    async fn stop_later(&self, #[context] ctx: Context) -> Result<String, Error> {
        self.0.stop_later(ctx).await
    }

    #[on_stop]
    fn on_stop(&self) {
        self.0.stopped.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Cx::from_waker(Waker::noop()))
}

/// Returns runtimes with fast and slow streams.
fn scripts() -> impl Iterator<Item = ScriptedRuntime> {
    [vec![], vec![0; 40], vec![1; 400], (0..200).collect()].into_iter().map(ScriptedRuntime::new)
}

#[test]
fn a_container_ends_by_a_call() {
    for (runtime, method) in
        scripts().flat_map(|script| [(script.clone(), "stop"), (script, "stop_later")])
    {
        let root = Root::default();
        runtime.block_on(async {
            let bind = || container::bind(runtime.clone(), "tcp://here:0");
            let (house, grid) = (bind().await.expect("a port"), bind().await.expect("a port"));
            let door = house.spawn(Door(root.clone())).expect("room");
            let proxy: DoorProxy = grid.connect(door.url().clone()).await.expect("there");
            let mut stopped = pin!(house.stopped());
            assert!(poll(&mut stopped).is_pending());
            let answer = aiomas::Proxy::from(proxy).call(method).send::<String>().await;
            assert_eq!(answer, Ok("bye".to_owned()));
            assert_eq!(stopped.await, Ok(()));
            assert_eq!(house.stopped().await, Ok(()), "it still has");
            assert_eq!(root.stopped.load(Ordering::Relaxed), 1);
            // A call from within the container.
            let door = grid.spawn(Door(root.clone())).expect("room");
            assert_eq!(door.proxy().stop().await, Ok("bye".to_owned()));
            assert_eq!(grid.stopped().await, Ok(()));
        });
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
    }
}

async fn client(runtime: &ScriptedRuntime, address: &str) -> RpcClient {
    rpc::builder(runtime.clone()).connect(address).await.expect("a listener")
}

#[test]
fn a_server_ends_by_a_call() {
    for (runtime, method) in
        scripts().flat_map(|script| [(script.clone(), "stop"), (script, "stop_later")])
    {
        runtime.block_on(async {
            let server = rpc::builder(runtime.clone()).service(Root::default());
            let server = server.listen("tcp://here:5").await.expect("a free port");
            let (one, other) =
                (client(&runtime, "tcp://here:5").await, client(&runtime, "tcp://here:5").await);
            let mut stopped = pin!(server.stopped());
            assert!(poll(&mut stopped).is_pending());
            let answer = one.remote().call(method).send::<String>().await;
            assert_eq!(answer, Ok("bye".to_owned()));
            stopped.await;
            server.stopped().await;
            other.closed().await;
            assert_eq!(server.peers(), []);
            assert!(rpc::builder(runtime.clone()).connect("tcp://here:5").await.is_err());
        });
        runtime.run();
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0));
    }
}

/// The server waits for pending calls, within the time limit of the close.
#[test]
fn serving_lasts_until_it_is_stopped() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let builder = rpc::builder(runtime.clone()).service(Root::default());
        let serving = builder.drain(Duration::from_secs(3)).serve("tcp://here:5");
        let mut serving = pin!(serving);
        while runtime.tasks() == 0 {
            assert!(poll(&mut serving).is_pending());
        }
        let client = client(&runtime, "tcp://here:5").await;
        let never = client.remote().call("wait").send::<()>();
        let start = runtime.now();
        assert_eq!(client.remote().call("stop").send().await, Ok("bye".to_owned()));
        assert_eq!(serving.await, Ok(()));
        assert_eq!(runtime.now() - start, Duration::from_secs(3));
        assert!(matches!(never.await, Err(Error::Lost(_))));
        // An address in use cannot be served.
        let _listener = rpc::builder(runtime.clone()).listen("tcp://here:5").await.expect("free");
        let taken = rpc::builder(runtime.clone()).serve("tcp://here:5").await;
        assert!(matches!(taken, Err(Error::Bind { .. })));
    });
    runtime.run();
}

/// Dropping the future ends the server, as dropping the server does.
#[test]
fn serving_ends_with_its_future() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let mut serving = Box::pin(rpc::builder(runtime.clone()).serve("tcp://here:5"));
        while runtime.tasks() == 0 {
            assert!(poll(&mut serving).is_pending());
        }
        let client = client(&runtime, "tcp://here:5").await;
        drop(serving);
        client.closed().await;
        let _server =
            rpc::builder(runtime.clone()).listen("tcp://here:5").await.expect("a free address");
    });
}

/// A server that calls a client's service cannot stop the client.
#[test]
fn a_client_is_not_stopped_by_its_server() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let server = rpc::builder(runtime.clone()).listen("tcp://here:5").await.expect("free");
        let client = rpc::builder(runtime.clone()).service(Root::default());
        let client = client.connect("tcp://here:5").await.expect("a listener");
        client.remote().call("none").send::<()>().await.expect_err("missing");
        let remote = server.clients()[0].remote();
        let error = remote.call("stop").send::<String>().await.expect_err("not permitted");
        assert!(error.to_string().contains("no container and no server"), "{error}");
        assert!(client.peer().state().open);
    });
}
