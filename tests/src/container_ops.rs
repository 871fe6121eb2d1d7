//! A world of containers under random operations, with a model of the results.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aiomas_core::agent::{
    Address, AgentUrl, ConnectError, ConnectId, ContainerError, NodeCall, NodeConfig, NodeEvent,
    Remote, RetryLimit, Route, Target,
};
use aiomas_core::connection::{
    CallError, CallOptions, CallRejected, Close, Config, Negotiate, Refused,
};
use aiomas_core::rpc::ServiceRef;
use aiomas_core::wire::{Codec, Payload};

use crate::connection_ops::ScriptedRuntime;
use crate::pair::{Cut, Cuts};
use crate::world::{Context, Dials, Site, World};

const SITES: usize = 3;
const AGENTS: usize = 2;

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of all bytes and events.
    pub trace: u64,
    /// The virtual time of the run.
    pub elapsed: Duration,
    /// The numbers of successful and failed connects.
    pub connects: [usize; 2],
    /// The numbers of calls that succeeded, failed at the agent, timed out, and were lost.
    pub calls: [usize; 4],
}

/// Runs the operations of `script` in a world. Checks that every connect and every call ends once,
/// with a permitted result, and that nothing remains. A [`varied`](World::varied) run has the same
/// outcome.
///
/// # Panics
/// A check fails.
#[must_use]
pub fn run(script: &[u8], varied: bool) -> Outcome {
    let mut script = ScriptedRuntime::new(script);
    let mut model = Model::new(&mut script);
    model.world.varied = varied;
    while !script.is_over() {
        model.operate(&mut script);
        model.check();
    }
    model.settle();
    model.shut_down(&mut script);
    Outcome { trace: model.world.trace(), elapsed: model.world.elapsed(), ..model.outcome }
}

#[derive(Debug)]
struct Connecting {
    site: usize,
    id: ConnectId,
    url: AgentUrl,
    patience: RetryLimit,
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Calling {
    site: usize,
    call: NodeCall,
    method: &'static str,
    route: Route,
    deadline: Option<Instant>,
}

struct Model {
    world: World,
    next: u64,
    connects: BTreeMap<u64, Connecting>,
    calls: BTreeMap<u64, Calling>,
    /// Agents found, with the sites that found them.
    found: Vec<(usize, Remote)>,
    /// Calls that have ended.
    over: Vec<(usize, NodeCall)>,
    /// Lost calls, with the route of each.
    lost: Vec<(usize, Route)>,
    shut_down: [bool; SITES],
    /// Sites on which a connection was closed locally; they refuse requests.
    closing: [bool; SITES],
    most_agents: [usize; SITES],
    outcome: Outcome,
}

fn config(script: &mut ScriptedRuntime<'_>) -> NodeConfig {
    let mut config = Site::short_times();
    let setup = script.byte();
    let connection = Config::new(if setup & 1 == 0 { Codec::Json } else { Codec::MsgPack });
    config.connection.negotiate = connection.negotiate;
    if setup & 2 != 0 {
        let offer = vec![Codec::MsgPack, Codec::Json];
        config.connection.negotiate = Negotiate::Hello { base: Codec::Json, offer };
    }
    config
}

impl Model {
    fn new(script: &mut ScriptedRuntime<'_>) -> Self {
        let mut world = World::new(SITES, AGENTS, &config(script));
        world.latency = Duration::from_millis(script.below(40) as u64);
        world.late_dials = script.flag();
        world.cuts = match script.byte() {
            0 => Cuts::Whole,
            seed => Cuts::Seed(seed.into()),
        };
        Self {
            world,
            next: 0,
            connects: BTreeMap::new(),
            calls: BTreeMap::new(),
            found: Vec::new(),
            over: Vec::new(),
            lost: Vec::new(),
            shut_down: [false; SITES],
            closing: [false; SITES],
            most_agents: [AGENTS; SITES],
            outcome: Outcome::default(),
        }
    }

