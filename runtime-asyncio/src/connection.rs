//! A connection of the core, driven by an asyncio protocol.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aiomas_core::connection::{
    self, CallError, CallOptions, CallRejected, CloseReason, Config, Event, Limits, Negotiate,
    ReplyToken, RequestId, Side, Transmit,
};
use aiomas_core::wire::{Body, Codec, Format, MessageId, Payload, RemoteError, Types};
use bytes::{Buf, BytesMut};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::decode::read;
use crate::encode::{BUDGET, write};
use crate::fork;

/// A request of the peer, to be answered once.
#[pyclass(frozen, module = "aiomas_rs._native")]
#[derive(Debug)]
pub(crate) struct Incoming {
    token: Mutex<Option<ReplyToken>>,
    /// The content of the request.
    #[pyo3(get)]
    content: Py<PyAny>,
}

#[pymethods]
impl Incoming {
    /// The number of the request on its connection, if it is one and the request has not been answered.
    #[getter]
    fn id(&self) -> Option<u64> {
        match self.lock().as_ref()?.message_id() {
            MessageId::Number(number) => Some(*number),
            MessageId::Other(_) => None,
        }
    }
}

/// One end of a byte stream: requests and answers in both directions.
///
/// The lock is never held while Python code runs, which includes every allocation and drop of a Python object.
#[pyclass(frozen, module = "aiomas_rs._native")]
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    codec: Py<PyAny>,
    /// Makes the exception of a call that has no result, from its kind and a text.
    failure: Py<PyAny>,
    generation: u64,
}

#[derive(Debug)]
struct State {
    core: connection::Connection<Py<PyAny>>,
    input: BytesMut,
    transmit: Transmit,
    /// The tasks of requests that the peer may cancel.
    tasks: HashMap<RequestId, Py<PyAny>>,
}

