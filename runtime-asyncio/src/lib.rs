//! The extension module of the Python package `aiomas-rs`: the core's codecs and connections for asyncio.
//!
//! An asyncio protocol, written in Python, moves bytes between a transport and a [`connection::Connection`]. This crate
//! has no thread, no event loop and no socket. Values are encoded from and decoded to Python objects directly.
//!
//! No lock is held while Python code runs: a value is encoded before the connection is locked, and decoded after.

mod connection;
mod decode;
mod encode;
mod fork;

use pyo3::prelude::*;

/// The native part of `aiomas_rs`.
#[pymodule(gil_used = true)]
mod _native {
    use aiomas_core::wire::RemoteError;
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::connection::{Connection, Incoming};
    #[pymodule_export]
    use super::decode::{decode, decompress};
    #[pymodule_export]
    use super::encode::{compress, encode};

    /// Reads the exception's type and message from the text of a failure.
    #[pyfunction]
    fn parse_failure(text: &str) -> (String, String) {
        let error = RemoteError::from_text(text);
        (error.kind().to_owned(), error.message().to_owned())
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::fork::watch(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
