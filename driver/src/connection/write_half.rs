//! The write half of a connection's task: pending output, and write errors.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll};

use bytes::Buf;

use super::shared::Machine;
use crate::transport::Transport;
use aiomas_core::connection::Transmit;

/// The number of pieces of output in one system call.
const MAX_SLICES: usize = 32;

pub(super) struct WriteHalf {
    /// The output being written. It swaps its buffer with the connection's, so that a connection that writes constantly
    /// allocates nothing.
    transmit: Transmit,
    /// Written bytes that the connection has not been informed of.
    written: usize,
    flushed: bool,
    /// The write error, until the read half takes it.
    pub(super) broken: Option<io::Error>,
    /// Other tasks have run since the connection got its present output.
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
    /// Returns whether output must be written before more is taken from the connection.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        self.transmit.has_remaining()
    }

    /// Writes as much output as the transport takes.
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

    /// Returns the number of bytes written since the last call of this function.
    #[inline]
    pub(super) fn take_written(&mut self) -> usize {
        std::mem::take(&mut self.written)
    }

    /// Takes output from the connection. Returns whether the task yields first instead.
    ///
    /// With two or more calls in flight, other tasks on this thread most likely call soon: those whose answers have
    /// just come. After one yield, their calls join this write. A single caller has nothing to add, and the yield would
    /// cost it latency. The same holds for a peer that waits for our answers, hence `coalesces`.
    pub(super) fn take_output(&mut self, machine: &mut Machine, coalesces: bool) -> bool {
        if self.has_output() || !machine.wants_write() {
            return false;
        }
        let yields = coalesces && !self.yielded && machine.calls_out() >= 2;
        self.yielded = yields;
        // The connection has output, so the refill succeeds.
        yields || !machine.refill(&mut self.transmit)
    }

    /// Adds this turn's answers to the next write, unless a write is pending.
    pub(super) fn take_answers(&mut self, machine: &mut Machine) {
        if !self.has_output() {
            let _any = machine.refill(&mut self.transmit);
        }
    }
}
