//! Calls of the host, and its deferred answers.

use std::time::Instant;

use serde::Serialize;

use super::ticket::{ReplyTo, Ticket, Waiting};
use super::{Node, NodeEvent};
use crate::agent::root::VALIDATE_AID;
use crate::agent::validate::TypeName;
use crate::agent::{ConnId, Remote, Route, ValidateError, ValidateTicket};
use crate::connection::{CallError, CallId, CallOptions, CallRejected, Connection, Refused};
use crate::rpc::{RemoteRef, encode_call, encode_call_in};
use crate::wire::{Body, CodecContext, CodecError, Format, Payload, RemoteError, codec};

/// A service to call: an agent, or another service referenced by a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    route: Route,
    path: Box<str>,
}

impl Target {
    /// Creates a target for the service at `path` on the other side of `route`. The empty path is the root service.
    pub fn new(route: Route, path: impl Into<Box<str>>) -> Self {
        Self { route, path: path.into() }
    }

    /// Creates a target for a service reference that arrived over `route`.
    #[must_use]
    pub fn reference(route: Route, reference: &RemoteRef) -> Self {
        Self::new(route, reference.path())
    }

    /// Returns the route to the service.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.route
    }
}

impl From<&Remote> for Target {
    fn from(remote: &Remote) -> Self {
        Self::new(remote.route, format!("agents/{}", remote.url.aid()))
    }
}

/// The id of a call of the host. Never reused on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeCall {
    route: Route,
    id: u64,
}

