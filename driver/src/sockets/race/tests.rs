use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use super::*;

/// A clock in milliseconds, which a test advances.
#[derive(Clone)]
struct Time {
    start: Instant,
    passed: Arc<AtomicU64>,
}

impl Time {
    fn new() -> Self {
        Self { start: Instant::now(), passed: Arc::default() }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.passed.load(Ordering::Relaxed))
    }
}

struct Alarm(Time, Option<Instant>);

impl Timer for Alarm {
    fn set(&mut self, at: Instant) {
        self.1 = Some(at);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.1 {
            Some(at) if at <= self.0.now() => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

/// The outcome of an attempt, with its time in milliseconds; `None`: no outcome.
type End = Option<(u64, Result<(), ErrorKind>)>;

/// The starts of the attempts, and the outcome of the race with its time.
struct Ran {
    began: Vec<(SocketAddr, u64)>,
    ended: Option<(u64, Result<SocketAddr, io::Error>)>,
    /// The maximum number of pending attempts, and the number left at the end.
    most: usize,
    left: usize,
}

fn run(ends: &[(&str, End)]) -> Ran {
    let time = Time::new();
    let ends: Vec<(SocketAddr, End)> =
        ends.iter().map(|(address, end)| (address.parse().unwrap(), *end)).collect();
    let addresses = ends.iter().map(|(address, _)| *address).collect();
    let ends: BTreeMap<_, _> = ends.into_iter().collect();
    let began = RefCell::new(Vec::new());
    let (under_way, most) = (Rc::new(Cell::new(0)), Cell::new(0));
    struct Attempt(Rc<Cell<usize>>);
    impl Drop for Attempt {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let connect = |address: SocketAddr| {
        let since = time.passed.load(Ordering::Relaxed);
        began.borrow_mut().push((address, since));
        under_way.set(under_way.get() + 1);
        most.set(most.get().max(under_way.get()));
        let attempt = Attempt(under_way.clone());
        let (end, passed) = (ends[&address], time.passed.clone());
        poll_fn(move |_| {
            let _counted = &attempt;
            match end {
                Some((after, end)) if passed.load(Ordering::Relaxed) >= since + after => {
                    Poll::Ready(end.map(|()| address).map_err(io::Error::from))
                }
                _ => Poll::Pending,
            }
        })
    };
    let mut ended = None;
    {
        let alarm = Alarm(time.clone(), None);
        let mut race = pin!(race(|| time.now(), alarm, addresses, connect));
        for passed in 0..=5_000 {
            time.passed.store(passed, Ordering::Relaxed);
            if let Poll::Ready(end) = race.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                ended = Some((passed, end));
                break;
            }
        }
    }
    Ran { began: began.take(), ended, most: most.get(), left: under_way.get() }
}

fn winner(ran: &Ran) -> (u64, String) {
    let (after, end) = ran.ended.as_ref().expect("it ends");
    (*after, end.as_ref().expect("one is reached").to_string())
}

const REFUSED: End = Some((0, Err(ErrorKind::ConnectionRefused)));
const SILENT: End = None;

fn reached_after(milliseconds: u64) -> End {
    Some((milliseconds, Ok(())))
}

#[test]
fn an_address_that_swallows_packets_costs_a_quarter_of_a_second() {
    let ran = run(&[("127.0.0.2:7000", SILENT), ("127.0.0.3:7000", reached_after(3))]);
    assert_eq!(winner(&ran), (253, "127.0.0.3:7000".to_owned()));
    assert_eq!((ran.most, ran.left), (2, 0), "the other attempt has ended");
}

#[test]
fn an_address_that_refuses_costs_nothing() {
    let ran = run(&[("[::1]:1", REFUSED), ("127.0.0.1:1", REFUSED), ("[::2]:1", reached_after(0))]);
    assert_eq!(winner(&ran), (0, "[::2]:1".to_owned()));
    assert_eq!(ran.most, 1);
}

/// A pending attempt is not cancelled for a later one.
#[test]
fn a_slow_address_may_win() {
    let ran = run(&[("10.0.0.1:1", reached_after(400)), ("10.0.0.2:1", reached_after(400))]);
    assert_eq!(winner(&ran), (400, "10.0.0.1:1".to_owned()));
}

/// A failure starts the next attempt at once, while others are pending.
#[test]
fn attempts_begin_a_quarter_of_a_second_apart_or_after_a_failure() {
    let late = Some((400, Err(ErrorKind::HostUnreachable)));
    let ran = run(&[
        ("10.0.0.1:1", SILENT),
        ("10.0.0.2:1", late),
        ("10.0.0.3:1", SILENT),
        ("10.0.0.4:1", SILENT),
        ("10.0.0.5:1", reached_after(1)),
    ]);
    let began: Vec<_> = ran.began.iter().map(|(_, at)| *at).collect();
    assert_eq!(began, [0, 250, 500, 650, 900]);
    assert_eq!(winner(&ran), (901, "10.0.0.5:1".to_owned()));
    assert_eq!((ran.most, ran.left), (4, 0));
}

#[test]
fn families_alternate() {
    let ran = run(&[
        ("[::1]:1", REFUSED),
        ("[::2]:1", REFUSED),
        ("[::3]:1", REFUSED),
        ("10.0.0.1:1", REFUSED),
        ("10.0.0.2:1", REFUSED),
    ]);
    let order: Vec<_> = ran.began.iter().map(|(address, _)| address.to_string()).collect();
    assert_eq!(order, ["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"]);
}

#[test]
fn a_failure_names_every_address() {
    let text = |ends: &[(&str, End)]| match run(ends).ended {
        Some((_, Err(error))) => (error.kind(), error.to_string()),
        _ => panic!("none is reached"),
    };
    let one = text(&[("127.0.0.1:1", REFUSED)]);
    assert_eq!(one, (ErrorKind::ConnectionRefused, "connection refused".to_owned()));
    let unreachable = Some((7, Err(ErrorKind::NetworkUnreachable)));
    let two = text(&[("127.0.0.1:1", REFUSED), ("[::1]:1", unreachable)]);
    let expected = "127.0.0.1:1: connection refused; [::1]:1: network unreachable";
    assert_eq!(two, (ErrorKind::ConnectionRefused, expected.to_owned()));
    let many: Vec<_> = (1..=10).map(|number| format!("10.0.0.{number}:1")).collect();
    let many: Vec<_> = many.iter().map(|address| (&**address, unreachable)).collect();
    let (kind, text) = text(&many);
    assert_eq!(kind, ErrorKind::NetworkUnreachable);
    assert!(text.contains("10.0.0.8:1") && text.ends_with("; and 2 more"), "{text}");
    assert!(matches!(run(&[]).ended, Some((0, Err(_)))));
}
