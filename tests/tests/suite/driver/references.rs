//! References to agents as arguments and results, and the connections they may be sent over.

use aiomas::agent;
use aiomas::{AgentRef, Context, Error, Proxy};
use aiomas::{Container, container};
use aiomas_core::connection::CallRejected;
use aiomas_core::rpc::ServiceDict;
use aiomas_core::wire::{Body, CodecContext, CodecError, Format, RemoteError, Types, Value};
use aiomas_tests::scripted_runtime::ScriptedRuntime;

/// An agent with a name.
struct Device(&'static str);

#[agent]
impl Device {
    #[expose]
    fn name(&self) -> String {
        self.0.into()
    }
}

/// Keeps devices, and returns a local and a foreign one.
#[derive(Default)]
struct Registry {
    kept: Vec<DeviceProxy>,
    foreign: Option<Proxy>,
}

#[agent]
impl Registry {
    #[expose]
    fn keep(&mut self, device: DeviceProxy) {
        self.kept.push(device);
    }

    #[expose]
    async fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for device in &self.kept {
            names.push(device.name().await?);
        }
        Ok(names)
    }

    #[expose]
    fn foreign(&self) -> Option<Proxy> {
        self.foreign.clone()
    }

    #[expose]
    fn own(&self, #[context] context: &Context) -> Result<Proxy, Error> {
        context.agent()
    }
}

async fn bind(runtime: &ScriptedRuntime, address: &str) -> Container {
    container::bind(runtime.clone(), address).await.expect("the address is free")
}

/// Containers of one process: `plant` with a valve, and `office` with a coffee machine of the same
/// number.
struct Town {
    plant: Container,
    valve: AgentRef<Device>,
    office: Container,
    coffee: AgentRef<Device>,
}

async fn town(runtime: &ScriptedRuntime) -> Town {
    let (plant, office) =
        (bind(runtime, "tcp://plant:1").await, bind(runtime, "tcp://office:1").await);
    let valve = plant.spawn(Device("the main valve")).expect("room");
    let coffee = office.spawn(Device("the coffee machine")).expect("room");
    Town { plant, valve, office, coffee }
}

/// Returns whether a call was rejected because `agent` does not belong to the sender.
fn is_foreign<T>(result: &Result<T, Error>, agent: &str, sender: Option<&str>) -> bool {
    let Err(Error::Refused(CallRejected::Codec(error))) = result else { return false };
    let text = error.to_string();
    assert!(text.contains("send its URL") && text.contains(agent), "{text}");
    assert!(text.contains(sender.unwrap_or("no container")), "{text}");
    matches!(error, CodecError::ForeignAgent { .. })
}

/// A path names an agent of the container that sends it.
#[test]
fn an_agent_of_another_container_is_not_sent_as_ones_own() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let head = bind(&runtime, "tcp://head:1").await;
        let registry = head.spawn(Registry::default()).expect("room");
        let Town { plant, valve, coffee, .. } = town(&runtime).await;
        let remote: RegistryProxy = plant.connect(registry.url()).await.expect("an existing agent");
        let line: RegistryProxy = plant
            .connect(registry.url())
            .reconnect(std::time::Duration::from_secs(1))
            .await
            .expect("present");
        let (url, sender) = ("tcp://office:1/0", Some("tcp://plant:1"));
        assert!(is_foreign(&remote.keep(coffee.proxy()).await, url, sender));
        assert!(is_foreign(&line.keep(coffee.proxy()).await, url, sender));
        let dynamic = Proxy::from(remote.clone());
        let keep = |argument: &dyn erased::Argument| argument.keep(&dynamic);
        assert!(is_foreign(&keep(&coffee).await, url, sender), "as an `AgentRef`");
        assert!(is_foreign(&keep(&vec![coffee.proxy()]).await, url, sender), "within others");
        assert!(is_foreign(&keep(&Proxy::from(coffee.proxy()).get("part")).await, url, sender));
        let by_name = dynamic.call("keep").kwarg("device", coffee.proxy()).send::<()>();
        assert!(is_foreign(&by_name.await, url, sender), "as a keyword argument");
        // The sender's own agent is valid on any connection.
        assert_eq!(remote.keep(valve.proxy()).await, Ok(()));
        assert_eq!(keep(&valve).await, Ok(()));
        assert_eq!(remote.names().await, Ok(vec!["the main valve".to_owned(); 2]));
    });
}

