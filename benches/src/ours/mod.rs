//! aiomas as a contestant: each runtime, each codec, typed and dynamic proxies.

mod agent;
mod client;
mod server;

use aiomas::tls::TlsConfig;
use aiomas::{Error, Runtime};
use aiomas_bench_contract::{Address, Options, Role, Skills};
use aiomas_core::wire::Codec;
use aiomas_tests::certificates::{Authority, KeyKind};

pub(crate) use agent::{TestAgent, TestAgentProxy};

/// All capabilities of aiomas.
pub(crate) const SKILLS: Skills =
    Skills { unix: true, tls: true, payload: true, connections: true, agents: true };

/// The runtime of a contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Tokio,
    Smol,
    AsyncStd,
}

impl On {
    pub(crate) const ALL: [Self; 3] = [Self::Tokio, Self::Smol, Self::AsyncStd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::AsyncStd => "async-std",
        }
    }
}

/// The kind of proxy that calls agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `proxy.service(42)`
    Typed,
    /// `proxy.call("service").arg(42).send()`
    Dynamic,
}

/// A contestant of aiomas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) on: On,
    pub(crate) codec: Codec,
    pub(crate) style: Style,
}

impl Variant {
    /// Returns all variants.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let styles = [Style::Typed, Style::Dynamic];
        let codecs = [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc];
        On::ALL.into_iter().flat_map(move |on| {
            codecs.into_iter().flat_map(move |codec| {
                styles.into_iter().map(move |style| Self { on, codec, style })
            })
        })
    }

    /// Returns the name, such as `ours-tokio-msgpack-typed`.
    pub(crate) fn name(self) -> String {
        let codec = match self.codec {
            Codec::MsgPackBlosc => "blosc",
            codec => codec.name(),
        };
        let style = match self.style {
            Style::Typed => "typed",
            Style::Dynamic => "dynamic",
        };
        format!("ours-{}-{codec}-{style}", self.on.name())
    }

    /// Returns the variant of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|variant| variant.name() == name)
    }

    /// Runs the role of the command line.
    pub(crate) fn run(self, options: &Options) -> Result<(), String> {
        match self.on {
            On::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|error| error.to_string())?;
                runtime.block_on(self.role(aiomas_tokio::Tokio::default(), &options.role))
            }
            On::Smol => smol::block_on(self.role(aiomas_smol::Smol::default(), &options.role)),
            On::AsyncStd => {
                let runtime = aiomas_async_std::AsyncStd::default();
                async_std::task::block_on(self.role(runtime, &options.role))
            }
        }
    }

    async fn role<R: Runtime>(self, runtime: R, role: &Role) -> Result<(), String> {
        match role {
            Role::Serve(serve) => server::serve(self, runtime, serve).await,
            Role::Call(load) => client::call(self, runtime, load).await,
            Role::Hold(hold) => client::hold(self, runtime, hold).await,
        }
    }

    /// Applies our settings to the builder of any layer.
    fn configured<R: Runtime, L>(
        self,
        builder: aiomas::Builder<R, L>,
        address: &Address,
    ) -> aiomas::Builder<R, L> {
        let builder = builder.codec(self.codec);
        if !matches!(address, Address::Tls(_)) {
            return builder;
        }
        // Both ends derive the same authority, because its key is constant.
        builder.tls(tls())
    }
}

fn tls() -> TlsConfig {
    Authority::new(KeyKind::Rsa).sign("bench").config()
}

/// Formats an address for our layers, where settings enable TLS.
fn address(address: &Address) -> String {
    match address {
        Address::Tls(host) => format!("tcp://{host}"),
        other => other.to_string(),
    }
}

fn said(error: std::io::Error) -> String {
    error.to_string()
}

fn text(error: Error) -> String {
    error.to_string()
}
