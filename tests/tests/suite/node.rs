//! A node and its host, without a network: the contents, the order and the receivers of its
//! answers.

mod agent;
mod calls;
mod container;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use aiomas_core::agent::{
    AgentUrl, ConnId, Node, NodeAction, NodeConfig, NodeEvent, Remote, RetryLimit, Route, Serve,
    Target, Ticket,
};
use aiomas_core::connection::{CallError, CallOptions};
use aiomas_core::wire::{Payload, RemoteError};
use aiomas_tests::world::{Later, TestAgent};
use bytes::{Buf, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

type Event = NodeEvent<u64, Later>;

/// Two nodes and at most one stream between them, opened by the first one.
struct Nodes {
    now: Instant,
    nodes: [Node<u64, Later>; 2],
    conns: [Option<ConnId>; 2],
    events: [VecDeque<Event>; 2],
}

impl Nodes {
    /// Creates two nodes with `agents` agents each.
    fn new(config: &NodeConfig, agents: usize) -> Self {
        let now = Instant::now();
        let node = |name: &str| {
            let address = name.parse().unwrap();
            let mut node = Node::new(config.clone(), address, Serve::Agents, 0, now);
            (0..agents).for_each(|_| drop(node.spawn(TestAgent).unwrap()));
            node
        };
        Self {
            now,
            nodes: [node("local://a"), node("local://b")],
            conns: [None; 2],
            events: Default::default(),
        }
    }

    /// Executes the actions of the nodes until none are left. Time does not pass.
    fn run(&mut self) {
        loop {
            let mut any = false;
            for side in [0, 1] {
                while let Some(event) = self.nodes[side].poll_event() {
                    self.events[side].push_back(event);
                }
                while let Some(action) = self.nodes[side].poll_action() {
                    self.act(side, action);
                    any = true;
                }
            }
            if !any {
                return;
            }
        }
    }

    fn act(&mut self, side: usize, action: NodeAction) {
        let now = self.now;
        match action {
            NodeAction::Dial { id, .. } => {
                self.conns[side] = self.nodes[side].handle_dialled(now, id, Ok(()));
                self.conns[1 - side] = self.nodes[1 - side].handle_accepted(now, None).ok();
            }
            NodeAction::Write { conn, mut transmit } => {
                let count = transmit.remaining();
                let mut input = BytesMut::from(&transmit.copy_to_bytes(count)[..]);
                self.nodes[side].handle_transmitted(now, conn, count);
                if let Some(to) = self.conns[1 - side] {
                    self.nodes[1 - side].handle_input(now, to, &mut input);
                }
            }
            NodeAction::Close { conn } => {
                assert_eq!(self.conns[side].take(), Some(conn));
                if let Some(to) = self.conns[1 - side] {
                    self.nodes[1 - side].handle_eof(now, to, 0);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Connects from the first node to an agent of the second one.
    fn connect(&mut self, aid: &str) -> Remote {
        let url = AgentUrl::new("local://b".parse().unwrap(), aid);
        self.nodes[0].connect(self.now, url, RetryLimit::Once, 0);
        self.run();
        match self.events[0].pop_front() {
            Some(Event::Connected { ctx: 0, remote }) => remote,
            other => panic!("{other:?}"),
        }
    }

    fn call(&mut self, side: usize, target: &Target, method: &str, args: impl Serialize, ctx: u64) {
        let options = CallOptions::default();
        self.nodes[side].call(self.now, target, method, &args, &(), options, ctx).unwrap();
        self.run();
    }

    /// Returns the next event of a node, which must be the end of a call.
    fn answer(&mut self, side: usize) -> (u64, Result<Payload, CallError>) {
        match self.events[side].pop_front() {
            Some(Event::Answer { ctx, result }) => (ctx, result),
            other => panic!("{other:?}"),
        }
    }

    fn result<T: DeserializeOwned>(&mut self, side: usize) -> (u64, T) {
        let (ctx, result) = self.answer(side);
        (ctx, result.unwrap().decode().unwrap())
    }

    fn failure(&mut self, side: usize) -> (u64, RemoteError) {
        match self.answer(side) {
            (ctx, Err(CallError::Remote(error))) => (ctx, error),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the next event of a node, which must be a call to answer.
    fn later(&mut self, side: usize) -> (Ticket<Later>, Later) {
        match self.events[side].pop_front() {
            Some(Event::Later { ticket, later }) => (ticket, later),
            other => panic!("{other:?}"),
        }
    }

    /// Answers the next call of `hold`, and returns its value.
    fn reply_held(&mut self, side: usize) -> u64 {
        let (ticket, Later::Hold { value }) = self.later(side) else { panic!("not held") };
        self.nodes[side].reply(self.now, ticket, &value);
        self.run();
        value
    }

    fn assert_quiet(&self) {
        assert!(self.events.iter().all(VecDeque::is_empty), "{:?}", self.events);
    }
}

fn local(path: &str) -> Target {
    Target::new(Route::Local, path)
}

const fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}