/// The peer's messages, for the protocol: whether answers came, then requests and the reason of the end.
type Received<'py> = (bool, Option<Bound<'py, PyList>>);

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (codec, format, listener, failure, limits=None, hello=false, types=Vec::new()))]
    fn new(
        codec: Py<PyAny>,
        format: &str,
        listener: bool,
        failure: Py<PyAny>,
        limits: Option<&Bound<'_, PyDict>>,
        hello: bool,
        types: Vec<String>,
    ) -> PyResult<Self> {
        let wire = match format {
            "json" => Codec::Json,
            "msgpack" => Codec::MsgPack,
            "msgpackblosc" => Codec::MsgPackBlosc,
            _ => return Err(PyValueError::new_err(format!("there is no format {format:?}"))),
        };
        let mut config = Config::new(wire);
        config.limits = self::limits(limits)?;
        config.types = Types::new(types);
        config.linger = Duration::ZERO;
        config.answer_hello = hello;
        if hello {
            let offer = vec![Codec::MsgPack, Codec::Json];
            config.negotiate = Negotiate::Hello { base: wire, offer };
        }
        let side = if listener { Side::Listener } else { Side::Dialler };
        let core = connection::Connection::new(Arc::new(config), side, Instant::now());
        let state = State {
            core,
            input: BytesMut::new(),
            transmit: Transmit::default(),
            tasks: HashMap::new(),
        };
        Ok(Self { state: Mutex::new(state), codec, failure, generation: fork::generation() })
    }

    #[allow(clippy::missing_const_for_fn, reason = "the macro")]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.codec)?;
        visit.call(&self.failure)
    }

    /// Takes bytes of the peer.
    ///
    /// Sets the results of calls. Returns whether there were any, and a list of requests (`Incoming`); if the connection has
    /// ended, the last item is the reason, a string.
    fn receive<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Received<'py>> {
        fork::check(self.generation)?;
        let mut events = Vec::new();
        {
            let state = &mut *self.lock();
            state.input.extend_from_slice(data);
            let now = Instant::now();
            while let Some(event) = state.core.poll_input(now, &mut state.input) {
                events.push(event);
            }
        }
        self.deliver(py, events)
    }

    /// Sends a request. Its result is set to `future`.
    #[pyo3(signature = (content, future, timeout=None))]
    fn call(
        &self,
        content: &Bound<'_, PyAny>,
        future: Py<PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<u64> {
        fork::check(self.generation)?;
        let py = content.py();
        let mut options = CallOptions::default();
        options.timeout = timeout.map(seconds).transpose()?;
        let format = self.lock().core.codec().format();
        let body = self.encode(format, content)?;
        let called = self.lock().core.call_body(Instant::now(), &body, options, future);
        called.map(|id| id.get()).map_err(|refused| self.refused(py, &refused.why))
    }

    /// Gives up a call. A peer that knows how to cancel is told.
    fn cancel(&self, id: u64) {
        let _future = self.lock().core.cancel(Instant::now(), connection::CallId(id));
    }

    /// Answers a request with a value.
    fn reply(&self, incoming: &Incoming, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let format = match &*incoming.lock() {
            Some(token) => token.format(),
            None => return Err(answered()),
        };
        let body = self.encode(format, value)?;
        self.answer(value.py(), incoming, &Ok(body))
    }

    /// Answers a request with a failure.
    fn fail(
        &self,
        py: Python<'_>,
        incoming: &Incoming,
        kind: &str,
        message: String,
        text: String,
    ) -> PyResult<()> {
        self.answer(py, incoming, &Err(RemoteError::new(kind, message).with_text(text)))
    }

    /// Lets the peer cancel `task`, which works on a request.
    fn watch(&self, incoming: &Incoming, task: Py<PyAny>) {
        let request = match &*incoming.lock() {
            Some(token) if token.is_cancellable() => token.request(),
            _ => return,
        };
        let _old = self.lock().tasks.insert(request, task);
    }

    /// The bytes to be written next, or `None`. The transport holds them from now on.
    fn take<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let mut transmit = {
            let state = &mut *self.lock();
            if !state.core.refill(&mut state.transmit) {
                return None;
            }
            std::mem::take(&mut state.transmit)
        };
        let count = transmit.remaining();
        let chunk = transmit.chunk();
        let bytes = if chunk.len() == count {
            PyBytes::new(py, chunk)
        } else {
            PyBytes::new(py, &transmit.copy_to_bytes(count))
        };
        transmit.advance(transmit.remaining());
        let state = &mut *self.lock();
        state.core.handle_transmitted(Instant::now(), count);
        state.transmit = transmit;
        Some(bytes)
    }

    /// In how many seconds `handle_timeout` is due.
    fn timeout(&self) -> Option<f64> {
        let at = self.lock().core.poll_timeout()?;
        Some(at.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    /// Ends calls that have waited long enough. Returns what `receive` does.
    fn handle_timeout<'py>(&self, py: Python<'py>) -> PyResult<Received<'py>> {
        let mut events = Vec::new();
        {
            let state = &mut *self.lock();
            let now = Instant::now();
            state.core.handle_timeout(now);
            while let Some(event) = state.core.poll_input(now, &mut state.input) {
                events.push(event);
            }
        }
        self.deliver(py, events)
    }

    /// Ends the connection, whose stream is gone. All calls fail.
    fn lost<'py>(&self, py: Python<'py>) -> PyResult<Received<'py>> {
        let mut events = Vec::new();
        let tasks;
        {
            let state = &mut *self.lock();
            state.core.handle_lost(Instant::now(), CloseReason::Peer);
            while let Some(event) = state.core.poll_event() {
                events.push(event);
            }
            tasks = std::mem::take(&mut state.tasks);
        }
        drop(tasks);
        self.deliver(py, events)
    }

    /// Whether bytes of the peer should be read.
    #[getter]
    fn wants_read(&self) -> bool {
        self.lock().core.wants_read()
    }

    /// Whether a cancelled call is cancelled on the other side.
    #[getter]
    fn cancels(&self) -> bool {
        self.lock().core.extensions().cancel
    }

    /// The codec that is written at present.
    #[getter]
    fn format(&self) -> &'static str {
        self.lock().core.codec().name()
    }

    /// Counts of what went over the connection.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (stats, calls_out, calls_in, queued) = {
            let core = &self.lock().core;
            (core.stats(), core.calls_out(), core.calls_in(), core.bytes_queued())
        };
        let dict = PyDict::new(py);
        for (name, count) in [
            ("frames_in", stats.frames_in),
            ("frames_out", stats.frames_out),
            ("bytes_in", stats.bytes_in),
            ("bytes_out", stats.bytes_out),
            ("requests_in", stats.requests_in),
            ("requests_out", stats.requests_out),
            ("results_out", stats.results_out),
            ("failures_out", stats.failures_out),
            ("unanswered", stats.unanswered),
            ("calls_out", calls_out as u64),
            ("calls_in", calls_in as u64),
            ("bytes_queued", queued as u64),
        ] {
            dict.set_item(name, count)?;
        }
        Ok(dict)
    }
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encode(&self, format: Format, value: &Bound<'_, PyAny>) -> PyResult<Body> {
        let mut out = Vec::with_capacity(64);
        write(format, value, self.codec.bind(value.py()), &mut out)?;
        Ok(Body::from_encoded(format, out.into()))
    }

    fn decode<'py>(&self, py: Python<'py>, payload: &Payload) -> PyResult<Bound<'py, PyAny>> {
        read(payload.format(), payload.bytes(), self.codec.bind(py))
    }

    fn answer(
        &self,
        py: Python<'_>,
        incoming: &Incoming,
        result: &Result<Body, RemoteError>,
    ) -> PyResult<()> {
        let token = incoming.lock().take().ok_or_else(answered)?;
        let (sent, task) = {
            let state = &mut *self.lock();
            let task =
                if token.is_cancellable() { state.tasks.remove(&token.request()) } else { None };
            (state.core.answer(Instant::now(), token, result), task)
        };
        drop(task);
        match sent {
            Err(why @ CallRejected::Closed) => Err(self.refused(py, &why)),
            // The caller has given up, or was told what is wrong.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Why nothing was sent.
    fn refused(&self, py: Python<'_>, why: &CallRejected) -> PyErr {
        match why {
            CallRejected::Closed => self.exception(py, "lost", "Connection closed"),
            CallRejected::TooLong { .. } => PyValueError::new_err(why.to_string()),
            CallRejected::TooManyCalls { .. } | CallRejected::OutputFull { .. } => {
                self.exception(py, "limit", &why.to_string())
            }
            _ => PyRuntimeError::new_err(why.to_string()),
        }
    }

    fn exception(&self, py: Python<'_>, kind: &str, text: &str) -> PyErr {
        match self.failure.bind(py).call1((kind, text)) {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }

    /// Hands out what has happened.
    fn deliver<'py>(
        &self,
        py: Python<'py>,
        events: Vec<Event<Py<PyAny>>>,
    ) -> PyResult<Received<'py>> {
        let (mut answered, mut items) = (false, None);
        for event in events {
            match event {
                Event::Answer { ctx, result, .. } => {
                    answered = true;
                    self.settle(ctx.bind(py), result)?;
                }
                Event::Request(request) => match self.decode(py, &request.content) {
                    Ok(content) => {
                        let (token, content) = (Mutex::new(Some(request.token)), content.unbind());
                        let items = items.get_or_insert_with(|| PyList::empty(py));
                        items.append(Bound::new(py, Incoming { token, content })?)?;
                    }
                    Err(error) => self.refuse(py, request.token, &error)?,
                },
                Event::Cancelled { request, .. } => {
                    let task = self.lock().tasks.remove(&request);
                    if let Some(task) = task {
                        task.call_method0(py, intern!(py, "cancel"))?;
                    }
                }
                Event::Closed { reason } => {
                    let items = items.get_or_insert_with(|| PyList::empty(py));
                    items.append(reason.to_string())?;
                }
                Event::Open { .. } | Event::Writable => {}
            }
        }
        Ok((answered, items))
    }

    /// Sets the result of a call to its future.
    fn settle(
        &self,
        future: &Bound<'_, PyAny>,
        result: Result<Payload, CallError>,
    ) -> PyResult<()> {
        let py = future.py();
        let error = match result {
            Ok(payload) => match self.decode(py, &payload) {
                Ok(value) => {
                    let set = future.call_method1(intern!(py, "set_result"), (value,));
                    return settled(set, future);
                }
                Err(error) => error,
            },
            Err(CallError::Remote(error)) => self.exception(py, "remote", error.text()),
            Err(CallError::Lost(reason)) => self.exception(py, "lost", &reason.to_string()),
            Err(error @ CallError::TimedOut { .. }) => {
                self.exception(py, "timeout", &error.to_string())
            }
        };
        let set = future.call_method1(intern!(py, "set_exception"), (error.into_value(py),));
        settled(set, future)
    }

    /// Answers a request that cannot be decoded.
    fn refuse(&self, py: Python<'_>, token: ReplyToken, error: &PyErr) -> PyResult<()> {
        let kind = error.get_type(py).name()?.to_string();
        let error = RemoteError::new(kind, error.value(py).to_string());
        let _closed = self.lock().core.fail(Instant::now(), token, &error);
        Ok(())
    }
}

