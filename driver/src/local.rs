//! `local://`: streams inside this process (aiomas' `LocalQueue`).

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};

use super::contain::wake_all;
use super::lock::lock;
use super::transport::{Listener, Transport};
use aiomas_core::agent::Address;

/// The table of `local://` listeners, by name. Clones share the table.
///
/// A process has one table, [`process`](Self::process). A simulated runtime creates its own with `default`, so that
/// concurrent simulations share nothing.
#[derive(Clone, Debug, Default)]
pub struct LocalNames(Arc<Mutex<Backlogs>>);

type Backlogs = BTreeMap<Arc<str>, Arc<Mutex<Backlog>>>;

/// The capacity of one direction in bytes. A full direction blocks the writer, as in a socket.
const CAPACITY: usize = 256 * 1024;
/// The maximum number of streams that wait to be accepted.
const MAX_BACKLOG: usize = 1024;

#[derive(Debug, Default)]
struct Backlog {
    streams: VecDeque<LocalStream>,
    waker: Option<Waker>,
}

/// Accepts streams dialled by its name in this process.
#[derive(Debug)]
pub(super) struct LocalListener {
    names: LocalNames,
    name: Arc<str>,
    backlog: Arc<Mutex<Backlog>>,
}

impl LocalNames {
    /// Returns the table of this process.
    #[must_use]
    pub fn process() -> Self {
        static NAMES: LazyLock<LocalNames> = LazyLock::new(LocalNames::default);
        NAMES.clone()
    }

    /// Takes a name. Errors of this function and of [`dial`](Self::dial) become part of an error that contains the
    /// name.
    pub(super) fn listen(&self, name: Arc<str>) -> io::Result<LocalListener> {
        let mut names = lock(&self.0);
        if names.contains_key(&name) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "the name is taken"));
        }
        let backlog = Arc::<Mutex<Backlog>>::default();
        names.insert(name.clone(), backlog.clone());
        Ok(LocalListener { names: self.clone(), name, backlog })
    }

    /// Opens a stream to the listener at `local://name`.
    pub(super) fn dial(&self, name: &str) -> io::Result<LocalStream> {
        let backlog = lock(&self.0).get(name).cloned();
        // The same kind as for a socket without a listener.
        let backlog = backlog.ok_or_else(|| {
            io::Error::new(io::ErrorKind::ConnectionRefused, "no such name in this process")
        })?;
        let (here, there) = LocalStream::pair();
        let waker = {
            let mut backlog = lock(&backlog);
            if backlog.streams.len() >= MAX_BACKLOG {
                let message = format!("{MAX_BACKLOG} connections wait to be accepted already");
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
            }
            backlog.streams.push_back(there);
            backlog.waker.take()
        };
        wake_all(waker);
        Ok(here)
    }
}

