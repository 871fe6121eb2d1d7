//! Tasks that methods start.

use std::sync::{Arc, Mutex};

use aiomas::Runtime;
use aiomas::{Context, Error, Proxy, agent, service};

use super::{TCP, oneshot, soon};

/// A callback for one value.
type Tell<T> = Arc<Mutex<Option<Box<dyn FnOnce(T) + Send>>>>;

fn once<T>(tell: impl FnOnce(T) + Send + 'static) -> Tell<T> {
    Arc::new(Mutex::new(Some(Box::new(tell))))
}

fn say<T>(tell: &Tell<T>, value: T) {
    let tell = tell.lock().expect("no panic under the lock").take();
    tell.expect("one call")(value);
}

/// Counts sold items.
struct Shop(u32);

#[agent]
impl Shop {
    /// Delivers in a task after the answer. A panic of another task does not affect it.
    #[expose]
    fn buy(&mut self, buyer: Proxy, #[context] ctx: &Context) -> Result<f64, Error> {
        let (clock, me) = (ctx.clock()?, ShopProxy::from(ctx.agent()?));
        let now = clock.time();
        self.0 += 7;
        ctx.spawn(async { panic!("on purpose") })?;
        ctx.spawn(async move {
            clock.sleep(0.02).await.expect("a time");
            // The agent is free meanwhile.
            let number = me.sold().await.expect("present");
            buyer.call("deliver").arg(number).arg(clock.time()).send::<()>().await.expect("told");
        })?;
        Ok(now)
    }

    #[expose]
    fn sold(&mut self) -> u32 {
        std::mem::take(&mut self.0)
    }
}

struct Buyer(Tell<(u32, f64)>);

#[agent]
impl Buyer {
    #[expose]
    fn deliver(&self, number: u32, time: f64) {
        say(&self.0, (number, time));
    }
}

struct Counter(Tell<u32>);

#[service]
impl Counter {
    #[expose]
    fn count(&self, #[context] ctx: &Context) -> Result<(), Error> {
        let tell = self.0.clone();
        ctx.spawn(async move { say(&tell, 1) })
    }
}

/// Tasks of agents, of services without a container, and of containers.
pub async fn tasks_continue_after_their_call<R: Runtime>(runtime: R) {
    let home = aiomas::container::bind(runtime.clone(), TCP).await.expect("bound");
    let shop = home.spawn(Shop(0)).expect("room");
    let other = aiomas::container::bind(runtime.clone(), TCP).await.expect("bound");
    let remote: ShopProxy = soon(&runtime, other.connect(shop.url())).await.expect("there");
    for (container, shop) in [(&other, remote), (&home, shop.proxy())] {
        let (tell, told) = oneshot();
        let buyer = container.spawn(Buyer(once(tell))).expect("room");
        let bought = soon(&runtime, shop.buy(buyer.proxy().into())).await.expect("bought");
        let (number, delivered) = soon(&runtime, told).await;
        assert_eq!(number, 7);
        assert!(delivered >= bought + 0.019, "{delivered} {bought}");
    }

    let (tell, told) = oneshot();
    let counter = Counter(once(tell));
    let server = aiomas::rpc::builder(runtime.clone()).service(counter).listen(TCP).await;
    let server = server.expect("a listener");
    let client = aiomas::rpc::builder(runtime.clone()).connect(server.address()).await;
    let client = client.expect("a connection");
    soon(&runtime, client.remote().call("count").send::<()>()).await.expect("counted");
    assert_eq!(soon(&runtime, told).await, 1);

    let (tell, told) = oneshot();
    home.spawn_task(async { panic!("on purpose") });
    home.spawn_task(async move { tell(()) });
    soon(&runtime, told).await;
}
