//! What the programs run on.

/// What a program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RuntimeKind {
    /// The poll loop: the core without a driver.
    Poll,
    /// The driver on tokio.
    Tokio,
}

impl RuntimeKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Poll, Self::Tokio];

    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Tokio => "tokio",
        }
    }
}

/// Runs `main` on tokio, with a thread for each processor.
///
/// # Panics
/// If the system has no threads left.
pub fn on_tokio<T>(main: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("tokio: {error}")).block_on(main)
}