impl Listener for LocalListener {
    type Stream = LocalStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<LocalStream>> {
        let mut backlog = lock(&self.backlog);
        match backlog.streams.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => {
                backlog.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn address(&self) -> io::Result<Address> {
        Ok(Address::Local(self.name.clone()))
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        lock(&self.names.0).remove(&self.name);
        // Peers that wait to be accepted see the end of their stream.
        let waiting = std::mem::take(&mut lock(&self.backlog).streams);
        drop(waiting);
    }
}

/// One end of a stream inside this process.
#[derive(Debug)]
pub(super) struct LocalStream {
    input: Arc<Mutex<Pipe>>,
    output: Arc<Mutex<Pipe>>,
}

/// One direction of a stream.
#[derive(Debug, Default)]
struct Pipe {
    bytes: BytesMut,
    /// The writer has ended its side.
    ended: bool,
    /// The reader is gone.
    closed_with: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl LocalStream {
    fn pair() -> (Self, Self) {
        let (there, back) = (Arc::<Mutex<Pipe>>::default(), Arc::<Mutex<Pipe>>::default());
        let end = Self { input: back.clone(), output: there.clone() };
        (end, Self { input: there, output: back })
    }

    /// Changes a pipe, and wakes the tasks that wait for it.
    fn change(pipe: &Mutex<Pipe>, change: impl FnOnce(&mut Pipe)) {
        let wakers = {
            let mut pipe = lock(pipe);
            change(&mut pipe);
            [pipe.reader.take(), pipe.writer.take()]
        };
        wake_all(wakers.into_iter().flatten());
    }
}

impl Transport for LocalStream {
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let (count, writer) = {
            let mut pipe = lock(&self.input);
            if pipe.bytes.is_empty() {
                if pipe.ended {
                    return Poll::Ready(Ok(0));
                }
                pipe.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            // The reader keeps its buffer, with its adaptive size.
            let count = pipe.bytes.len().min(input.capacity() - input.len());
            input.extend_from_slice(&pipe.bytes[..count]);
            pipe.bytes.advance(count);
            (count, pipe.writer.take())
        };
        wake_all(writer);
        Poll::Ready(Ok(count))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (count, reader) = {
            let mut pipe = lock(&self.output);
            if pipe.closed_with || pipe.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let before = pipe.bytes.len();
            for slice in output {
                let room = CAPACITY.saturating_sub(pipe.bytes.len());
                pipe.bytes.extend_from_slice(&slice[..slice.len().min(room)]);
            }
            if pipe.bytes.len() == before {
                pipe.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            (pipe.bytes.len() - before, pipe.reader.take())
        };
        wake_all(reader);
        Poll::Ready(Ok(count))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::change(&self.output, |pipe| pipe.ended = true);
        Poll::Ready(Ok(()))
    }
}

impl Drop for LocalStream {
    fn drop(&mut self) {
        Self::change(&self.output, |pipe| pipe.ended = true);
        Self::change(&self.input, |pipe| pipe.closed_with = true);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[test]
    fn a_name_has_one_listener_and_is_free_again() {
        let names = LocalNames::default();
        let listener = names.listen("once".into()).unwrap();
        let error = names.clone().listen("once".into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(names.dial("once").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        names.listen("once".into()).unwrap();
    }

    #[test]
    fn tables_have_nothing_in_common() {
        let (names, others) = (LocalNames::default(), LocalNames::default());
        let _listener = names.listen("one".into()).unwrap();
        assert!(others.dial("one").is_err());
        assert!(LocalNames::process().dial("one").is_err());
        let _other = others.listen("one".into()).unwrap();
    }

    #[test]
    fn a_listener_that_accepts_nobody_has_so_many_waiting() {
        let names = LocalNames::default();
        let mut listener = names.listen("busy".into()).unwrap();
        let waiting: Vec<_> = (0..MAX_BACKLOG).map(|_| names.dial("busy").unwrap()).collect();
        assert_eq!(names.dial("busy").unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        assert!(listener.poll_accept(&mut cx()).is_ready());
        names.dial("busy").unwrap();
        drop(waiting);
    }

    #[test]
    fn bytes_come_in_order_and_the_end_after_them() {
        let names = LocalNames::default();
        let mut listener = names.listen("order".into()).unwrap();
        let mut one = names.dial("order").unwrap();
        let Poll::Ready(Ok(mut other)) = listener.poll_accept(&mut cx()) else { panic!() };
        let mut input = BytesMut::with_capacity(16);
        assert!(other.poll_recv(&mut cx(), &mut input).is_pending());
        let output = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        assert!(matches!(one.poll_send(&mut cx(), &output), Poll::Ready(Ok(3))));
        drop(one);
        assert!(matches!(other.poll_recv(&mut cx(), &mut input), Poll::Ready(Ok(3))));
        assert_eq!(&input[..], b"abc");
        assert!(matches!(other.poll_recv(&mut cx(), &mut input), Poll::Ready(Ok(0))));
        let sent = other.poll_send(&mut cx(), &output);
        assert!(
            matches!(sent, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe)
        );
    }

    #[test]
    fn a_writer_waits_for_its_reader() {
        let (mut one, mut other) = LocalStream::pair();
        let large = vec![7; CAPACITY + 1];
        let slices = [IoSlice::new(&large)];
        assert!(matches!(one.poll_send(&mut cx(), &slices), Poll::Ready(Ok(CAPACITY))));
        assert!(one.poll_send(&mut cx(), &slices).is_pending());
        let mut input = BytesMut::with_capacity(CAPACITY);
        assert!(matches!(other.poll_recv(&mut cx(), &mut input), Poll::Ready(Ok(CAPACITY))));
        assert!(one.poll_send(&mut cx(), &slices).is_ready());
    }
}
