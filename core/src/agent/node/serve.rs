//! Requests to a node.

use std::fmt;
use std::rc::Rc;

use super::ticket::{Agent, Busy, Queued, ReplyTo, Ticket, Waiting};
use super::{Node, NodeEvent};
use crate::agent::ConnId;
use crate::agent::mailbox::overloaded;
use crate::agent::root::{dispatch_root, split_agent_path};
use crate::connection::{CloseReason, Event, Request};
use crate::rpc::{self, Access, Caller, Encoder, Outcome, Service};
use crate::wire::{Codec, Payload, RemoteError, Types};

/// The services of a node for its peers.
pub enum Serve<L> {
    /// Agents, as an aiomas container: `validate_aid` and `agents/<aid>/<method>`.
    Agents,
    /// A tree of services, as aiomas' RPC.
    Service(Box<dyn Service<L>>),
    /// Any content: the host answers each [`NodeEvent::Request`], as on aiomas' channels.
    Content,
}

impl<L> Serve<L> {
    /// Returns the types to register on a connection.
    pub(super) fn types(&self, user: &Types) -> Types {
        match self {
            Self::Agents => user.for_container(),
            Self::Service(_) => user.for_rpc(),
            Self::Content => user.clone(),
        }
    }
}

impl<L> fmt::Debug for Serve<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents => f.write_str("Agents"),
            Self::Service(service) => f.debug_tuple("Service").field(&service.type_name()).finish(),
            Self::Content => f.write_str("Content"),
        }
    }
}

impl<X, L> Node<X, L> {
    /// Handles an event of a connection.
    pub(super) fn take(&mut self, conn: ConnId, event: Event<Waiting<X>>) {
        match event {
            Event::Request(Request { token, content, deadline }) => match self.serve {
                Serve::Content => {
                    let encoder = Encoder::new(content.format(), content.codec_context().clone());
                    let reply = ReplyTo::Peer { conn, token, deadline };
                    let ticket = Ticket { reply, encoder, busy: None };
                    self.events.push_back(NodeEvent::Request { ticket, content });
                }
                Serve::Agents | Serve::Service(_) => {
                    self.serve(ReplyTo::Peer { conn, token, deadline }, content);
                }
            },
            Event::Answer { ctx: Waiting::Host(ctx), result, .. } => {
                self.events.push_back(NodeEvent::Answer { ctx, result });
            }
            Event::Answer { ctx: Waiting::Validate(ticket), result, .. } => {
                self.validated(conn, ticket, result);
            }
            Event::Cancelled { request, cause } => {
                self.events.push_back(NodeEvent::Cancelled { conn, request, cause });
            }
            Event::Closed { reason } => self.closed(conn, reason),
            Event::Open { .. } | Event::Writable => {}
        }
    }

    fn closed(&mut self, conn: ConnId, reason: CloseReason) {
        self.connections.discard(conn);
        if let Some(place) = self.admitted.remove(&conn) {
            self.admission.release(place);
        }
        self.container.handle_closed(self.now, conn, reason.to_string());
        self.connections.push(super::NodeAction::Close { conn });
        self.events.push_back(NodeEvent::Closed { conn, reason });
    }

    /// Answers a request of a peer, or of one of our own agents.
    pub(super) fn serve(&mut self, reply: ReplyTo, content: Payload) {
        let rpc::Request { path, arguments, .. } = match rpc::Request::parse(&content) {
            Ok(request) => request,
            Err(error) => return self.deliver(reply, Err(error.into())),
        };
        let outcome = match &self.serve {
            Serve::Service(root) => rpc::dispatch(&**root, &path, &arguments, &reply.caller()),
            Serve::Agents | Serve::Content => match self.find_agent(path.as_bytes()) {
                Some((agent, start)) => {
                    // The dispatch reports an unknown method, which needs no turn.
                    let access = agent.service.access(&path[start..]).unwrap_or(Access::Shared);
                    if !agent.mailbox.borrow_mut().begin(access) {
                        let content = arguments.to_payload();
                        return self.wait(&agent, access, Queued { reply, content });
                    }
                    let service = &*agent.service;
                    let caller = reply.caller();
                    let outcome = rpc::dispatch_at(service, &path, start, &arguments, &caller);
                    let busy = Busy { agent, access };
                    if let Some(busy) = self.finish(reply, &content, Some(busy), outcome) {
                        self.release(busy);
                    }
                    return;
                }
                None => {
                    let find = |aid: &str| self.agents.get(aid);
                    let caller = reply.caller();
                    dispatch_root(find, |agent| &*agent.service, &path, &arguments, &caller)
                }
            },
        };
        self.finish(reply, &content, None, outcome);
    }

