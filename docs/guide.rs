//! The chapters of the guide, so that their programs are compiled and run: `cargo test -p aiomas-guide`.
//!
//! To read it, `mdbook serve docs`, or any viewer of Markdown.

/// Makes a module of each chapter.
macro_rules! chapters {
    ($($name:ident: $file:literal)*) => {
        $(
            #[doc = include_str!($file)]
            pub mod $name {}
        )*
    };
}

chapters! {
    overview: "overview.md"
    channel: "channel.md"
    rpc: "rpc.md"
    agents: "agents.md"
    values: "values.md"
    clocks: "clocks.md"
    tls: "tls.md"
    children: "children.md"
    reconnecting: "reconnecting.md"
    simulator: "simulator.md"
    mosaik: "mosaik.md"
    from_python: "from-python.md"
    embedding: "embedding.md"
    adapter: "adapter.md"
    fuzzing: "fuzzing.md"
    protocol: "protocol.md"
    operating: "operating.md"
}