impl Incoming {
    fn lock(&self) -> MutexGuard<'_, Option<ReplyToken>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future that is done, because it was cancelled, takes no result.
fn settled(set: PyResult<Bound<'_, PyAny>>, future: &Bound<'_, PyAny>) -> PyResult<()> {
    match set {
        Ok(_) => Ok(()),
        Err(error) => {
            let done = future.call_method0(intern!(future.py(), "done"))?.is_truthy()?;
            if done { Ok(()) } else { Err(error) }
        }
    }
}

fn answered() -> PyErr {
    PyRuntimeError::new_err("this request has been answered already")
}

fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The limits of aiomas' programs, which expect none, with those that `given` names.
fn limits(given: Option<&Bound<'_, PyDict>>) -> PyResult<Limits> {
    let mut limits = Limits::trusted();
    limits.budget = BUDGET;
    limits.keep_alive = None;
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        match &*name {
            "max_frame" => limits.max_frame = value.extract()?,
            "max_calls_out" => limits.max_calls_out = value.extract()?,
            "max_calls_in" => limits.max_calls_in = value.extract()?,
            "max_input_bytes" => limits.max_input_bytes = value.extract()?,
            "output_high" => limits.output_high = value.extract()?,
            "max_failure" => limits.max_failure = value.extract()?,
            "send_timeout" => limits.send_timeout = duration(&value)?,
            "first_frame" => limits.first_frame = duration(&value)?,
            "idle" => limits.idle = duration(&value)?,
            "keep_alive" => limits.keep_alive = duration(&value)?,
            _ => return Err(PyValueError::new_err(format!("there is no limit {name:?}"))),
        }
    }
    Ok(limits)
}

fn duration(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    value.extract::<Option<f64>>()?.map(seconds).transpose()
}
