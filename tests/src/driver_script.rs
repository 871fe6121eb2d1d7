//! Two ends of a channel under random operations, on a scripted stream.

use std::future::Future;
use std::io::ErrorKind;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aiomas::channel::{Channel, Request};
use aiomas::{Call, Error};
use aiomas_core::connection::Close;
use aiomas_core::wire::{Codec, RemoteError};

use crate::connection_ops::ScriptedRuntime;
use crate::scripted_runtime;

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The numbers of calls that succeeded, failed at the peer, timed out, and were lost.
    pub calls: [usize; 4],
    /// The number of requests taken.
    pub requests: usize,
    /// The number of polls of tasks.
    pub polls: u64,
}

/// Runs the operations of `script`. Checks that every call ends once, with its own answer or a
/// justified error, that no task polls in a busy loop, and that dropping all handles ends all tasks
/// and streams.
///
/// # Panics
/// A check fails.
#[must_use]
pub fn run(script: &[u8]) -> Outcome {
    let mut script = ScriptedRuntime::new(script);
    let mut ends = Ends::new(&mut script);
    while !script.is_over() {
        ends.operate(&mut script);
    }
    ends.finish();
    ends.leave()
}

/// A call, and its permitted results.
struct Made {
    call: Call<(u64, String)>,
    number: u64,
    size: usize,
    timeout: bool,
}

struct End {
    channel: Channel,
    calls: Vec<Made>,
    requests: Vec<Request>,
}

struct Ends {
    runtime: scripted_runtime::ScriptedRuntime,
    ends: [End; 2],
    made: u64,
    /// Calls may be lost from now on.
    closed: bool,
    outcome: Outcome,
}

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

impl Ends {
    fn new(script: &mut ScriptedRuntime<'_>) -> Self {
        let setup = script.byte();
        let capacity = match setup & 3 {
            0 => 1 + script.below(100),
            1 => 4096,
            _ => 1 << 20,
        };
        let codec = if setup & 4 == 0 { Codec::Json } else { Codec::MsgPack };
        let max_calls = 1 + script.below(20);
        let steps = 2 * usize::from(script.byte());
        let runtime =
            scripted_runtime::ScriptedRuntime::new(script.take(steps)).with_capacity(capacity);
        let channels = runtime.block_on(scripted_runtime::pair(&runtime, |builder| {
            let builder = builder.codec(codec).coalesce(setup & 8 != 0);
            builder.config(|config| config.limits.max_calls_out = max_calls)
        }));
        let ends = <[Channel; 2]>::from(channels).map(|channel| End {
            channel,
            calls: Vec::new(),
            requests: Vec::new(),
        });
        Self { runtime, ends, made: 0, closed: false, outcome: Outcome::default() }
    }

    fn operate(&mut self, script: &mut ScriptedRuntime<'_>) {
        let side = usize::from(script.flag());
        let end = &mut self.ends[side];
        match script.byte() % 32 {
            0..8 => self.call(side, script),
            8..12 => {
                if let Some(at) = pick(script, &end.calls) {
                    self.poll(side, at);
                }
            }
            12 | 13 => drop(pick(script, &end.calls).map(|at| end.calls.swap_remove(at))),
            14..18 => self.take(side),
            18..22 => pick(script, &end.requests)
                .map(|at| end.requests.swap_remove(at))
                .into_iter()
                .for_each(reply),
            22 => {
                if let Some(at) = pick(script, &end.requests) {
                    // A closed channel discards the failure.
                    let _heard = end.requests.swap_remove(at).fail(RemoteError::value_error("no"));
                }
            }
            23 => drop(pick(script, &end.requests).map(|at| end.requests.swap_remove(at))),
            24..29 => self.runtime.run(),
            29 => self.runtime.pass(Duration::from_secs(script.below(3) as u64)),
            30 if script.below(4) == 0 => {
                self.closed = true;
                end.channel.close_with(match script.below(3) {
                    0 => Close::Now,
                    1 => Close::AfterFlush,
                    _ => Close::AfterAnswers { within: Duration::from_secs(5) },
                });
            }
            31 if script.below(4) == 0 => {
                self.closed = true;
                self.runtime.cut(ErrorKind::ConnectionReset);
            }
            _ => {}
        }
    }

