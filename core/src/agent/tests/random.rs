//! Random inputs, compared with the records of a simple host.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Connect { to: usize, aid: usize, patience: RetryLimit },
    Abandon(usize),
    DialSucceeds(usize),
    DialFails(usize),
    LateDial(usize),
    Answer(usize, Result<bool, bool>),
    Accept,
    Close(usize),
    Pass(u64),
    Spurious(usize),
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let patience = prop_oneof![
        Just(RetryLimit::Once),
        (0_u64..4000).prop_map(|time| RetryLimit::Within(ms(time))),
        Just(RetryLimit::Forever),
    ];
    let index = any::<usize>;
    let answer = prop_oneof![
        4 => any::<bool>().prop_map(Ok),
        1 => any::<bool>().prop_map(Err),
    ];
    prop_oneof![
        12 => (0_usize..5, 0_usize..4, patience)
            .prop_map(|(to, aid, patience)| Step::Connect { to, aid, patience }),
        2 => index().prop_map(Step::Abandon),
        6 => index().prop_map(Step::DialSucceeds),
        3 => index().prop_map(Step::DialFails),
        1 => index().prop_map(Step::LateDial),
        8 => (index(), answer).prop_map(|(which, answer)| Step::Answer(which, answer)),
        1 => Just(Step::Accept),
        2 => index().prop_map(Step::Close),
        8 => (0_u64..3000).prop_map(Step::Pass),
        2 => index().prop_map(Step::Spurious),
        1 => (0_u8..8).prop_map(|n| if n == 0 { Step::Shutdown } else { Step::Accept }),
    ]
}

struct Waiting {
    url: AgentUrl,
    patience: RetryLimit,
    deadline: Option<Instant>,
}

/// A container's host that records the requests and the expected results.
struct Host {
    now: Instant,
    container: Container<u64>,
    next: u64,
    waiting: BTreeMap<ConnectId, (u64, Waiting)>,
    dials: BTreeMap<DialId, Address>,
    cancelled: Vec<DialId>,
    questions: BTreeMap<ValidateTicket, (ConnId, AgentUrl)>,
    /// Open connections; dialled ones have an address.
    open: BTreeMap<ConnId, Option<Address>>,
    closing: BTreeSet<ConnId>,
    /// The peers' agents, according to the latest answer.
    told: BTreeSet<(ConnId, AgentUrl)>,
    stopped: bool,
    trace: Vec<String>,
}

/// Returns the key of a map at a random position.
fn pick<K: Copy, V>(map: &BTreeMap<K, V>, which: usize) -> Option<K> {
    (!map.is_empty()).then(|| *map.keys().nth(which % map.len()).unwrap())
}

