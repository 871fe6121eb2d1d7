//! A subscriber of `tracing` that keeps what it receives.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};
use tracing_subscriber::registry::{self, LookupSpan};

/// A span or an event.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) target: &'static str,
    pub(super) name: String,
    pub(super) level: Level,
    pub(super) fields: BTreeMap<&'static str, String>,
    /// The parent span.
    pub(super) parent: Option<usize>,
    pub(super) is_open: bool,
}

impl Told {
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(super) fn seconds(&self) -> f64 {
        self.field("elapsed").parse().unwrap()
    }
}

/// Records all spans and events.
#[derive(Clone)]
pub(super) struct Collector {
    pub(super) level: Level,
    pub(super) spans: Arc<Mutex<Vec<Told>>>,
    pub(super) events: Arc<Mutex<Vec<Told>>>,
}

/// The index of a span.
struct Number(usize);

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.name = text,
            name => drop(self.fields.insert(name, text)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

impl Collector {
    /// Returns the records of `f`, up to this level. Simulations have one thread.
    pub(super) fn watch(level: Level, f: impl FnOnce()) -> Self {
        // With only one subscriber, `tracing` caches the interest of any thread's default
        // subscriber, and other tests have none. So there is a second one.
        static OTHER: OnceLock<Dispatch> = OnceLock::new();
        OTHER.get_or_init(|| Dispatch::new(NoSubscriber::default()));
        let collector = Self { level, spans: Arc::default(), events: Arc::default() };
        let subscriber = registry::Registry::default().with(collector.clone());
        tracing::subscriber::with_default(subscriber, f);
        collector
    }

    fn told(metadata: &'static Metadata<'static>, parent: Option<usize>) -> Told {
        let (target, name) = (metadata.target(), metadata.name().to_owned());
        let (level, fields) = (*metadata.level(), BTreeMap::new());
        Told { target, name, level, fields, parent, is_open: true }
    }

    pub(super) fn spans(&self, name: &str) -> Vec<(usize, Told)> {
        let spans = self.spans.lock().unwrap();
        spans.iter().cloned().enumerate().filter(|(_, span)| span.name == name).collect()
    }

    pub(super) fn span(&self, name: &str) -> (usize, Told) {
        let mut spans = self.spans(name);
        assert_eq!(spans.len(), 1, "{name}: {spans:#?}");
        spans.remove(0)
    }

    pub(super) fn events(&self, target: &str) -> Vec<Told> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.target == target).cloned().collect()
    }

    /// Returns the records of a level or a more severe one.
    pub(super) fn at_least(&self, level: Level) -> Vec<Told> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.level <= level).cloned().collect()
    }

    /// Returns all texts that a subscriber may have written.
    pub(super) fn texts(&self) -> Vec<String> {
        let (spans, events) = (self.spans.lock().unwrap(), self.events.lock().unwrap());
        let all = spans.iter().chain(&*events);
        all.flat_map(|told| told.fields.values().chain([&told.name])).cloned().collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn enabled(&self, metadata: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
        *metadata.level() <= self.level
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().and_then(|parent| Some(parent.extensions().get::<Number>()?.0));
        let mut told = Self::told(attributes.metadata(), parent);
        attributes.record(&mut told);
        let mut spans = self.spans.lock().unwrap();
        span.extensions_mut().insert(Number(spans.len()));
        spans.push(told);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        let number = context.span(id).unwrap().extensions().get::<Number>().unwrap().0;
        values.record(&mut self.spans.lock().unwrap()[number]);
    }

    fn on_event(&self, event: &Event<'_>, context: layer::Context<'_, S>) {
        let span = context.event_span(event);
        let parent = span.and_then(|span| Some(span.extensions().get::<Number>()?.0));
        let mut told = Self::told(event.metadata(), parent);
        event.record(&mut told);
        self.events.lock().unwrap().push(told);
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        let number = context.span(&id).unwrap().extensions().get::<Number>().unwrap().0;
        self.spans.lock().unwrap()[number].is_open = false;
    }
}