    fn call(&mut self, side: usize, script: &mut ScriptedRuntime<'_>) {
        let size = match script.byte() {
            // More than a stream buffers, or one read takes.
            255 => 70_000,
            size @ 200.. => 900 + usize::from(size),
            size => size.into(),
        };
        let timeout = script.below(16);
        let timeout = (1..4).contains(&timeout).then(|| Duration::from_secs(timeout as u64));
        self.made += 1;
        let (number, content) = (self.made, (self.made, "x".repeat(size)));
        let end = &mut self.ends[side];
        let call = match timeout {
            Some(timeout) => end.channel.with_timeout(timeout).send(&content),
            None => end.channel.send(&content),
        };
        end.calls.push(Made { call, number, size, timeout: timeout.is_some() });
    }

    /// Polls for the answer to a call.
    fn poll(&mut self, side: usize, at: usize) -> bool {
        let calls = &mut self.ends[side].calls;
        let Poll::Ready(result) = poll_once(&mut calls[at].call) else { return false };
        let made = calls.swap_remove(at);
        self.check(&made, result);
        true
    }

    /// Checks that a call has its own answer, or a justified error.
    fn check(&mut self, made: &Made, result: Result<(u64, String), Error>) {
        let kind = match result {
            Ok((number, text)) => {
                assert_eq!((number, text.len()), (made.number, made.size));
                0
            }
            Err(Error::Remote(error)) => {
                assert!(matches!(error.kind(), "ValueError" | "RuntimeError" | "ConnectionError"));
                1
            }
            Err(Error::TimedOut { .. }) => {
                assert!(made.timeout);
                2
            }
            Err(Error::Lost(_) | Error::Refused(_)) => {
                assert!(self.closed);
                3
            }
            Err(error) => panic!("{error}"),
        };
        self.outcome.calls[kind] += 1;
    }

    fn take(&mut self, side: usize) {
        let end = &mut self.ends[side];
        if let Poll::Ready(Some(request)) = poll_once(end.channel.recv()) {
            self.outcome.requests += 1;
            end.requests.push(request);
        }
    }

    /// Answers all requests, until all calls have ended.
    fn finish(&mut self) {
        for _ in 0..1000 {
            self.runtime.run();
            for side in [0, 1] {
                self.take(side);
                mem::take(&mut self.ends[side].requests).into_iter().for_each(reply);
                for at in (0..self.ends[side].calls.len()).rev() {
                    self.poll(side, at);
                }
            }
            if self.ends.iter().all(|end| end.calls.is_empty()) {
                return;
            }
        }
        panic!("calls have not ended");
    }

    /// Drops all handles.
    fn leave(self) -> Outcome {
        let Self { runtime, ends, outcome, .. } = self;
        drop(ends);
        // Closing waits at most ten seconds for the peer.
        runtime.pass(Duration::from_secs(60));
        assert_eq!((runtime.tasks(), runtime.ends()), (0, 0), "tasks or streams are left");
        assert!(runtime.spins() <= 2, "{} polls for nothing", runtime.spins());
        Outcome { polls: runtime.polls(), ..outcome }
    }
}

/// Returns the index of one of `all`.
fn pick<T>(script: &mut ScriptedRuntime<'_>, all: &[T]) -> Option<usize> {
    let at = script.byte();
    (!all.is_empty()).then(|| usize::from(at) % all.len())
}

fn reply(request: Request) {
    let content: (u64, String) = request.content().expect("the sent content");
    // A closed channel discards the answer.
    let _heard = request.reply(&content);
}
