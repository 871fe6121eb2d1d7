use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, PoisonError};
use std::task::Wake;

use super::*;

/// Lookups that a test releases.
#[derive(Default)]
struct Slow {
    state: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Default)]
struct Asked {
    names: Vec<String>,
    under_way: usize,
    most: usize,
    may_end: usize,
}

impl Slow {
    fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let mut asked = self.state.lock().unwrap();
        asked.names.push(host.to_owned());
        asked.under_way += 1;
        asked.most = asked.most.max(asked.under_way);
        self.changed.notify_all();
        while asked.may_end == 0 {
            asked = self.changed.wait(asked).unwrap_or_else(PoisonError::into_inner);
        }
        asked.may_end -= 1;
        asked.under_way -= 1;
        drop(asked);
        match host {
            "unknown" => Err(io::Error::new(ErrorKind::NotFound, "no such name")),
            "panics" => panic!("on purpose"),
            _ => Ok(vec!["10.0.0.1:0".parse().unwrap()]),
        }
    }

    fn let_end(&self, count: usize) {
        self.state.lock().unwrap().may_end += count;
        self.changed.notify_all();
    }

    /// Waits until `count` lookups are pending.
    fn wait_for(&self, count: usize) {
        let mut asked = self.state.lock().unwrap();
        while asked.under_way != count {
            asked = self.changed.wait(asked).unwrap();
        }
    }
}

fn resolver(max_threads: usize) -> (&'static Resolver, &'static Slow) {
    let slow: &'static Slow = Box::leak(Box::default());
    let lookup: &'static Lookup = Box::leak(Box::new(|host: &str| slow.lookup(host)));
    (Box::leak(Box::new(Resolver::new(max_threads, lookup))), slow)
}

struct Unpark(thread::Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Arc::new(Unpark(thread::current(), AtomicUsize::new(0))).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_result_comes_from_another_thread() {
    let (resolver, slow) = resolver(1);
    slow.let_end(3);
    let found = block_on(resolver.look_up("house".into())).unwrap();
    assert_eq!(found, ["10.0.0.1:0".parse().unwrap()]);
    let error = block_on(resolver.look_up("unknown".into())).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, "no such name".into()));
    let error = block_on(resolver.look_up("panics".into())).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[test]
fn no_more_threads_than_the_limit() {
    let (resolver, slow) = resolver(3);
    let waits: Vec<_> = (0..100).map(|n| resolver.look_up(format!("host{n}").into())).collect();
    slow.wait_for(3);
    assert_eq!(lock(&resolver.state).threads, 3);
    slow.let_end(100);
    for wait in waits {
        block_on(wait).unwrap();
    }
    assert_eq!(slow.state.lock().unwrap().most, 3);
}

#[test]
fn tasks_share_the_lookup_of_a_name() {
    let (resolver, slow) = resolver(8);
    let waits: Vec<_> = (0..100).map(|_| resolver.look_up("house".into())).collect();
    slow.let_end(1);
    for wait in waits {
        block_on(wait).unwrap();
    }
    assert_eq!(slow.state.lock().unwrap().names, ["house"]);
}

/// A thousand cancelled tasks leave no name and no result.
#[test]
fn nothing_is_kept_for_tasks_that_are_gone() {
    let (resolver, slow) = resolver(1);
    let first = resolver.look_up("first".into());
    slow.wait_for(1);
    for number in 0..1000 {
        let mut gone = resolver.look_up(format!("host{number}").into());
        let again = resolver.look_up("first".into());
        let polled = Pin::new(&mut gone).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop((gone, again));
    }
    {
        let state = lock(&resolver.state);
        assert_eq!((state.queue.len(), state.names.len(), state.results.len()), (0, 1, 0));
        assert_eq!(state.names["first"].waiters.len(), 1);
    }
    let last = resolver.look_up("last".into());
    // A thread has taken the name, and continues for the next task.
    drop(first);
    let again = resolver.look_up("first".into());
    slow.let_end(2);
    block_on(again).unwrap();
    block_on(last).unwrap();
    assert_eq!(slow.state.lock().unwrap().names, ["first", "last"]);
    let state = lock(&resolver.state);
    assert_eq!((state.queue.len(), state.names.len(), state.results.len()), (0, 0, 0));
}

#[test]
fn ip_addresses_are_not_looked_up() {
    let found = block_on(resolve("::1".into(), 7)).unwrap();
    assert_eq!(found, ["[::1]:7".parse().unwrap()]);
    let found = block_on(resolve("127.0.0.1".into(), 7)).unwrap();
    assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
    // RFC 6761: the name exists nowhere.
    assert!(block_on(resolve("nowhere.invalid".into(), 7)).is_err());
}

#[test]
fn names_that_lead_to_this_machine_only() {
    let disguised = |host, ips: &[&str]| {
        let found: Vec<_> = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 7)).collect();
        is_loopback_in_disguise(host, &found).map(|ip| ip.to_string())
    };
    assert_eq!(disguised("house", &["127.0.1.1"]).as_deref(), Some("127.0.1.1"));
    assert_eq!(disguised("house.example", &["::1", "127.0.0.1"]).as_deref(), Some("::1"));
    assert_eq!(disguised("house", &["::ffff:127.0.0.1"]).as_deref(), Some("::ffff:127.0.0.1"));
    for (host, ips) in [
        ("house", &["127.0.1.1", "10.0.0.1"][..]),
        ("house", &["10.0.0.1"]),
        ("localhost", &["::1", "127.0.0.1"]),
        ("LOCALHOST.", &["127.0.0.1"]),
        ("api.localhost", &["127.0.0.1"]),
        ("localhost.localdomain", &["127.0.0.1"]),
        ("ip6-localhost", &["::1"]),
        ("127.0.1.1", &["127.0.1.1"]),
        ("house", &[]),
    ] {
        assert_eq!(disguised(host, ips), None, "{host}");
    }
}
