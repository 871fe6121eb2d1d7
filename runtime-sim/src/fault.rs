//! Kinds of faults, and their counts.

use std::fmt;
use std::ops::Index;
use std::str::FromStr;

/// A kind of fault: each makes a run differ from the smoothest one.
///
/// Each kind draws from its own random numbers. [Switching one off](crate::SimBuilder::without)
/// leaves the numbers of the others unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// A random runnable task is next. Without this fault, tasks run in the order of their
    /// wake-ups.
    Order,
    /// A task is polled without a wake-up.
    Wake,
    /// Bytes are delayed.
    Latency,
    /// Bytes wait until the link has sent earlier ones.
    Bandwidth,
    /// A read or write moves fewer bytes than possible.
    Split,
    /// Bytes are held up for longer than the latency.
    Stall,
    /// A stream breaks in the middle.
    Reset,
    /// A dial is refused although the address has a listener.
    Refuse,
    /// Two hosts cannot reach each other for a while.
    Partition,
    /// A host's programs end at once, and restart later.
    Crash,
}

impl Fault {
    /// All kinds of faults.
    pub const ALL: [Self; 10] = [
        Self::Order,
        Self::Wake,
        Self::Latency,
        Self::Bandwidth,
        Self::Split,
        Self::Stall,
        Self::Reset,
        Self::Refuse,
        Self::Partition,
        Self::Crash,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Wake => "wake",
            Self::Latency => "latency",
            Self::Bandwidth => "bandwidth",
            Self::Split => "split",
            Self::Stall => "stall",
            Self::Reset => "reset",
            Self::Refuse => "refuse",
            Self::Partition => "partition",
            Self::Crash => "crash",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not one of a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault called {0:?}; there are {list}", list = List(&Fault::ALL))]
pub struct UnknownFault(pub String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let known = Self::ALL.into_iter().find(|fault| fault.name() == name);
        known.ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

/// Displays faults, separated by commas.
pub(crate) struct List<'a>(pub(crate) &'a [Fault]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{fault}")?;
        }
        Ok(())
    }
}

/// How often each [`Fault`] happened: `counts[Fault::Reset]`.
///
/// [`Fault::Latency`] and [`Fault::Bandwidth`] count delayed writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Counts {
    pub(crate) const fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// Adds the counts of another simulation.
    pub fn merge(&mut self, other: &Self) {
        for (count, other) in self.0.iter_mut().zip(other.0) {
            *count += other;
        }
    }
}

impl Index<Fault> for Counts {
    type Output = u64;

    fn index(&self, fault: Fault) -> &u64 {
        &self.0[fault as usize]
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{fault} {}", self[fault])?;
        }
        Ok(())
    }
}
