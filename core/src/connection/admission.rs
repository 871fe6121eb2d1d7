//! Admission of connections to a listener, in total and per address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::limit_exceeded::{Direction, LimitExceeded};
use super::limits::Limits;

/// Limits the open connections of one listener, in total and per address.
///
/// The limits are [`Limits::max_connections`] and [`Limits::max_connections_per_peer`]. An address is an IPv4
/// address, or the first 64 bits of an IPv6 address: one host usually owns all addresses below such a prefix.
/// A peer without an address, on a Unix socket or in the same process, counts for the listener only.
///
/// The memory is bounded by the open connections: an address is dropped with its last connection.
///
/// ```
/// use aiomas_core::connection::{Admission, Limits, NotAdmitted};
///
/// let mut limits = Limits::default();
/// limits.max_connections_per_peer = 1;
/// let mut admission = Admission::new(&limits);
/// let first = admission.admit(Some("tcp://192.0.2.1:50001"))?;
/// let second = admission.admit(Some("tcp://192.0.2.1:50002"));
/// assert_eq!(second.unwrap_err(), NotAdmitted::TooManyFromPeer { limit: 1 });
/// admission.admit(Some("tcp://192.0.2.2:50001"))?;
/// admission.release(first);
/// admission.admit(Some("tcp://192.0.2.1:50003"))?;
/// # Ok::<(), NotAdmitted>(())
/// ```
#[derive(Debug)]
pub struct Admission {
    max: usize,
    max_per_peer: usize,
    peers: BTreeMap<Peer, usize>,
    stats: AdmissionStats,
}

/// The permit of an open connection. Return it to [`Admission::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a connection that is never told to have gone counts for ever"]
pub struct Admitted(Option<Peer>);

/// The address by which peers are distinguished.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    V4([u8; 4]),
    /// The first half of the address.
    V6([u8; 8]),
    /// An address in a runtime's own format.
    Other(Box<str>),
}

/// Why a connection was refused. It is closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// Too many connections are open.
    #[error("{limit} connections are open on this listener already (`Limits::max_connections`)")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Too many connections from the same address are open.
    #[error(
        "{limit} connections from the same address are open already (`Limits::max_connections_per_peer`)"
    )]
    TooManyFromPeer {
        /// The limit.
        limit: usize,
    },
}

impl NotAdmitted {
    /// Returns the limit that was exceeded, in numbers.
    #[must_use]
    pub const fn exceeded(self) -> LimitExceeded {
        let (setting, limit) = match self {
            Self::TooMany { limit } => ("Limits::max_connections", limit),
            Self::TooManyFromPeer { limit } => ("Limits::max_connections_per_peer", limit),
        };
        LimitExceeded::one_more(setting, limit, Direction::In)
    }
}

/// Counts of the connections that reached a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmissionStats {
    /// Open connections, including those still in their TLS handshake.
    pub open: usize,
    /// All connections admitted so far.
    pub admitted: u64,
    /// All connections refused so far.
    pub refused: u64,
    /// The reason of the latest refusal.
    pub last_refusal: Option<NotAdmitted>,
    /// Connections that failed: the system returned an error instead of a stream (the peer had gone, or no
    /// file descriptors were left), or an admitted connection failed its TLS handshake.
    pub failed: u64,
}

