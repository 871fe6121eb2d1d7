//! Simulators for [mosaik](https://mosaik.offis.de), the co-simulation framework, and scenarios that drive
//! simulators.
//!
//! A program is a simulator with an implementation of [`Simulator`], on whichever runtime:
//!
//! ```no_run
#![doc = include_str!("../examples/battery.rs")]
//! ```
//!
//! Scenarios name it as they name those in Python: `{"cmd": "battery %(addr)s"}` lets mosaik start it, and
//! `{"connect": "localhost:5678"}` lets mosaik connect to `battery --remote localhost:5678`.
//!
//! # Who calls whom, and when
//!
//! mosaik calls `init`, then `create` any number of times, `setup_done`, `step` and `get_data` again and again,
//! and `stop`. One request is worked on at a time. While it is, [`setup_done`](Simulator::setup_done),
//! [`step`](Simulator::step) and [extra methods](Simulator::extra_method) may call mosaik back by the handle
//! [`Mosaik`]. (A `get_data` on behalf of another simulator that comes in the middle of a step is answered
//! after it.)
//!
//! What mosaik would stumble over later, without saying where it came from, fails at once, at both ends: a
//! request before `init`, models that are not there, a wrong number of entities, inputs of entities that were
//! never created, a next step that is not later than this one.
//!
//! # How it ends
//!
//! With `stop`, or with the connection: however mosaik dies, its simulators end. A request that is being worked
//! on then is given up, and [`finalize`](Simulator::finalize) has the last word. mosaik sends a simulator that it
//! has started a `SIGTERM` a tenth of a second after `stop` (unless `auto_terminate` is off), so whatever has to
//! be written should be by then.
//!
#![cfg_attr(feature = "cli", doc = "The exit status of [`start_simulation`] says which it was:")]
#![cfg_attr(
    not(feature = "cli"),
    doc = "The exit status of a program with the feature `cli` says which it was:"
)]
//!
//! | status | |
//! |--:|---|
//! | 0 | mosaik has sent `stop`, or closed the connection |
//! | 1 | a request of mosaik's has failed; those to extra methods do not count, as scenarios may live with that |
//! | 2 | the command line is wrong |
//! | 3 | there was no connection, or it broke in the middle of a message |
//!
//! # The other way
//!
//! [`proxy`] starts a simulator, in Python or Rust, or connects to one, and drives it.
//!
//! # Versions
//!
//! Written for mosaik 3; the messages are the same from 3.0 on. [Versions](ApiVersion) of the API are 3.0 and 2.2:
//! what is missing in the older one is filled in. Observed with mosaik 3.6.0; mosaik 3.6 itself fails with
//! event-based successors of external simulators ("cannot progress backwards"), 3.7.1 does not.

#![forbid(unsafe_code)]

mod arguments;
#[cfg(feature = "cli")]
mod cli;
mod data;
mod entity;
mod error;
mod meta;
mod mosaik;
mod profile;
pub mod proxy;
mod serve;
mod server;
mod session;
mod simulator;

pub use aiomas_core::wire::{RemoteError, Value};
pub use aiomas_macros::simulator;

pub use arguments::Arguments;
#[cfg(feature = "cli")]
pub use cli::{Args, start_simulation};
pub use data::{Data, Inputs, Outputs, SetData, Time, value};
pub use entity::{Entity, EntityGraph, EntityInfo};
pub use error::{Error, Result};
pub use meta::{ApiVersion, Meta, Model, Stepping};
pub use mosaik::Mosaik;
pub use serve::{End, connect, serve};
pub use server::{Server, listen};
pub use session::MAX_ENTITIES;
pub use simulator::Simulator;

/// What the code that [`#[simulator]`](macro@simulator) writes refers to. Not for use by hand, and not stable.
#[doc(hidden)]
pub mod __macro {
    pub use aiomas::{Causes, CausesOfAny, CausesOfError, NoCauses, caused, failure};
    pub use aiomas_core::rpc::{Parameter, Signature};

    pub use crate::arguments::Invocation;
    pub use crate::{Arguments, Mosaik, Result, Value};
}