impl Host {
    fn new(now: Instant, seed: u64) -> Self {
        let config = ContainerConfig {
            max_agents: 2,
            max_waiters: 8,
            max_dialled: 3,
            max_known: 2,
            dial_timeout: ms(2000),
            validate_timeout: ms(2500),
            backoff: Backoff { first: ms(300), max: ms(1000), jitter_percent: 30 },
        };
        Self {
            now,
            container: Container::new(config, "local://0".parse().unwrap(), seed),
            next: 0,
            waiting: BTreeMap::new(),
            dials: BTreeMap::new(),
            cancelled: Vec::new(),
            questions: BTreeMap::new(),
            open: BTreeMap::new(),
            closing: BTreeSet::new(),
            told: BTreeSet::new(),
            stopped: false,
            trace: Vec::new(),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Connect { to, aid, patience } => {
                let url: AgentUrl = format!("local://{to}/{aid}").parse().unwrap();
                let ctx = self.number();
                let deadline = match patience {
                    RetryLimit::Within(time) => Some(now + time),
                    _ => None,
                };
                let id = self.container.connect(now, url.clone(), patience, ctx);
                self.waiting.insert(id, (ctx, Waiting { url, patience, deadline }));
            }
            Step::Abandon(which) => {
                if let Some(id) = pick(&self.waiting, which) {
                    let (ctx, _) = self.waiting.remove(&id).unwrap();
                    assert_eq!(self.container.cancel(id), Some(ctx));
                    assert_eq!(self.container.cancel(id), None);
                }
            }
            Step::DialSucceeds(which) => {
                if let Some(id) = pick(&self.dials, which) {
                    let address = self.dials.remove(&id).unwrap();
                    let conn = ConnId(self.number());
                    self.open.insert(conn, Some(address));
                    self.container.handle_dialled(now, id, Ok(conn));
                }
            }
            Step::DialFails(which) => {
                if let Some(id) = pick(&self.dials, which) {
                    self.dials.remove(&id);
                    self.container.handle_dialled(now, id, Err(refused()));
                }
            }
            Step::LateDial(which) => {
                if !self.cancelled.is_empty() {
                    let id = self.cancelled[which % self.cancelled.len()];
                    let conn = ConnId(self.number());
                    self.container.handle_dialled(now, id, Ok(conn));
                    assert_eq!(self.container.poll_action(), Some(Action::Close { conn }));
                }
            }
            Step::Answer(which, answer) => {
                if let Some(ticket) = pick(&self.questions, which) {
                    let (conn, url) = self.questions.remove(&ticket).unwrap();
                    let result = match answer {
                        Ok(true) => {
                            self.told.insert((conn, url));
                            Ok(Some("T".into()))
                        }
                        Ok(false) => Ok(None),
                        Err(true) => Err(ValidateError::Failed("no".into())),
                        Err(false) => Err(ValidateError::Lost("gone".into())),
                    };
                    self.container.handle_validated(now, conn, ticket, result);
                    if answer == Err(false) {
                        self.discard(conn);
                        self.container.handle_closed(now, conn, "gone");
                    }
                }
            }
            Step::Accept => {
                let conn = ConnId(self.number());
                let result = self.container.handle_accepted(now, conn);
                let ready = !self.container.is_shut_down();
                assert_eq!(result.is_ok(), ready);
                if ready {
                    self.open.insert(conn, None);
                }
            }
            Step::Close(which) => {
                if let Some(conn) = pick(&self.open, which) {
                    self.discard(conn);
                    self.container.handle_closed(now, conn, "closed");
                }
            }
            Step::Pass(time) => self.pass(ms(time)),
            Step::Spurious(which) => {
                let number = (which % 50) as u64;
                if self.container.poll_timeout().is_none_or(|due| due > now) {
                    self.container.handle_timeout(now.checked_sub(ms(1000)).unwrap());
                }
                self.container.handle_closed(now, ConnId(1_000_000), "what?");
                if !self.dials.contains_key(&DialId(number)) {
                    self.container.handle_dialled(now, DialId(number), Err(refused()));
                }
                let ticket = ValidateTicket(number);
                self.container.handle_validated(now, ConnId(1_000_000), ticket, Ok(None));
                assert_eq!(self.container.poll_action(), None);
                assert_eq!(self.container.poll_event(), None);
            }
            Step::Shutdown => self.container.shutdown(now),
        }
        self.drain();
    }

