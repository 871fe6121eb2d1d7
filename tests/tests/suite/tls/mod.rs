//! TLS: the same on every runtime, and what takes virtual time or streams that go by a script.

mod configs;
mod hostile;
mod patience;
mod python;
mod runtimes;
