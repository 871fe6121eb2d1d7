//! The slots in which answers wait for their callers.

use std::task::{Context, Poll, Waker};

use aiomas_core::connection::{CallError, CallId};
use aiomas_core::wire::Payload;

/// The slot of a call's answer. It belongs to the caller until the answer is taken or the call cancelled.
pub(crate) type SlotKey = u32;

type Answered = Result<Payload, CallError>;

/// The answers to calls, or the wakers of their callers, by key.
///
/// It is a slab: free slots form a list through the table, so a call needs no allocation, and the caller keeps an index
/// and a connection. The state machine's table of calls stores the key, so an answer finds its slot without a search. A
/// key needs no generation against reuse, because the slot stays taken until its caller releases it.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The first free slot. The slot freed last is used first: its memory is most likely in the cache.
    free: Option<SlotKey>,
    /// Slots with answers that share their read buffer, and may have been taken since. An answer of ten bytes would
    /// otherwise pin half a megabyte while its caller does something else.
    fresh: Vec<SlotKey>,
}

#[derive(Debug)]
enum Slot {
    Free { next: Option<SlotKey> },
    Waiting { id: CallId, waker: Option<Waker> },
    Answered(Answered),
}

impl Slots {
    /// Returns the slot that the next [`insert`](Self::insert) takes.
    #[inline]
    pub(super) fn next(&self) -> SlotKey {
        // The number of slots is at most that of calls in flight, which is far below `u32::MAX`.
        self.free.unwrap_or(self.slots.len() as SlotKey)
    }

    /// Takes a slot for the answer to a call.
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

    /// Stores an answer in its slot, and returns the waker of the waiting task.
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

    /// Detaches answers that have not been taken since the last call of this function. Most answers are taken at once,
    /// and not copied; an answer that waits keeps only its own bytes, not the whole read buffer.
    #[inline]
    pub(super) fn detach_waiting(&mut self) {
        for key in self.fresh.drain(..) {
            // Another call may have the slot by now: detaching its answer early costs one copy.
            if let Some(Slot::Answered(Ok(answer))) = self.slots.get_mut(key as usize)
                && answer.shares_buffer()
            {
                *answer = answer.clone().detach();
            }
        }
    }

    /// Takes an answer and releases its slot, or registers the task.
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

    /// Returns the id of an unanswered call.
    pub(super) fn id(&self, key: SlotKey) -> Option<CallId> {
        match self.slots.get(key as usize) {
            Some(Slot::Waiting { id, .. }) => Some(*id),
            _ => None,
        }
    }

    /// Releases a slot. Returns the id of the call if it is unanswered.
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

    /// An answer that shares its read buffer with other messages.
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