    /// Passes time, and calls the container exactly at its timeouts.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.container.poll_timeout().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.container.handle_timeout(due);
            self.drain();
            assert!(self.container.poll_timeout().is_none_or(|next| next > self.now));
        }
        self.now = end;
        self.container.handle_timeout(end);
        assert_eq!(self.container.poll_action(), None, "nothing was due");
        assert_eq!(self.container.poll_event(), None, "nothing was due");
    }

    fn discard(&mut self, conn: ConnId) {
        self.open.remove(&conn);
        self.closing.remove(&conn);
        self.questions.retain(|_, question| question.0 != conn);
        self.told.retain(|told| told.0 != conn);
    }

    fn drain(&mut self) {
        while let Some(action) = self.container.poll_action() {
            self.trace.push(format!("{action:?}"));
            match action {
                Action::Dial { id, address } => {
                    assert!(!self.dials.values().any(|other| *other == address), "two dials");
                    let known = self.open.values().any(|other| other.as_ref() == Some(&address));
                    assert!(!known, "there is a connection");
                    self.dials.insert(id, address);
                    assert!(self.dials.len() <= 3);
                }
                Action::CancelDial { id } => {
                    assert!(self.dials.remove(&id).is_some());
                    self.cancelled.push(id);
                }
                Action::Validate { conn, aid, ticket } => {
                    let address = self.open[&conn].clone().unwrap();
                    self.questions.insert(ticket, (conn, AgentUrl::new(address, aid)));
                }
                Action::CancelValidate { conn, ticket } => {
                    let (asked, _) = self.questions.remove(&ticket).expect("a question");
                    assert_eq!(asked, conn);
                }
                Action::Close { conn } => {
                    assert!(self.container.is_shut_down() && self.open.contains_key(&conn));
                    assert!(self.closing.insert(conn), "closed twice");
                }
            }
        }
        while let Some(event) = self.container.poll_event() {
            self.trace.push(format!("{event:?}"));
            match event {
                ContainerEvent::Connected { id, ctx, remote } => {
                    let (expected, waiting) = self.waiting.remove(&id).expect("ended twice");
                    assert_eq!((ctx, &remote.url), (expected, &waiting.url));
                    match remote.route {
                        Route::Connection(conn) => {
                            assert!(self.told.contains(&(conn, remote.url)));
                        }
                        Route::Local => panic!("there are no agents here"),
                    }
                }
                ContainerEvent::Failed { id, ctx, error } => {
                    let (expected, waiting) = self.waiting.remove(&id).expect("ended twice");
                    assert_eq!(ctx, expected);
                    self.check(&waiting, &error);
                }
                ContainerEvent::Stopped => {
                    assert!(!self.stopped && self.open.is_empty());
                    self.stopped = true;
                }
            }
        }
        for (_, waiting) in self.waiting.values() {
            self.is_served(waiting);
        }
        assert!(self.waiting.len() <= 8);
        assert_eq!(self.stopped, self.container.is_shut_down() && self.open.is_empty());
    }

    /// Only waiters with an expired limit receive failures, and not before their time.
    fn check(&self, waiting: &Waiting, error: &ConnectError) {
        let over = match waiting.patience {
            RetryLimit::Once => true,
            RetryLimit::Within(_) => waiting.deadline.is_some_and(|deadline| deadline <= self.now),
            RetryLimit::Forever => false,
        };
        match error {
            ConnectError::Unreachable { .. }
            | ConnectError::TimedOut { .. }
            | ConnectError::Lost { .. } => assert!(over),
            ConnectError::NoSuchAgent { url } | ConnectError::NotValidated { url, .. } => {
                assert_eq!(url, &waiting.url);
            }
            ConnectError::WrongType { .. } => panic!("only a reconnecting proxy compares types"),
            ConnectError::Refused(_) => {}
        }
    }

    /// Every waiter waits for an action or a timeout.
    fn is_served(&self, waiting: &Waiting) {
        let address = waiting.url.address();
        let timeout = self.container.poll_timeout();
        let dialling = self.dials.values().any(|dial| dial == address);
        let asking = self.questions.values().any(|(_, url)| *url == waiting.url);
        let pausing = timeout.is_some() && waiting.patience != RetryLimit::Once;
        assert!(dialling || asking || pausing, "{:?} hangs", waiting.url);
        let deadline = waiting.deadline;
        assert!(deadline.is_none_or(|deadline| timeout.is_some_and(|next| next <= deadline)));
    }

    /// All peers come up and answer: no waiter is left.
    fn settle(&mut self) {
        let zero = 0;
        for _ in 0..15 {
            while !self.dials.is_empty() {
                self.step(Step::DialSucceeds(zero));
            }
            while !self.questions.is_empty() {
                self.step(Step::Answer(zero, Ok(true)));
            }
            self.pass(ms(100));
        }
        assert!(self.waiting.is_empty());
        assert_eq!(self.container.poll_timeout(), None);
        self.step(Step::Shutdown);
        while !self.open.is_empty() {
            self.step(Step::Close(zero));
        }
        assert!(self.stopped);
    }
}

fn run(now: Instant, seed: u64, steps: &[Step]) -> Vec<String> {
    let mut host = Host::new(now, seed);
    for step in steps {
        host.step(step.clone());
    }
    host.settle();
    host.trace
}

proptest! {
    #[test]
    fn every_connect_ends_once(seed: u64, steps in prop::collection::vec(step(), 0..120)) {
        let now = start() + ms(10_000);
        prop_assert_eq!(run(now, seed, &steps), run(now, seed, &steps));
    }
}
