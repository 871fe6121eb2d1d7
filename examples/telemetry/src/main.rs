//! Calls as spans of OpenTelemetry, and counters as its metrics.
//!
//! A client reads the meters of a house: one call to the house, which calls its two meters. Spans
//! and metrics go to standard output, so the program runs without a collector. To send them to one,
//! replace `opentelemetry-stdout` by `opentelemetry-otlp`.

mod metrics;

use aiomas_tokio::{AgentRef, Context, Error, agent, container};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};

struct Meter {
    kilowatts: f64,
}

#[agent]
impl Meter {
    #[expose]
    fn read(&self) -> f64 {
        self.kilowatts
    }
}

/// A house with its meters.
struct House {
    meters: Vec<AgentRef<Meter>>,
}

#[agent]
impl House {
    #[expose]
    async fn total(&self, #[context] context: Context) -> Result<f64, Error> {
        let mut total = 0.0;
        for meter in &self.meters {
            let meter = context.container()?.connect::<MeterProxy>(meter.url()).await?;
            total += meter.read().await?;
        }
        Ok(total)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resource = Resource::builder().with_service_name("house").build();
    let spans = SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .with_resource(resource.clone())
        .build();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(opentelemetry_stdout::MetricExporter::default())
        .with_resource(resource)
        .build();
    // Spans of calls have the level `debug`. A log would also receive events, such as those of
    // connections.
    let calls = Targets::new().with_target("aiomas", LevelFilter::DEBUG);
    let subscriber = tracing_subscriber::registry()
        .with(
            tracing_opentelemetry::layer()
                .with_tracer(spans.tracer("aiomas"))
                .with_location(false)
                .with_threads(false)
                .with_filter(calls),
        )
        .with(
            tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(std::io::stderr)
                .with_filter(LevelFilter::INFO),
        );
    tracing::subscriber::set_global_default(subscriber)?;

    read_the_meters(&meters).await?;

    meters.shutdown()?;
    spans.shutdown()?;
    Ok(())
}

async fn read_the_meters(metrics: &SdkMeterProvider) -> Result<(), Error> {
    let house = container::bind("tcp://127.0.0.1:0").await?;
    let meters = [1.5, 0.5].map(|kilowatts| house.spawn(Meter { kilowatts }));
    let meters = meters.into_iter().collect::<Result<_, _>>()?;
    let agent = house.spawn(House { meters })?;
    metrics::watch(metrics, &house);

    let grid = container::bind("tcp://127.0.0.1:0").await?;
    let proxy = grid.connect::<HouseProxy>(agent.url()).await?;
    println!("the house takes {} kW", proxy.total().await?);
    // Counters are read at each export: here at the end, and once a minute.
    if let Err(error) = metrics.force_flush() {
        eprintln!("{error}");
    }
    grid.shutdown().await?;
    house.shutdown().await
}