/// Arguments of different types.
mod erased {
    use aiomas::{Call, Proxy};
    use serde::Serialize;

    pub(super) trait Argument {
        fn keep(&self, registry: &Proxy) -> Call<()>;
    }

    impl<T: Serialize> Argument for T {
        fn keep(&self, registry: &Proxy) -> Call<()> {
            registry.invoke("keep", &(self,), &())
        }
    }
}

/// The same between agents of one container, and in answers.
#[test]
fn no_foreign_agent_is_sent_within_a_container_or_as_a_result() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let Town { plant, office, coffee, valve } = town(&runtime).await;
        let foreign = Some(Proxy::from(coffee.proxy()));
        let registry = plant.spawn(Registry { foreign, ..Registry::default() });
        let registry = registry.expect("room");
        let local: RegistryProxy = registry.proxy();
        assert!(is_foreign(
            &local.keep(coffee.proxy()).await,
            "tcp://office:1/0",
            Some("tcp://plant:1")
        ));
        assert_eq!(local.keep(valve.proxy()).await, Ok(()));
        assert_eq!(local.names().await, Ok(vec!["the main valve".to_owned()]));
        let remote: RegistryProxy =
            office.connect(registry.url()).await.expect("an existing agent");
        for registry in [local, remote] {
            match registry.foreign().await {
                Err(Error::Remote(error)) => {
                    assert!(error.kind().ends_with("SerializationError"), "{error}");
                    assert!(error.text().contains("tcp://office:1/0"), "{error}");
                }
                other => panic!("{other:?}"),
            }
            assert!(registry.own().await.is_ok());
        }
    });
}

/// References to an ended container are not valid for its successor at the same address.
#[test]
fn an_agent_of_an_earlier_container_at_the_same_address_is_not_sent() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let head = bind(&runtime, "tcp://head:1").await;
        let registry = head.spawn(Registry::default()).expect("room");
        let Town { office, coffee, .. } = town(&runtime).await;
        let earlier: DeviceProxy = coffee.proxy();
        office.shutdown().await.expect("a clean end");
        let office = bind(&runtime, "tcp://office:1").await;
        office.spawn(Device("the safe")).expect("room");
        let remote: RegistryProxy =
            office.connect(registry.url()).await.expect("an existing agent");
        let url = "tcp://office:1/0";
        assert!(is_foreign(&remote.keep(earlier).await, url, Some("tcp://office:1")));
        // The number of a removed agent is not reused.
        let removed = office.spawn(Device("a lamp")).expect("room");
        assert!(removed.remove());
        office.spawn(Device("a door")).expect("room");
        assert_eq!(remote.keep(removed.proxy()).await, Ok(()));
        assert!(matches!(remote.names().await, Err(Error::Remote(_))));
    });
}

/// An RPC connection serves its root service, which has no agents.
#[test]
fn no_agent_is_sent_over_an_rpc_connection() {
    let runtime = ScriptedRuntime::default();
    runtime.block_on(async {
        let Town { coffee, .. } = town(&runtime).await;
        let keep = ServiceDict::new("Desk")
            .async_function("keep", ["device"], |_: Proxy| async { Ok::<_, RemoteError>(()) });
        let server = aiomas::rpc::builder(runtime.clone()).service(keep).listen("tcp://desk:1");
        let server = server.await.expect("a listener");
        let client = aiomas::rpc::builder(runtime.clone()).connect(server.address()).await;
        let client = client.expect("a listener");
        let sent = client.remote().call("keep").arg(coffee.proxy()).send::<()>();
        assert!(is_foreign(&sent.await, "tcp://office:1/0", None));
        // Nor in content without a known connection.
        let codec_context =
            CodecContext::new(Types::default().for_container(), CodecContext::default().budget());
        let encoded = Body::encode(Format::Json, &codec_context, &coffee);
        assert!(matches!(encoded, Err(CodecError::ForeignAgent { .. })), "{encoded:?}");
        let value = Value::encode(&codec_context, &coffee);
        assert!(value.is_err(), "{value:?}");
    });
}
