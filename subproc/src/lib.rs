//! Containers in child processes: aiomas' module `subproc`, on every runtime.
//!
//! A program starts itself several times. Each child has a container with a
//! [`Manager`](aiomas::manager::Manager), by which the parent makes agents there and sets their
//! clock:
//!
//! ```no_run
#![doc = include_str!("../examples/child_processes.rs")]
//! ```
//!
//! # Who ends when
//!
//! [`Fleet::stop`] ends the children one after the other: agents run their `#[on_stop]`, and whoever takes too
//! long is killed. A child also ends when its standard input does, and that is a pipe from its parent: however
//! the parent dies, even if it is killed, no child is left. If a child's agents do not end in time then, the process
//! does ([`Child::grace`]).
//!
//! Ctrl-C in a terminal reaches the parent only. If the parent handles it, it stops its children, and their agents run
//! their `#[on_stop]`; if it dies of it, their standard input ends. SIGTERM to a single child ends that child in the
//! same way.
//!
//! A child's standard input and output are used for that, and to say where it listens. What it writes to
//! standard output appears on its parent's; standard error is its parent's.
//!
//! # Other programs
//!
//! [`Launcher::command`] starts any other program that behaves like this, in whatever language: with aiomas' own
//! `Manager` as its agent 0, a line `{"ready": {"addr": "tcp://127.0.0.1:5556"}}` on standard output once it
//! listens, and an end when its standard input ends.
//!
//! # Who can do what
//!
//! The children listen on the loopback interface unless told otherwise, at ports that the system chooses. Any user
//! of the machine can connect there, and let a manager make what its factories make, or stop it; nothing else:
//! names of factories are only looked up, and nothing that comes over the wire gets into the command line or the
//! environment of a process.

#![forbid(unsafe_code)]

mod child;
mod error;
mod fleet;
mod launcher;
mod process;
mod ready;
mod signals;
mod thread;

pub use child::Child;
pub use error::Error;
pub use fleet::{Fleet, Member};
pub use launcher::Launcher;
