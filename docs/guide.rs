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
    tutorial_1_agents: "tutorial-1-agents.md"
    tutorial_2_types: "tutorial-2-types.md"
    tutorial_3_failures: "tutorial-3-failures.md"
    tutorial_4_tests: "tutorial-4-tests.md"
    tutorial_5_python: "tutorial-5-python.md"
    tutorial_6_tls: "tutorial-6-tls.md"
    tutorial_7_fleet: "tutorial-7-fleet.md"
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
