//! Where the answers to calls wait for those who made them.

use std::task::{Context, Poll, Waker};

use aiomas_core::connection::{CallError, CallId};
use aiomas_core::wire::Payload;

/// The place of a call's answer. It belongs to the caller until the answer is taken or the call cancelled.
pub(crate) type SlotKey = u32;

type Answered = Result<Payload, CallError>;

/// The answers to calls, or the wakers of their callers, by key.
///
/// It is a slab: free slots are a list through the table, so a call takes no allocation, and what the caller keeps is an
/// index and a connection. The connection's own table of calls has the key as its context. So an answer finds its slot
/// without a search; and a key needs no generation against reuse, since the slot stays taken until its caller gives it back.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The first of the free slots. The last one that became free is used first: its memory is most likely in the cache.
    free: Option<SlotKey>,
    /// Slots with answers that share the buffer they were read into, and may have been taken since. An answer of ten bytes
    /// would otherwise keep half a megabyte for as long as its caller does something else.
    fresh: Vec<SlotKey>,
}

#[derive(Debug)]
enum Slot {
    Free { next: Option<SlotKey> },
    Waiting { id: CallId, waker: Option<Waker> },
    Answered(Answered),
}

impl Slots {
    /// The place that the next [`insert`](Self::insert) takes.
    #[inline]
    pub(super) fn next(&self) -> SlotKey {
        // There are at most as many as calls in flight, which ends far below.
        self.free.unwrap_or(self.slots.len() as SlotKey)
    }

    /// Takes a place for the answer to a call.
    #[inline]
    pub(super) fn insert(&mut self, id: CallId) {
        let slot = Slot::Waiting { id, waker: None };
        match self.free {
            Some(key) => {
                if let Slot::Free { next } = std::mem::replace(&mut self.slots[key as usize], slot)
                {
                    self.free = next;
                }
            }
            None => self.slots.push(slot),
        }
    }

    /// Puts an answer in its place, and returns the waker of the task that waits for it.
    #[inline]
    pub(super) fn answer(&mut self, key: SlotKey, result: Answered) -> Option<Waker> {
        let slot = self.slots.get_mut(key as usize)?;
        if result.as_ref().is_ok_and(Payload::shares_buffer) {
            self.fresh.push(key);
        }
        match std::mem::replace(slot, Slot::Answered(result)) {
            Slot::Waiting { waker, .. } => waker,
            Slot::Free { .. } | Slot::Answered(_) => None,
        }
    }

    /// Detaches the answers that have not been taken since this was called last. Most answers are taken at once, and not
    /// copied; one whose caller waits for something else keeps its own bytes only, and not all that came with it.
    #[inline]
    pub(super) fn detach_waiting(&mut self) {
        for key in self.fresh.drain(..) {
            // The slot may be another call's by now: detaching its answer early costs one copy.
            if let Some(Slot::Answered(Ok(answer))) = self.slots.get_mut(key as usize)
                && answer.shares_buffer()
            {
                *answer = answer.clone().detach();
            }
        }
    }

    /// Takes an answer out, and gives the place back; or lets the task wait for it.
    #[inline]
    pub(super) fn poll(&mut self, key: SlotKey, cx: &Context<'_>) -> Poll<Answered> {
        if let Some(Slot::Waiting { waker, .. }) = self.slots.get_mut(key as usize) {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        match self.remove(key) {
            Slot::Answered(result) => Poll::Ready(result),
            Slot::Waiting { .. } | Slot::Free { .. } => Poll::Pending,
        }
    }

    /// The id of a call that has not been answered.
    pub(super) fn id(&self, key: SlotKey) -> Option<CallId> {
        match self.slots.get(key as usize) {
            Some(Slot::Waiting { id, .. }) => Some(*id),
            _ => None,
        }
    }

    /// Gives a place back. If the call has not been answered, its id is returned.
    pub(super) fn cancel(&mut self, key: SlotKey) -> Option<CallId> {
        match self.remove(key) {
            Slot::Waiting { id, .. } => Some(id),
            Slot::Free { .. } | Slot::Answered(_) => None,
        }
    }

    #[inline]
    fn remove(&mut self, key: SlotKey) -> Slot {
        let free = Slot::Free { next: self.free };
        self.free = Some(key);
        std::mem::replace(&mut self.slots[key as usize], free)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use aiomas_core::wire::{CodecContext, Format};

    /// An answer that was read into a buffer with other messages.
    fn answer(buffer: &Bytes) -> Answered {
        Ok(Payload::new(Format::MsgPack, buffer.slice(1000..1100), CodecContext::default()))
    }

    #[test]
    fn an_answer_that_waits_does_not_hold_its_buffer() {
        let mut slots = Slots::default();
        let buffers = [0, 1].map(|byte| Bytes::from(vec![byte; 100_000]));
        let keys = [0, 1].map(|call| {
            let key = slots.next();
            slots.insert(CallId(call));
            key
        });
        let cx = Context::from_waker(Waker::noop());
        for (key, buffer) in keys.iter().zip(&buffers) {
            slots.answer(*key, answer(buffer));
        }
        // One caller takes its answer at once, the other later.
        let Poll::Ready(Ok(taken)) = slots.poll(keys[0], &cx) else { panic!("it is there") };
        slots.detach_waiting();
        assert_eq!(buffers.each_ref().map(Bytes::is_unique), [false, true]);
        drop(taken);
        assert!(buffers[0].is_unique());
        let Poll::Ready(Ok(late)) = slots.poll(keys[1], &cx) else { panic!("it is there") };
        assert_eq!(late.bytes(), [1; 100]);
        slots.detach_waiting();
    }
}
