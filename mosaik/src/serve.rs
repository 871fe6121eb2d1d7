//! Connections to mosaik.

use std::future::pending;
use std::time::{Duration, Instant};

use aiomas::Runtime;
use aiomas::channel::{self, Channel, Request};
use aiomas_core::agent::Address;
use aiomas_core::connection::{Close, CloseReason, LogRate};
use aiomas_core::rpc;
use aiomas_core::wire::{Printable, RemoteError};
use futures_lite::future::or;

use crate::profile::as_mosaik;
use crate::session::{Session, function_of};
use crate::{Error, Mosaik, Result, Simulator};

/// The time for writing the last answers.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// The end of a simulation without failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// mosaik has sent `stop`.
    Stopped,
    /// mosaik has closed the connection: it has given up, or its process has ended.
    Gone,
}

/// Connects to mosaik, which has started this program, and serves it until the end.
///
/// The builder selects the runtime: `aiomas_tokio::channel::builder()`. Its limits and its TLS apply.
///
/// # Errors
/// Returns [`Error::Connection`] if the connection fails; then as for [`serve`].
///
/// # Cancel safety
/// As for [`serve`].
pub async fn connect<R: Runtime>(
    builder: channel::Builder<R>,
    address: impl TryInto<Address, Error: Into<aiomas::Error>>,
    simulator: impl Simulator,
) -> Result<End, Error> {
    let channel = as_mosaik(builder).connect(address).await?;
    serve(channel, simulator).await
}

/// Serves mosaik over a channel until the end.
///
/// The channel must be configured with [`Config::mosaik`](aiomas_core::connection::Config::mosaik).
///
/// # Errors
/// - [`Error::Failed`] if a request of mosaik has failed: the first failure, returned when the simulation has ended;
/// - [`Error::Lost`] if the connection broke, or mosaik sent an invalid message.
///
/// # Cancel safety
/// Dropping the future closes the connection, and [`finalize`](Simulator::finalize) is not called.
pub async fn serve(channel: Channel, simulator: impl Simulator) -> Result<End, Error> {
    serve_from(channel, None, simulator).await
}

/// Serves mosaik; the first request may already have been received.
pub(crate) async fn serve_from(
    channel: Channel,
    mut first: Option<Request>,
    simulator: impl Simulator,
) -> Result<End, Error> {
    log::info!("connected to mosaik at {}", address_of(&channel));
    let mut session = Session::new(simulator, Mosaik::new(channel.clone()));
    let mut failed = None;
    let mut failures = Failures(LogRate::DEFAULT);
    let mut stopped = false;
    while let Some(request) = next(&mut first, &channel).await {
        let function = function_of(request.payload());
        log::debug!("{}() is called", Printable(&function));
        if function == "stop" {
            request.discard();
            stopped = true;
            break;
        }
        let answer = or(answer(&mut session, &request), gone(&channel)).await;
        let Some(answer) = answer else { break };
        if let Err(error) = respond(request, answer) {
            if let Some(line) = failures.line(Instant::now(), &function, &error) {
                log::error!("{line}");
            }
            if failed.is_none() && session.is_vital(&function) {
                failed = Some(Error::Failed { function, error });
            }
        }
    }
    session.simulator.finalize().await;
    channel.close_with(Close::AfterAnswers { within: CLOSES_WITHIN });
    let reason = or(channel.closed(), discard(&channel)).await;
    let end = match reason {
        _ if stopped => End::Stopped,
        CloseReason::Peer | CloseReason::Broken(_) | CloseReason::Local => End::Gone,
        reason => return Err(Error::Lost(reason)),
    };
    log::info!("{}", if stopped { "mosaik has stopped us" } else { "mosaik is gone" });
    failed.map_or(Ok(end), Err)
}

/// The rate limit of log lines about failed requests, which protects the disk.
struct Failures(LogRate);

impl Failures {
    fn line(&mut self, now: Instant, function: &str, error: &RemoteError) -> Option<String> {
        let function = Printable(function);
        Some(match self.0.line(now)? {
            0 => format!("{function}() has failed: {error}"),
            more => format!(
                "{function}() has failed: {error} (and {more} more failures since the last line)"
            ),
        })
    }
}

type Answer = Result<crate::session::Answer>;

/// Returns the address of the peer, for the log.
pub(crate) fn address_of(channel: &Channel) -> String {
    Printable(channel.peer().address().unwrap_or("an unknown address")).to_string()
}

async fn next(first: &mut Option<Request>, channel: &Channel) -> Option<Request> {
    match first.take() {
        Some(request) => Some(request),
        None => channel.recv().await,
    }
}

async fn answer(session: &mut Session<impl Simulator>, request: &Request) -> Option<Answer> {
    Some(match rpc::Request::parse(request.payload()) {
        Ok(request) => session.answer(&request).await,
        Err(error) => Err(error.into()),
    })
}

/// Sends the answer, and returns the error that mosaik has received, if any.
///
/// When mosaik is gone, there is no such error.
fn respond(request: Request, answer: Answer) -> Result<()> {
    match answer {
        Ok(answer) => match request.reply(&answer) {
            Err(aiomas::Error::Refused(aiomas_core::connection::CallRejected::Codec(why))) => {
                Err(RemoteError::serialization(why))
            }
            Ok(()) | Err(_) => Ok(()),
        },
        Err(error) => request.fail(error.clone()).map_or(Ok(()), |()| Err(error)),
    }
}

/// Waits until mosaik is gone.
async fn gone(channel: &Channel) -> Option<Answer> {
    let _reason = channel.closed().await;
    None
}

/// Discards requests after `stop` without answers.
async fn discard<T>(channel: &Channel) -> T {
    while let Some(request) = channel.recv().await {
        request.discard();
    }
    pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_logged_safely_and_not_without_end() {
        let (mut failures, start) =
            (Failures(LogRate::new(2, Duration::from_secs(1))), Instant::now());
        let error = RemoteError::value_error("no\n[ERROR] such");
        let mut line = |now| failures.line(now, "st\x1b[2Jep", &error);
        let shown = r"st\u{1b}[2Jep() has failed: ValueError: no\n[ERROR] such";
        assert_eq!([line(start), line(start)], [(); 2].map(|()| Some(shown.to_owned())));
        assert_eq!((line(start), line(start)), (None, None));
        let next = format!("{shown} (and 2 more failures since the last line)");
        assert_eq!(line(start + Duration::from_secs(1)), Some(next));
    }
}
