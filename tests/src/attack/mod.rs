//! Hostile peers and their victims.
//!
//! [`for_each_attack!`](crate::for_each_attack) lists all attacks, with their rows in the table of
//! `docs/security.md`. An attack opens raw streams to a [`Victim`] and misbehaves on them. It
//! panics if the victim reacts wrongly. Its callers check the other guarantees: in a
//! [simulation](simulate), under a counting allocator (program `attack`), over sockets, and all
//! attacks together for any duration (program `soak`).

mod calls;
mod contents;
mod floods;
mod managers;
mod resets;
mod simulation;
mod soak;
mod streams;
mod victim;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aiomas::Runtime;
use aiomas_core::wire::Format;
use serde::Serialize;

use crate::message::{self, REQUEST};

pub use simulation::{Run, simulate};
pub use soak::{Soak, Tally};
pub use victim::{Clerk, ClerkProxy, Neighbour, Root, Target, Victim, limits};

/// Calls `$with` with its arguments and the list of attacks: row, module, name.
#[macro_export]
macro_rules! for_each_attack {
    ($with:ident $arguments:tt) => {
        $with! {
            $arguments
            1 streams a_header_of_four_gibibytes
            1 streams a_header_and_then_silence
            2 streams a_header_that_drips
            2 streams a_body_that_drips
            2 streams silence
            3 streams a_large_frame_in_small_pieces
            4 floods empty_frames
            4 floods tiny_frames
            5 resets calls_that_are_cancelled_at_once
            5 resets calls_that_are_cancelled_while_they_run
            5 resets calls_that_are_cancelled_in_a_queue
            5 resets cancellations_of_nothing
            6 floods refusals_that_are_not_read
            7 floods answers_that_are_not_read
            8 floods requests_without_end
            8 floods requests_to_a_busy_agent
            8 floods small_requests_among_large_ones
            8 floods small_calls_to_a_busy_agent
            9 contents ids_of_all_kinds
            9 contents answers_to_nothing
            10 calls requests_that_are_lost_at_once
            11 contents deep_values
            12 contents lengths_that_lie
            13 contents malformed_values
            14 contents types_that_are_confused
            15 contents paths_that_lead_nowhere
            16 contents blosc_frames_that_lie
            16 floods blosc_bombs
            17 contents many_keys
            18 calls references_taken_and_dropped
            18 calls references_kept
            19 calls callbacks_that_call_back
            19 calls callbacks_that_fan_out
            20 streams a_flood_of_connections
            20 streams half_open_connections
            22 managers unknown_factories
            22 managers agents_without_end
            23 calls failures_that_are_long_and_ugly
            24 managers clocks_that_are_set_to_anything
            24 managers sleeps_without_end
            24 resets deadlines_of_all_kinds
            28 streams resets_within_a_frame
            28 streams an_end_within_a_header
            28 streams an_end_with_answers_to_come
            29 calls methods_that_fail
            32 contents hello_that_promises_anything
        }
    };
}

/// An attack.
pub struct Attack<R: Runtime> {
    /// Its row in the table.
    pub row: u8,
    /// Its name.
    pub name: &'static str,
    run: fn(Target<R>) -> Attacking,
}

/// A running attack.
pub type Attacking = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// The limit for which the victim's RPC server closed the connection, if it did.
pub type Ended = Option<&'static str>;

impl<R: Runtime> Attack<R> {
    /// Returns all attacks.
    #[must_use]
    pub fn all() -> Vec<Self> {
        macro_rules! list {
            (() $($row:literal $module:ident $name:ident)*) => {
                vec![$(Self {
                    row: $row,
                    name: stringify!($name),
                    run: |target| Box::pin($module::$name(target)),
                }),*]
            };
        }
        for_each_attack!(list())
    }

    /// Returns the attack of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|attack| attack.name == name)
    }

    /// Runs the attack.
    pub fn run(&self, target: &Target<R>) -> Attacking {
        (self.run)(target.clone())
    }
}

/// Returns a frame with a call.
fn request(id: impl Serialize, path: &str, args: impl Serialize) -> Vec<u8> {
    let content = (path, args, serde_json::Map::new());
    message::message(Format::Json, REQUEST, id, content)
}

/// Returns the payload of a frame.
fn payload(frame: &[u8]) -> &[u8] {
    &frame[4..]
}

/// Parses an answer into its kind, id and content.
fn parse(answer: &[u8]) -> (u64, serde_json::Value, serde_json::Value) {
    serde_json::from_slice(answer).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(answer));
    })
}

impl<R: Runtime> fmt::Debug for Attack<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attack").field(&self.row).field(&self.name).finish()
    }
}

/// The time within which a victim must react.
const LONG: Duration = Duration::from_secs(30);