impl Admission {
    /// Creates the admission of a listener without open connections.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            max: limits.max_connections,
            max_per_peer: limits.max_connections_per_peer,
            peers: BTreeMap::new(),
            stats: AdmissionStats {
                open: 0,
                admitted: 0,
                refused: 0,
                last_refusal: None,
                failed: 0,
            },
        }
    }

    /// Admits a connection from `peer`, an address such as `192.0.2.1:50001`, with or without `tcp://`.
    ///
    /// # Errors
    /// Too many connections are open. Close the new one.
    pub fn admit(&mut self, peer: Option<&str>) -> Result<Admitted, NotAdmitted> {
        let admitted = self.enter(peer.map(Peer::parse));
        match &admitted {
            Ok(_) => {
                self.stats.open += 1;
                self.stats.admitted += 1;
            }
            Err(refusal) => {
                self.stats.refused += 1;
                self.stats.last_refusal = Some(*refusal);
            }
        }
        admitted
    }

    fn enter(&mut self, peer: Option<Peer>) -> Result<Admitted, NotAdmitted> {
        if self.stats.open >= self.max {
            return Err(NotAdmitted::TooMany { limit: self.max });
        }
        if let Some(peer) = &peer {
            let open = self.peers.get(peer).copied().unwrap_or(0);
            if open >= self.max_per_peer {
                return Err(NotAdmitted::TooManyFromPeer { limit: self.max_per_peer });
            }
            self.peers.insert(peer.clone(), open + 1);
        }
        Ok(Admitted(peer))
    }

    /// Releases the permit of a closed connection.
    pub fn release(&mut self, admitted: Admitted) {
        self.stats.open = self.stats.open.saturating_sub(1);
        if let Some(peer) = admitted.0
            && let Some(open) = self.peers.get_mut(&peer)
        {
            *open -= 1;
            if *open == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    /// Counts an error that the system returned instead of a stream.
    pub const fn note_failure(&mut self) {
        self.stats.failed += 1;
    }

    /// Returns the counts so far.
    #[must_use]
    pub const fn stats(&self) -> AdmissionStats {
        self.stats
    }
}

impl Peer {
    fn parse(text: &str) -> Self {
        let text = text.strip_prefix("tcp://").unwrap_or(text);
        let address = text.parse().map(|socket: SocketAddr| socket.ip()).or_else(|_| text.parse());
        match address.map(|address: IpAddr| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => Self::V4(address.octets()),
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            // A name and a port.
            Err(_) => Self::Other(text.rsplit_once(':').map_or(text, |(name, _)| name).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_and_the_halves_of_networks_make_no_other_peers() {
        let same = |a, b| Peer::parse(a) == Peer::parse(b);
        assert!(same("tcp://192.0.2.1:1", "192.0.2.1:2"));
        assert!(same("192.0.2.1", "[::ffff:192.0.2.1]:2"));
        assert!(!same("192.0.2.1:1", "192.0.2.2:1"));
        assert!(same("tcp://[2001:db8::1]:1", "[2001:db8::ffff:0:0:1]:2"));
        assert!(!same("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"));
        assert!(same("tcp://host:1", "host:2"));
        assert!(!same("host:1", "other:1"));
        assert!(same("", ""));
    }

    proptest! {
        /// Compares with a list of the open connections.
        #[test]
        fn admits_what_its_limits_say(
            max in 0..6_usize,
            max_per_peer in 0..4_usize,
            steps in prop::collection::vec((prop::option::of(0..3_u8), any::<prop::sample::Index>()), 0..60),
        ) {
            let limits = Limits {
                max_connections: max,
                max_connections_per_peer: max_per_peer,
                ..Limits::default()
            };
            let mut admission = Admission::new(&limits);
            let mut open: Vec<(Option<u8>, Admitted)> = Vec::new();
            let (mut admitted, mut refused) = (0, 0);
            for (step, (peer, index)) in steps.into_iter().enumerate() {
                if peer.is_none() && step % 2 == 0 && !open.is_empty() {
                    admission.release(open.swap_remove(index.index(open.len())).1);
                } else {
                    let from_peer = open.iter().filter(|(other, _)| *other == peer).count();
                    let text = peer.map(|peer| format!("tcp://10.0.0.{peer}:{step}"));
                    let expected = if open.len() >= max {
                        Some(NotAdmitted::TooMany { limit: max })
                    } else if peer.is_some() && from_peer >= max_per_peer {
                        Some(NotAdmitted::TooManyFromPeer { limit: max_per_peer })
                    } else {
                        None
                    };
                    match admission.admit(text.as_deref()) {
                        Ok(place) => {
                            prop_assert_eq!(expected, None);
                            admitted += 1;
                            open.push((peer, place));
                        }
                        Err(refusal) => {
                            prop_assert_eq!(Some(refusal), expected);
                            refused += 1;
                        }
                    }
                }
                let stats = admission.stats();
                prop_assert_eq!((stats.open, stats.admitted, stats.refused), (open.len(), admitted, refused));
                prop_assert!(admission.peers.len() <= open.len());
            }
            for (_, place) in open {
                admission.release(place);
            }
            prop_assert!(admission.peers.is_empty());
            prop_assert_eq!(admission.stats().open, 0);
        }
    }
}