    fn find_agent(&self, path: &[u8]) -> Option<(Rc<Agent<L>>, usize)> {
        let (number, start) = split_agent_path(path)?;
        Some((self.agents.numbered(number)?.clone(), start))
    }

    /// Queues a call for its agent.
    fn wait(&mut self, agent: &Agent<L>, access: Access, call: Queued) {
        let (limit, source) = (self.mailbox_limit, call.reply.source());
        let waits = agent.mailbox.borrow_mut().wait(limit, source, access, call);
        let refused = match waits {
            Ok((_, displaced)) => displaced,
            Err(call) => Some(call),
        };
        if let Some(Queued { reply, .. }) = refused {
            let waiting = agent.mailbox.borrow().waiting();
            self.deliver(reply, Err(overloaded(waiting)));
        }
    }

    /// Delivers the outcome of a call. Returns `busy` if the call has ended.
    fn finish(
        &mut self,
        reply: ReplyTo,
        content: &Payload,
        busy: Option<Busy<L>>,
        outcome: Outcome<L>,
    ) -> Option<Busy<L>> {
        match outcome {
            Outcome::Done(result) => {
                self.deliver(reply, result);
                busy
            }
            Outcome::Later(later) => {
                let encoder = Encoder::new(content.format(), content.codec_context().clone());
                let ticket = Ticket { reply, encoder, busy };
                self.events.push_back(NodeEvent::Later { ticket, later });
                None
            }
            Outcome::NotFound | Outcome::NotExposed => {
                unreachable!("`dispatch` has turned them into failures")
            }
        }
    }

    /// Returns the codec of a request, if its connection still exists.
    #[must_use]
    pub fn codec_of(&self, ticket: &Ticket<L>) -> Option<Codec> {
        match &ticket.reply {
            ReplyTo::Peer { conn, token, .. } => self.connections.codec_of(*conn, token),
            ReplyTo::Local { .. } => None,
        }
    }

    /// Returns whether the caller has cancelled a call that has not started.
    fn is_cancelled(&self, reply: &ReplyTo) -> bool {
        match reply {
            ReplyTo::Peer { conn, token, .. } => self.connections.is_cancelled(*conn, token),
            ReplyTo::Local { id } => !self.local.contains(*id),
        }
    }

    /// Records the end of a call to an agent, and starts the waiting calls.
    pub(super) fn release(&mut self, Busy { agent, access }: Busy<L>) {
        agent.mailbox.borrow_mut().end(access);
        loop {
            let next = agent.mailbox.borrow_mut().next();
            let Some((access, Queued { reply, content })) = next else { return };
            if self.is_cancelled(&reply) {
                // The answer is not sent.
                self.deliver(reply, Err(RemoteError::new("Cancelled", "cancelled by the caller")));
                agent.mailbox.borrow_mut().end(access);
                continue;
            }
            let busy = Busy { agent: agent.clone(), access };
            let outcome = call_queued(&agent, &content, &reply.caller());
            if self.finish(reply, &content, Some(busy), outcome).is_some() {
                agent.mailbox.borrow_mut().end(access);
            }
        }
    }
}

/// Calls an agent with a request that has waited. It was parsed and routed before.
fn call_queued<L>(agent: &Agent<L>, content: &Payload, caller: &Caller) -> Outcome<L> {
    let rpc::Request { path, arguments, .. } = match rpc::Request::parse(content) {
        Ok(request) => request,
        Err(error) => return RemoteError::from(error).into(),
    };
    let start = split_agent_path(path.as_bytes()).map_or(0, |(_, start)| start);
    rpc::dispatch_at(&*agent.service, &path, start, &arguments, caller)
}
