//! A runtime whose sockets all speak TLS.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;

use super::config::TlsConfig;
use super::listener::TlsListener;
use super::stream::Tls;
use crate::host::AnyRuntime;
use crate::local::LocalNames;
use crate::runtime::Runtime;
use aiomas_core::agent::Address;
use aiomas_core::connection::TlsError;

/// A runtime within TLS. Its streams [open](crate::Transport::poll_open) with a handshake, so layers above see secure
/// streams only. `local://` addresses do not use TLS.
#[derive(Clone, Debug)]
pub struct Secure<R> {
    pub(super) runtime: R,
    pub(super) config: Arc<TlsConfig>,
}

impl<R: Runtime> Secure<R> {
    /// Wraps a runtime in TLS. The validity of certificates depends on the runtime's [date](Runtime::since_epoch).
    #[must_use]
    pub fn new(runtime: R, mut config: TlsConfig) -> Self {
        let date: Arc<dyn TimeProvider> = Arc::new(DateOf(runtime.clone()));
        Arc::make_mut(&mut config.server).time_provider = date.clone();
        Arc::make_mut(&mut config.client).time_provider = date;
        Self { runtime, config: Arc::new(config) }
    }

    /// Returns the name that the certificate of the server at `address` must have.
    fn name(&self, address: &Address) -> Result<ServerName<'static>, TlsError> {
        if let Some(name) = &self.config.server_name {
            return Ok(name.clone());
        }
        let Address::Tcp { host, .. } = address else { return Err(TlsError::NoName) };
        ServerName::try_from(host.to_string()).map_err(|_| TlsError::NoName)
    }
}

/// Provides the runtime's date to rustls.
struct DateOf<R>(R);

impl<R: Runtime> TimeProvider for DateOf<R> {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.since_epoch()))
    }
}

impl<R> fmt::Debug for DateOf<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateOf")
    }
}

impl<R: Runtime> Runtime for Secure<R> {
    type Stream = Tls<R::Stream>;
    type Listener = TlsListener<R::Listener>;
    type Timer = R::Timer;

    fn attach(&self) -> io::Result<AnyRuntime> {
        let runtime = self.runtime.attach()?;
        Ok(AnyRuntime::new(Secure { runtime, config: self.config.clone() }))
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn since_epoch(&self) -> Duration {
        self.runtime.since_epoch()
    }

    fn date_check(&self) -> Duration {
        self.runtime.date_check()
    }

    fn seed(&self) -> u64 {
        self.runtime.seed()
    }

    fn local(&self) -> LocalNames {
        self.runtime.local()
    }

    fn timer(&self) -> R::Timer {
        self.runtime.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn defer(&self, waker: &Waker) {
        self.runtime.defer(waker);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.runtime.spawn_blocking(work);
    }

    fn parallelism(&self) -> usize {
        self.runtime.parallelism()
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let secure = self.clone();
        async move {
            let Self { runtime, config } = &secure;
            let session = ClientConnection::new(config.client.clone(), secure.name(&to)?);
            let session =
                session.map_err(|error| TlsError::Local { what: error.to_string().into() })?;
            Ok(Tls::new(runtime.dial(to).await?, session, config.source.clone()))
        }
    }

    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static {
        let Self { runtime, config } = self.clone();
        async move { Ok(TlsListener::new(runtime.listen(on).await?, config)) }
    }
}
