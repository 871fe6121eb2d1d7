//! The read half of a connection's task: unprocessed input, and the end of the stream.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

use super::input::Input;
use super::quantum::Quantum;
use super::shared::Machine;
use crate::transport::Transport;

/// How the stream has ended.
#[derive(Debug)]
enum StreamEnd {
    /// The peer has closed its side.
    Eof,
    /// The stream is broken.
    Broken(io::Error),
}

pub(super) struct ReadHalf {
    pub(super) input: Input,
    /// Whether the connection accepts more input, from the last turn.
    wanted: bool,
    /// The last turn left frames in `input`, or events in the connection: they precede new bytes.
    pub(super) behind: bool,
    /// The transport returned `Pending` in this poll and holds the task's waker. Polling it again would cost a system
    /// call that cannot find more than the waker announces.
    dry: bool,
    /// The end of the stream, until it is passed to the connection.
    end: Option<StreamEnd>,
}

impl Default for ReadHalf {
    fn default() -> Self {
        Self { input: Input::default(), wanted: true, behind: false, dry: false, end: None }
    }
}

impl ReadHalf {
    /// Resets the state for a new poll of the task: the waker may have been called.
    pub(super) const fn restart(&mut self) {
        self.dry = false;
    }

    /// Reads until the stream is drained or the buffer is full. Returns whether input may be available.
    ///
    /// `broken` is an error of the write half. A peer may have answered before it closed its end, so the received bytes
    /// are read first; then the error ends the stream.
    pub(super) fn fill<T: Transport>(
        &mut self,
        transport: &mut T,
        cx: &mut Context<'_>,
        broken: &mut Option<io::Error>,
        quantum: &mut Quantum,
    ) -> bool {
        if !self.wanted || self.end.is_some() {
            // Further input would be ignored, so the error need not wait for it.
            self.end_broken(broken);
            return false;
        }
        if std::mem::take(&mut self.behind) {
            return true;
        }
        if self.dry && broken.is_none() {
            return false;
        }
        let mut room = self.input.make_room();
        for last in [false, true] {
            match transport.poll_recv(cx, &mut self.input.bytes) {
                Poll::Ready(Ok(0)) => self.end = Some(StreamEnd::Eof),
                // A short read has most likely emptied the socket. The second read registers the waker, which saves a
                // turn of the task.
                Poll::Ready(Ok(count)) if count < room && !last => {
                    quantum.spend_read(count);
                    room -= count;
                    continue;
                }
                Poll::Ready(Ok(count)) => {
                    quantum.spend_read(count);
                    self.input.grow(count >= room);
                }
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => self.end = Some(StreamEnd::Broken(error)),
                Poll::Pending => {
                    self.dry = true;
                    self.end_broken(broken);
                    return false;
                }
            }
            return true;
        }
        true
    }

    /// Ends the stream with `error`, if it is set and no other end is pending.
    pub(super) fn end_broken(&mut self, error: &mut Option<io::Error>) {
        if self.end.is_none() {
            self.end = error.take().map(StreamEnd::Broken);
        }
    }

    /// Returns once whether the peer has closed its side. Call it when all frames before the end are processed.
    pub(super) fn take_eof(&mut self) -> bool {
        self.end.take_if(|end| matches!(end, StreamEnd::Eof)).is_some()
    }

    /// Returns once how the stream broke. An earlier message that is still being unpacked counts: the error waits for
    /// it.
    pub(super) fn take_broken(&mut self, is_unpacking: bool) -> Option<io::Error> {
        let ended = self.end.take_if(|end| !is_unpacking && matches!(end, StreamEnd::Broken(_)))?;
        match ended {
            StreamEnd::Broken(error) => Some(error),
            StreamEnd::Eof => None,
        }
    }

    /// Updates whether the connection wants more input.
    pub(super) fn ask(&mut self, machine: &Machine) {
        self.wanted = machine.wants_read();
    }
}
