//! TLS: the common suite of all runtimes, and tests in virtual time or on scripted streams.

mod configs;
mod hostile;
mod patience;
mod python;
mod runtimes;
