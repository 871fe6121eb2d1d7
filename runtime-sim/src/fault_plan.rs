//! Faults at random times: partitions and crashes.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::delay::Delay;
use crate::fault::Fault;
use crate::net::HostId;
use crate::rng::Rng;

/// The interval and the duration of a recurring fault.
#[derive(Clone, Debug)]
pub(crate) struct Recurring {
    pub(crate) every: Delay,
    pub(crate) lasts: Delay,
}

/// The schedule of random faults.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    partitions: Option<(Recurring, Instant)>,
    crashes: Option<(Recurring, Instant)>,
    /// The ends of active faults.
    ends: BTreeMap<(Instant, u64), End>,
    count: u64,
}

/// The end of a fault.
#[derive(Debug)]
pub(crate) enum End {
    Heal(HostId, HostId),
    Restart(HostId),
}

/// A due step of the plan.
#[derive(Debug)]
pub(crate) enum Due {
    /// A fault begins, and ends at the given time.
    Begin(Fault, Instant),
    End(End),
}

impl FaultPlan {
    pub(crate) fn start(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        partitions: Option<Recurring>,
        crashes: Option<Recurring>,
    ) {
        let mut start = |fault, recurring: Option<Recurring>| {
            let recurring = recurring.filter(|_| rng.is_on(fault))?;
            let at = now.checked_add(rng.time(fault, &recurring.every))?;
            Some((recurring, at))
        };
        self.partitions = start(Fault::Partition, partitions);
        self.crashes = start(Fault::Crash, crashes);
    }

    /// Returns the time of the next step. Ends of active faults always count; the caller decides
    /// whether new faults count.
    pub(crate) fn next(&self, begins: bool) -> Option<Instant> {
        let end = self.ends.first_key_value().map(|((at, _), _)| *at);
        let begin = [&self.partitions, &self.crashes];
        let begin = begin.into_iter().flatten().map(|(_, at)| *at).filter(|_| begins);
        begin.chain(end).min()
    }

    /// Takes the next due step.
    pub(crate) fn due(&mut self, now: Instant, rng: &mut Rng) -> Option<Due> {
        if let Some(first) = self.ends.first_entry()
            && first.key().0 <= now
        {
            return Some(Due::End(first.remove()));
        }
        for (fault, recurring) in
            [(Fault::Partition, &mut self.partitions), (Fault::Crash, &mut self.crashes)]
        {
            if let Some((times, at)) = recurring
                && *at <= now
            {
                let ends = *at + rng.time(fault, &times.lasts);
                // Faults of one kind do not overlap, or a host could be down forever.
                *at = ends + rng.time(fault, &times.every);
                return Some(Due::Begin(fault, ends));
            }
        }
        None
    }

    pub(crate) fn end_at(&mut self, at: Instant, end: End) {
        self.count += 1;
        self.ends.insert((at, self.count), end);
    }

    /// Cancels all steps: no fault begins any more, and no end is pending.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }
}
