//! The write half of a connection's task: output that is being written, and the end of the stream.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll};

use bytes::Buf;

use super::shared::Machine;
use crate::transport::Transport;
use aiomas_core::connection::Transmit;

/// How many pieces of output one system call takes.
const MAX_SLICES: usize = 32;

pub(super) struct WriteHalf {
    /// What is being written. Its buffer and the connection's are swapped, so that a connection that writes all the time
    /// allocates nothing.
    transmit: Transmit,
    /// Bytes that have been written, and that the connection has not heard of.
    written: usize,
    flushed: bool,
    /// Why nothing can be written any more, until the read half takes it.
    pub(super) broken: Option<io::Error>,
    /// Other tasks have been let run for the output that the connection has now.
    yielded: bool,
}

impl Default for WriteHalf {
    fn default() -> Self {
        Self {
            transmit: Transmit::default(),
            written: 0,
            flushed: true,
            broken: None,
            yielded: false,
        }
    }
}

impl WriteHalf {
    /// Whether there is output to write before more is taken from the connection.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        self.transmit.has_remaining()
    }

    /// Writes what there is, as far as the transport takes it.
    pub(super) fn write<T: Transport>(&mut self, transport: &mut T, cx: &mut Context<'_>) {
        while self.broken.is_none() && self.transmit.has_remaining() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.transmit.chunks_vectored(&mut slices);
            match transport.poll_send(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => self.broken = Some(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.transmit.advance(count);
                    self.written += count;
                    self.flushed = false;
                }
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => break,
            }
        }
        if self.broken.is_none() && !self.flushed && !self.transmit.has_remaining() {
            match transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flushed = true,
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => {}
            }
        }
    }

    /// How many bytes have been written since this was asked last.
    #[inline]
    pub(super) fn take_written(&mut self) -> usize {
        std::mem::take(&mut self.written)
    }

    /// Takes output from the connection. Returns whether the task yields first instead.
    ///
    /// With two or more calls in flight, other tasks on this thread are about to call as well, most likely: those whose
    /// answers have just come. Let run once, their calls join this write. A single caller has nothing to add, and would
    /// pay for the yield with its latency; so would a peer for our answers, of which `coalesces` tells.
    pub(super) fn take_output(&mut self, machine: &mut Machine, coalesces: bool) -> bool {
        if self.has_output() || !machine.wants_write() {
            return false;
        }
        let yields = coalesces && !self.yielded && machine.calls_out() >= 2;
        self.yielded = yields;
        // The connection has output, so it gives some.
        yields || !machine.refill(&mut self.transmit)
    }

    /// Adds what has been answered in this turn to the write that follows, unless one is under way.
    pub(super) fn take_answers(&mut self, machine: &mut Machine) {
        if !self.has_output() {
            let _any = machine.refill(&mut self.transmit);
        }
    }
}
