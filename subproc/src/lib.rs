//! Containers in child processes: aiomas' module `subproc`, on every runtime.
//!
//! A program starts itself several times. Each child has a container with a [`Manager`](aiomas::manager::Manager), with
//! which the parent creates agents in the child and sets its clock:
//!
//! ```no_run
#![doc = include_str!("../examples/child_processes.rs")]
//! ```
//!
//! # Shutdown
//!
//! [`Fleet::stop`] stops the children one after the other: agents run their `#[on_stop]`, and a child that takes too
//! long is killed. A child also ends when its standard input ends, which is a pipe from its parent: even if the parent
//! is killed, no child is left. If the agents of a child do not end in time then, the process exits ([`Child::grace`]).
//!
//! Ctrl-C in a terminal reaches only the parent. If the parent handles it, it stops its children, and their agents run
//! their `#[on_stop]`; if the parent dies of it, the standard input of its children ends. SIGTERM to a single child
//! ends that child in the same way.
//!
//! The standard input and output of a child serve for this, and for reporting its address. All other text that it
//! writes to standard output appears on that of its parent; standard error is that of its parent.
//!
//! # Other programs
//!
//! [`Launcher::command`] starts any other program, in any language, that behaves like a child: its agent 0 is aiomas'
//! own `Manager`, it prints a line `{"ready": {"addr": "tcp://127.0.0.1:5556"}}` to standard output once it listens,
//! and it ends when its standard input ends.
//!
//! # Security
//!
//! By default, the children listen on the loopback interface, at ports that the system chooses. Any user of the machine
//! can connect there. Such a user can create the agents that the factories of the manager provide, and stop the
//! manager, but nothing else: names of factories are only looked up, and no data from the wire reaches the command line
//! or the environment of a process.

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
