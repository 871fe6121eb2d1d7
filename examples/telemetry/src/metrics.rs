//! The counters of a container, as metrics.

use aiomas_tokio::{Container, ContainerStats};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;

/// A value that only increases.
type Counter = (&'static str, fn(&ContainerStats) -> u64);
/// A value that rises and falls.
type Gauge = (&'static str, fn(&ContainerStats) -> usize);

const COUNTERS: [Counter; 8] = [
    ("aiomas.requests.in", |stats| stats.connections.stats.requests_in),
    ("aiomas.requests.out", |stats| stats.connections.stats.requests_out),
    ("aiomas.failures.in", |stats| stats.connections.stats.failures_in),
    ("aiomas.failures.out", |stats| stats.connections.stats.failures_out),
    ("aiomas.bytes.in", |stats| stats.connections.stats.bytes_in),
    ("aiomas.bytes.out", |stats| stats.connections.stats.bytes_out),
    ("aiomas.connections.refused", |stats| stats.admission.refused),
    ("aiomas.connections.lost", |stats| stats.connections.lost),
];

const GAUGES: [Gauge; 4] = [
    ("aiomas.agents", |stats| stats.agents),
    ("aiomas.calls.waiting", |stats| stats.waiting),
    ("aiomas.connections.open", |stats| stats.connections.open),
    ("aiomas.bytes.queued", |stats| stats.connections.bytes_queued),
];

/// Registers the counters of a container, to be read at each export. Keeps the container alive.
pub(crate) fn watch(provider: &SdkMeterProvider, container: &Container) {
    let meter = provider.meter("aiomas");
    let labels = [KeyValue::new("container", container.address().to_string())];
    for (name, count) in COUNTERS {
        let (container, labels) = (container.clone(), labels.clone());
        meter
            .u64_observable_counter(name)
            .with_callback(move |observer| observer.observe(count(&container.stats()), &labels))
            .build();
    }
    for (name, count) in GAUGES {
        let (container, labels) = (container.clone(), labels.clone());
        meter
            .u64_observable_gauge(name)
            .with_callback(move |observer| {
                observer.observe(count(&container.stats()) as u64, &labels);
            })
            .build();
    }
}