impl<X, L> Node<X, L> {
    /// Calls a method. It ends in [`NodeEvent::Answer`] with `ctx`.
    ///
    /// `args` is a tuple or a sequence and `kwargs` a map or a struct; `()` stands for none.
    ///
    /// # Errors
    /// The call is rejected; nothing has been sent.
    #[expect(
        clippy::too_many_arguments,
        reason = "a method, its two kinds of arguments, a context"
    )]
    pub fn call<A: Serialize + ?Sized, K: Serialize + ?Sized>(
        &mut self,
        now: Instant,
        target: &Target,
        method: &str,
        args: &A,
        kwargs: &K,
        options: CallOptions,
        ctx: X,
    ) -> Result<NodeCall, Refused<X>> {
        self.start_call(now, target.route, options, ctx, |format, codec_context, out| {
            encode_call_in(format, codec_context, &target.path, method, args, kwargs, out)
        })
    }

    /// Sends a request with any content, as on aiomas' channels. It ends in [`NodeEvent::Answer`].
    ///
    /// # Errors
    /// The request is rejected; nothing has been sent.
    pub fn send<T: Serialize + ?Sized>(
        &mut self,
        now: Instant,
        conn: ConnId,
        content: &T,
        options: CallOptions,
        ctx: X,
    ) -> Result<NodeCall, Refused<X>> {
        self.start_call(now, Route::Connection(conn), options, ctx, |format, codec_context, out| {
            codec::encode(format, codec_context, content, out)
        })
    }

    fn start_call(
        &mut self,
        now: Instant,
        route: Route,
        options: CallOptions,
        ctx: X,
        write: impl FnOnce(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<NodeCall, Refused<X>> {
        self.advance(now);
        let now = self.now;
        let id = match route {
            Route::Local => {
                let content = match self.local_codec.request(write) {
                    Ok(content) => content,
                    Err(why) => return Err(Refused { why, ctx }),
                };
                let id = self.local.reserve();
                self.local.insert(now, options.timeout, ctx);
                self.serve(ReplyTo::Local { id }, content);
                id
            }
            Route::Connection(conn) => {
                let call = |connection: &mut Connection<_>, ctx| {
                    connection.call_with(now, options, Waiting::Host(ctx), write)
                };
                match self.connections.with(conn, ctx, call) {
                    Ok(Ok(id)) => id.get(),
                    Ok(Err(Refused { why, ctx: Waiting::Host(ctx) })) => {
                        return Err(Refused { why, ctx });
                    }
                    Ok(Err(Refused { ctx: Waiting::Validate(_), .. })) => {
                        unreachable!("the context that was given comes back")
                    }
                    Err(ctx) => return Err(Refused { why: CallRejected::Closed, ctx }),
                }
            }
        };
        self.turn();
        Ok(NodeCall { route, id })
    }

    /// Cancels a call. Returns its context, unless the call has ended already.
    pub fn cancel(&mut self, now: Instant, call: NodeCall) -> Option<X> {
        self.advance(now);
        let now = self.now;
        match call.route {
            Route::Local => self.local.remove(call.id),
            Route::Connection(conn) => {
                let cancel =
                    |connection: &mut Connection<_>, ()| connection.cancel(now, CallId(call.id));
                let ctx = self.connections.with(conn, (), cancel).ok().flatten();
                self.turn();
                match ctx? {
                    Waiting::Host(ctx) => Some(ctx),
                    Waiting::Validate(_) => None,
                }
            }
        }
    }

    /// Answers with a value. If it cannot be encoded, the caller receives a `SerializationError`.
    pub fn reply<T: Serialize + ?Sized>(&mut self, now: Instant, ticket: Ticket<L>, value: &T) {
        let result = ticket.encoder.encode(value);
        self.answer(now, ticket, result);
    }

    /// Answers with a failure.
    pub fn fail(&mut self, now: Instant, ticket: Ticket<L>, error: RemoteError) {
        self.answer(now, ticket, Err(error));
    }

    /// Answers with encoded content, or a failure.
    pub fn answer(&mut self, now: Instant, ticket: Ticket<L>, result: Result<Body, RemoteError>) {
        self.advance(now);
        self.deliver(ticket.reply, result);
        if let Some(busy) = ticket.busy {
            self.release(busy);
        }
        self.turn();
    }

    /// Sends an answer to its caller.
    pub(super) fn deliver(&mut self, reply: ReplyTo, result: Result<Body, RemoteError>) {
        match reply {
            ReplyTo::Peer { conn, token, .. } => {
                let now = self.now;
                // If the connection is gone, the caller is gone, too.
                let _gone = self
                    .connections
                    .with(conn, token, |connection, token| connection.answer(now, token, &result));
            }
            ReplyTo::Local { id } => {
                // The caller may have cancelled the call.
                if let Some(ctx) = self.local.remove(id) {
                    let result = self.local_codec.answer(result).map_err(CallError::Remote);
                    self.events.push_back(NodeEvent::Answer { ctx, result });
                }
            }
        }
    }

    /// Asks a peer whether an agent exists.
    pub(super) fn validate(&mut self, conn: ConnId, aid: &str, ticket: ValidateTicket) {
        let now = self.now;
        let asked = self.connections.with(conn, (), |connection, ()| {
            let waiting = Waiting::Validate(ticket);
            connection.call_with(
                now,
                CallOptions::default(),
                waiting,
                |format, codec_context, out| {
                    encode_call(format, codec_context, VALIDATE_AID, &(aid,), &(), out)
                },
            )
        });
        let error = match asked {
            Ok(Ok(call)) => {
                self.questions.insert(ticket, call);
                return;
            }
            Ok(Err(Refused { why: why @ CallRejected::Closed, .. })) => {
                ValidateError::Lost(why.to_string().into())
            }
            Ok(Err(Refused { why, .. })) => ValidateError::Failed(why.to_string().into()),
            Err(()) => ValidateError::Lost("it is closed".into()),
        };
        self.container.handle_validated(self.now, conn, ticket, Err(error));
    }

    /// Cancels a question. A silent peer must not make questions pile up.
    pub(super) fn cancel_validate(&mut self, conn: ConnId, ticket: ValidateTicket) {
        if let Some(call) = self.questions.remove(&ticket) {
            let now = self.now;
            let _gone =
                self.connections.with(conn, (), |connection, ()| connection.cancel(now, call));
        }
    }

    pub(super) fn validated(
        &mut self,
        conn: ConnId,
        ticket: ValidateTicket,
        result: Result<Payload, CallError>,
    ) {
        self.questions.remove(&ticket);
        let result = match result {
            Ok(payload) => payload
                .decode()
                .map(|TypeName(name)| name)
                .map_err(|error| ValidateError::Failed(error.to_string().into())),
            Err(CallError::Lost(reason)) => Err(ValidateError::Lost(reason.to_string().into())),
            Err(error) => Err(ValidateError::Failed(error.to_string().into())),
        };
        self.container.handle_validated(self.now, conn, ticket, result);
    }
}
