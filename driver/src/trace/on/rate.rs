//! Limits the number of events that a peer can cause.

use std::sync::Mutex;
use std::time::Duration;

use crate::host::Host;
use crate::lock::lock;
use aiomas_core::connection::LogRate;
use aiomas_core::internal::LogRates;

/// The unit of counting: the host of the event, the peer's address without its port, and the event.
type Key = (usize, Box<str>, &'static str);

/// The limits of warnings, which misbehaving peers cause.
static WARNINGS: Mutex<LogRates<Key>> = Mutex::new(LogRates::new(LogRate::DEFAULT));
/// The limits of events that are often legitimate.
static INFOS: Mutex<LogRates<Key>> =
    Mutex::new(LogRates::new(LogRate::new(600, Duration::from_secs(60))));

/// Returns whether one more warning of this kind about `peer` is allowed. With it comes the number of warnings
/// suppressed before, if any.
pub(super) fn warning(
    host: &dyn Host,
    peer: Option<&str>,
    kind: &'static str,
) -> Option<Option<u64>> {
    line(&WARNINGS, host, peer, kind)
}

/// Acts like [`warning`], for lower levels.
pub(super) fn info(host: &dyn Host, peer: Option<&str>, kind: &'static str) -> Option<Option<u64>> {
    line(&INFOS, host, peer, kind)
}

fn line(
    rates: &Mutex<LogRates<Key>>,
    host: &dyn Host,
    peer: Option<&str>,
    kind: &'static str,
) -> Option<Option<u64>> {
    let peer = peer.unwrap_or_default();
    let peer = peer.rsplit_once(':').map_or(peer, |(address, _port)| address);
    let key = (std::ptr::from_ref(host).cast::<()>() as usize, peer.into(), kind);
    let left_out = lock(rates).line(key, host.now())?;
    Some((left_out > 0).then_some(left_out))
}