    fn operate(&mut self, script: &mut ScriptedRuntime<'_>) {
        let (site, now) = (script.below(SITES), self.world.now());
        match script.byte() % 32 {
            0..7 => {
                let url = self.world.url(script.below(SITES), script.below(AGENTS + 1));
                let patience = match script.byte() % 4 {
                    0 | 1 => RetryLimit::Once,
                    2 => RetryLimit::Within(8 * script.millis()),
                    _ => RetryLimit::Forever,
                };
                self.connect(site, url, patience);
            }
            7 => {
                let nth = script.below(4);
                let Some((&ctx, _)) = self.connects.iter().nth_back(nth) else { return };
                self.cancel_connect(ctx);
            }
            8..18 => self.call(script),
            18 => {
                let nth = script.below(4);
                let Some((&ctx, _)) = self.calls.iter().nth_back(nth) else { return };
                let Calling { site, call, .. } = self.calls.remove(&ctx).expect("a call");
                let now = self.world.now();
                let context = self.world.sites[site].node.cancel(now, call);
                assert!(matches!(context, Some(Context::Test(same)) if same == ctx), "T4");
                self.over.push((site, call));
            }
            19 => {
                if let Some((site, call)) = self.over.iter().rev().nth(script.below(8)) {
                    let (now, node) = (self.world.now(), &mut self.world.sites[*site].node);
                    assert!(node.cancel(now, *call).is_none(), "T4");
                }
            }
            20..26 => self.world.run_for(script.millis()),
            26 => self.world.sites[site].answer_held(now),
            27 => {
                let how = if script.flag() { Cut::Eof } else { Cut::Reset };
                self.world.cut(script.below(6), how);
            }
            28 => self.world.set_partition(site, script.below(SITES), script.flag()),
            29 => {
                let dials = [Dials::Accepted, Dials::Refused, Dials::Silent];
                self.world.sites[site].dials = dials[script.below(3)];
            }
            30 => match script.byte() % 4 {
                0 => self.restart(site),
                1 if script.below(3) == 0 => self.shut(site, close(script)),
                2 if self.world.sites[site].agents < 4 && !self.shut_down[site] => {
                    self.world.sites[site].spawn(1);
                    let agents = self.world.sites[site].agents;
                    self.most_agents[site] = self.most_agents[site].max(agents);
                }
                _ => {}
            },
            _ => {
                let how = close(script);
                let Some(conn) = self.world.connections(site).nth(script.below(4)) else { return };
                self.closing[site] = true;
                self.world.sites[site].node.close(now, conn, how);
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn connect(&mut self, site: usize, url: AgentUrl, patience: RetryLimit) {
        let (ctx, now) = (self.number(), self.world.now());
        let deadline = match patience {
            RetryLimit::Within(time) => Some(now + time),
            _ => None,
        };
        let node = &mut self.world.sites[site].node;
        let id = node.connect(now, url.clone(), patience, Context::Test(ctx));
        self.connects.insert(ctx, Connecting { site, id, url, patience, deadline });
    }

    fn cancel_connect(&mut self, ctx: u64) {
        let Connecting { site, id, .. } = self.connects[&ctx];
        match self.world.sites[site].node.cancel_connect(id) {
            Some(Context::Test(same)) => {
                assert_eq!(same, ctx);
                self.connects.remove(&ctx);
            }
            Some(Context::Relay { .. }) => panic!("the context of another connect"),
            // Its event is still to be polled.
            None => {}
        }
    }

    fn call(&mut self, script: &mut ScriptedRuntime<'_>) {
        let Some(nth) = self.found.len().checked_sub(1 + script.below(6)) else { return };
        let (site, remote) = self.found[nth].clone();
        let (ctx, now) = (self.number(), self.world.now());
        let timeout = (script.below(4) == 0).then(|| script.millis());
        let options = timeout.map(CallOptions::timeout).unwrap_or_default();
        let target = Target::from(&remote);
        let (other, delay) = (script.below(SITES), u64::from(script.byte()));
        let (url, reference) = (self.world.url(other, 0), ServiceRef::new("agents/0"));
        let node = &mut self.world.sites[site].node;
        const METHODS: [&str; 12] = [
            "echo",
            "fail",
            "later",
            "later",
            "hold",
            "alone",
            "alone",
            "hold_alone",
            "relay",
            "back",
            "back",
            "set",
        ];
        // The other agents call the first ones. With exclusive calls to those as well, two calls
        // could wait for each other.
        let methods = if remote.url.aid() == "0" { &METHODS[..5] } else { &METHODS[..] };
        let method = methods[script.below(methods.len())];
        let test = Context::Test(ctx);
        let called = match method {
            "later" | "alone" => node.call(now, &target, method, &(ctx, delay), &(), options, test),
            "relay" => {
                let url = url.to_string();
                node.call(now, &target, method, &(ctx, url), &(), options, test)
            }
            "back" => node.call(now, &target, method, &(ctx, reference), &(), options, test),
            _ => node.call(now, &target, method, &(ctx,), &(), options, test),
        };
        match called {
            Ok(call) => {
                let deadline = timeout.map(|timeout| now + timeout);
                let route = remote.route;
                self.calls.insert(ctx, Calling { site, call, method, route, deadline });
            }
            Err(Refused { why, ctx: Context::Test(same), .. }) => {
                assert_eq!((why, same), (CallRejected::Closed, ctx));
                self.found.remove(nth);
                self.lost.push((site, remote.route));
            }
            Err(refused) => panic!("the context of another call: {refused:?}"),
        }
    }

    /// A restart clears the state of a site.
    fn restart(&mut self, site: usize) {
        self.check();
        self.world.restart(site);
        self.connects.retain(|_, connecting| connecting.site != site);
        self.calls.retain(|_, calling| calling.site != site);
        self.found.retain(|(from, _)| *from != site);
        self.over.retain(|(from, _)| *from != site);
        self.lost.retain(|(from, _)| *from != site);
        self.shut_down[site] = false;
    }

    fn shut(&mut self, site: usize, how: Close) {
        let now = self.world.now();
        self.world.sites[site].node.shutdown(now, how);
        self.shut_down[site] = true;
        self.closing[site] = true;
    }

    /// Checks the events so far.
    fn check(&mut self) {
        // Completes pending work.
        self.world.run_for(Duration::ZERO);
        for site in 0..SITES {
            for (at, event) in std::mem::take(&mut self.world.sites[site].events) {
                self.take(site, at, event);
            }
            // A connection whose peer has ended it may still be needed for answers.
            let node = &self.world.sites[site].node;
            let live = self.world.dialled(site).filter(|(conn, _)| node.wants_read(*conn));
            let mut addresses: Vec<&Address> = live.map(|(_, to)| to).collect();
            addresses.sort();
            let doubles = addresses.windows(2).any(|pair| pair[0] == pair[1]);
            // A connection that is being closed may still be present.
            assert!(!doubles || self.closing[site], "two connections to one address");
        }
    }

    fn take(&mut self, site: usize, at: Instant, event: NodeEvent<Context, crate::world::Later>) {
        match event {
            NodeEvent::Connected { ctx: Context::Test(ctx), remote } => {
                let connecting = self.connects.remove(&ctx).expect("a connect that ended twice");
                assert_eq!((site, &remote.url), (connecting.site, &connecting.url));
                assert_eq!(&*remote.type_name, "TestAgent");
                let to = self.site_of(&remote.url);
                assert_eq!(remote.route == Route::Local, to == site);
                let aid: usize = remote.url.aid().parse().expect("a number");
                assert!(aid < self.most_agents[to], "the agent did not exist");
                self.found.push((site, remote));
                self.outcome.connects[0] += 1;
            }
            NodeEvent::ConnectFailed { ctx: Context::Test(ctx), error } => {
                let connecting = self.connects.remove(&ctx).expect("a connect that ended twice");
                assert_eq!(site, connecting.site);
                self.check_failed(&connecting, at, &error);
                self.outcome.connects[1] += 1;
            }
            NodeEvent::Answer { ctx: Context::Test(ctx), result } => {
                let calling = self.calls.remove(&ctx).expect("a call that ended twice");
                assert_eq!(site, calling.site);
                self.check_answer(&calling, ctx, at, &result);
                self.over.push((site, calling.call));
            }
            event => panic!("an unexpected event: {event:?}"),
        }
    }

    fn site_of(&self, url: &AgentUrl) -> usize {
        let found = self.world.sites.iter().position(|site| site.address == *url.address());
        found.expect("a site")
    }

    fn check_failed(&self, connecting: &Connecting, at: Instant, error: &ConnectError) {
        let to = self.site_of(&connecting.url);
        match error {
            ConnectError::NoSuchAgent { url } => {
                assert_eq!(url, &connecting.url);
                assert!(url.aid().parse::<usize>().is_ok_and(|aid| aid >= AGENTS));
            }
            ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
                let over = connecting.patience == RetryLimit::Once
                    || connecting.deadline.is_some_and(|deadline| deadline == at);
                assert!(over, "{connecting:?} at {at:?}: {error}");
            }
            ConnectError::Lost { .. } => assert_eq!(connecting.patience, RetryLimit::Once),
            ConnectError::NotValidated { .. } => {
                assert!(self.closing[to], "{connecting:?}: {error}");
            }
            ConnectError::Refused(refusal) => {
                assert_eq!(*refusal, ContainerError::ShutDown);
                assert!(self.shut_down[connecting.site]);
            }
            other => panic!("an unknown error: {other}"),
        }
    }

    fn check_answer(
        &mut self,
        calling: &Calling,
        ctx: u64,
        at: Instant,
        result: &Result<Payload, CallError>,
    ) {
        let deadline = calling.deadline;
        let kind = match result {
            Ok(payload) => {
                assert_eq!(payload.decode::<u64>(), Ok(ctx), "the answer to another call");
                assert_ne!(calling.method, "fail");
                0
            }
            Err(CallError::Remote(error)) => {
                match error.kind() {
                    "ValueError" => {
                        assert_eq!((calling.method, error.message()), ("fail", &*ctx.to_string()));
                    }
                    "RelayError" => assert!(matches!(calling.method, "relay" | "back")),
                    "OverloadedError" => {
                        assert!(error.message().contains("`Limits::max_mailbox`"), "{error}");
                    }
                    "ConnectionError" => assert!(self.closing.contains(&true), "{error}"),
                    _ => panic!("{calling:?}: {error}"),
                }
                1
            }
            Err(CallError::TimedOut { .. }) => {
                assert_eq!(deadline, Some(at), "T1: not in time: {calling:?}");
                2
            }
            Err(CallError::Lost(_)) => {
                self.lost.push((calling.site, calling.route));
                3
            }
        };
        assert!(deadline.is_none_or(|deadline| at <= deadline), "too late: {calling:?}");
        self.outcome.calls[kind] += 1;
    }

    /// Repairs the network and answers held calls, so that all calls end.
    fn settle(&mut self) {
        for a in 0..SITES {
            (0..SITES).for_each(|b| self.world.set_partition(a, b, false));
            self.world.sites[a].dials = Dials::Accepted;
        }
        // Answers let waiting calls start, which are held in turn.
        for _ in 0..8 {
            let now = self.world.now();
            self.world.sites.iter_mut().for_each(|site| site.answer_held(now));
            self.world.run_for(Duration::from_secs(1));
        }
        self.check();
        // A connect to a container that is shut down may wait forever.
        for ctx in self.connects.keys().copied().collect::<Vec<_>>() {
            let connecting = &self.connects[&ctx];
            let to = self.site_of(&connecting.url);
            assert!(self.shut_down[to], "a connect hangs: {connecting:?}");
            self.cancel_connect(ctx);
        }
        self.world.drive();
        self.check();
        assert!(self.calls.is_empty(), "calls hang: {:?}", self.calls);
        for (site, route) in &self.lost {
            let Route::Connection(conn) = route else { panic!("a local call was lost") };
            assert!(self.world.sites[*site].closed.contains_key(conn), "{conn:?} is not closed");
        }
        // No agent is held any more, so an exclusive call starts at once.
        for site in 0..SITES {
            assert!(!self.world.sites[site].owes_answers());
            for aid in 0..self.world.sites[site].agents {
                let (ctx, now) = (self.number(), self.world.now());
                let path = format!("agents/{aid}");
                let (target, node) =
                    (Target::new(Route::Local, path), &mut self.world.sites[site].node);
                let (options, test) = (CallOptions::default(), Context::Test(ctx));
                node.call(now, &target, "set", &(ctx,), &(), options, test).expect("a call");
                match node.poll_event() {
                    Some(NodeEvent::Answer { ctx: Context::Test(same), result }) => {
                        assert_eq!((same, result.map(|p| p.decode())), (ctx, Ok(Ok(ctx))));
                    }
                    other => panic!("agent {aid} is not free: {other:?}"),
                }
            }
        }
    }

    fn shut_down(&mut self, script: &mut ScriptedRuntime<'_>) {
        for site in 0..SITES {
            self.shut(site, close(script));
        }
        self.world.drive();
        self.check();
        assert_eq!(self.world.streams(), 0);
        for site in &self.world.sites {
            assert_eq!(site.stopped, 1, "{site:?}");
            assert_eq!(site.node.poll_timeout(), None);
            assert_eq!((site.node.calls(), site.node.connections()), (0, 0));
        }
    }
}

fn close(script: &mut ScriptedRuntime<'_>) -> Close {
    match script.byte() % 4 {
        0 => Close::Now,
        1 => Close::AfterFlush,
        _ => Close::AfterAnswers { within: 2 * script.millis() },
    }
}
