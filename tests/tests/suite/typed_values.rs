//! Values of user types: derived by serde, enums, and one written by hand. Rust and Python register
//! them in the same order.

use std::time::Duration;

use aiomas::{Error, Runtime};
use aiomas::{serializable, service};
use aiomas_core::connection::Negotiate;
use aiomas_core::wire::typed::Serializable;
use aiomas_core::wire::{Codec, RemoteError, Types};
use aiomas_sim::Sim;
use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::{Celsius, Mode, Point, Serializers};

use crate::{CODECS, peer};

const TCP: &str = "tcp://127.0.0.1:0";
const ALL: Serializers = Serializers::PointCelsiusMode;

/// Rust clients, on each runtime, send values to a Python server, which returns them.
fn to_python(codec: Codec) {
    let setup = Setup { serializers: ALL.name(), ..Setup::new("rpc", codec.name()) };
    let (process, ready) = setup.serve(TCP);
    let address = ready.addr.parse().expect("an address");
    let server = Server { address, codec, serializers: ALL, tls: None, external_clock: false };
    for runtime in RuntimeKind::ALL {
        // Including the scenarios for types and enums, which the poll loop combines into one.
        let count = if runtime == RuntimeKind::Poll { 11 } else { 14 };
        assert_eq!(server.challenge(Kind::Rpc, runtime), count);
    }
    process.stop();
}

#[test]
fn to_python_json() {
    to_python(Codec::Json);
}

#[test]
fn to_python_msgpack() {
    to_python(Codec::MsgPack);
}

#[test]
fn to_python_msgpackblosc() {
    to_python(Codec::MsgPackBlosc);
}

/// A Python client sends values to Rust servers, on each runtime, which return them.
fn from_python(runtime: RuntimeKind) {
    let args = ["rpc", "--addr", TCP, "--serializers", ALL.name(), "--runtime", runtime.name()];
    let (process, ready) = Process::serve(peer(&args));
    for codec in CODECS {
        let setup = Setup { serializers: ALL.name(), ..Setup::new("rpc", codec.name()) };
        assert!(setup.challenge(&ready.addr) >= 10);
    }
    process.stop();
}

#[test]
fn from_python_on_poll() {
    from_python(RuntimeKind::Poll);
}

#[test]
fn from_python_on_tokio() {
    from_python(RuntimeKind::Tokio);
}

#[test]
fn from_python_on_smol() {
    from_python(RuntimeKind::Smol);
}

#[test]
fn from_python_on_async_std() {
    from_python(RuntimeKind::AsyncStd);
}

/// Its name on the wire is that of the type.
#[serializable]
#[derive(Debug, PartialEq)]
struct Unknown;

/// A tuple struct, with serde attributes on its fields.
#[serializable(name = "span")]
#[derive(Debug, PartialEq)]
struct Span(u32, #[serde(default)] Option<Box<Self>>);

struct Weather;

#[service]
impl Weather {
    #[expose]
    fn mirror(&self, point: Point) -> Point {
        Point { x: point.y, y: point.x }
    }

    #[expose]
    fn span(&self, span: Span, mode: Mode) -> (Mode, Span) {
        (mode, Span(span.0 + 1, Some(Box::new(span))))
    }

    #[expose]
    fn lost(&self) -> Unknown {
        Unknown
    }
}

/// Returns the results of `call` between a client and a server with these types. The types are
/// matched by position or by name.
fn between<T>(
    (theirs, ours): (Types, Types),
    negotiate: impl Fn(Codec) -> Negotiate,
    call: impl AsyncFn(WeatherProxy) -> T,
) -> Vec<T> {
    let mut results = Vec::new();
    for codec in CODECS {
        let sim = Sim::new(1);
        let result = sim.block_on(talk(sim.host("main"), &theirs, &ours, negotiate(codec), &call));
        results.push(result);
    }
    results
}

async fn talk<R: Runtime, T>(
    runtime: R,
    theirs: &Types,
    ours: &Types,
    negotiate: Negotiate,
    call: &impl AsyncFn(WeatherProxy) -> T,
) -> T {
    let server = aiomas::rpc::builder(runtime.clone()).types(theirs.clone()).service(Weather);
    let server = server.listen("local://weather").await.expect("a listener");
    let client = aiomas::rpc::builder(runtime).types(ours.clone()).negotiate(negotiate);
    let client = client.connect(server.address()).await.expect("a connection");
    let remote: WeatherProxy = client.remote_as();
    call(remote.with_timeout(Duration::from_secs(300))).await
}

fn orders() -> (Types, Types) {
    let none = Types::default();
    let theirs = none.with::<Celsius>().with::<Point>().with::<Mode>().with::<Span>();
    (theirs, none.with::<Span>().with::<Mode>().with::<Point>())
}

#[test]
fn derived_types_have_names_and_data() {
    assert_eq!((Unknown::TYPE, Span::TYPE, Point::TYPE), ("Unknown", "span", "point"));
    let (theirs, _) = orders();
    let mode = || Mode::Between { low: Point::new(1, 2), high: Point::new(3, "x") };
    let sent = async |weather: WeatherProxy| weather.span(Span(1, None), mode()).await;
    for result in between((theirs.clone(), theirs), Negotiate::Fixed, sent) {
        assert_eq!(result, Ok((mode(), Span(2, Some(Box::new(Span(1, None)))))));
    }
}

/// Both sides receive an error that names the mismatched types.
#[test]
fn another_order_is_an_error_that_names_the_types() {
    for result in between(orders(), Negotiate::Fixed, async |weather: WeatherProxy| {
        weather.mirror(Point::new(1, 2)).await
    }) {
        let error = result.expect_err("a failure");
        let error = error.remote().map(RemoteError::message).unwrap_or_default();
        assert!(error.contains("expected a value of type \"point\", got type \"mode\""), "{error}");
    }
    let types = Types::default().with::<Point>();
    for result in between((types.clone(), types), Negotiate::Fixed, async |weather| {
        (weather.lost().await, weather.span(Span(1, None), Mode::Off).await)
    }) {
        // The value can be sent neither as an answer nor as an argument.
        let (answer, argument) = (result.0.expect_err("a failure"), result.1.expect_err("refused"));
        let kind = answer.remote().map(RemoteError::kind);
        assert_eq!(kind, Some("aiomas.exceptions.SerializationError"));
        for error in [&answer, &argument] {
            let name = if answer == *error { "Unknown" } else { "span" };
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(matches!(argument, Error::Refused(_)), "{argument:?}");
    }
}

/// With Hello, the order does not matter.
#[test]
fn names_need_no_order() {
    let hello = |codec| Negotiate::Hello { base: codec, offer: vec![codec] };
    for result in between(orders(), hello, async |weather: WeatherProxy| {
        let mirror = weather.mirror(Point::new(1, 2)).await;
        (mirror, weather.span(Span(7, None), Mode::Level(3)).await)
    }) {
        assert_eq!(result.0, Ok(Point::new(2, 1)));
        assert_eq!(result.1, Ok((Mode::Level(3), Span(8, Some(Box::new(Span(7, None)))))));
    }
}
