//! Notices forks: a child must not use the connections of its parent.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

/// How many forks led to this process since the module was loaded.
static GENERATION: AtomicU64 = AtomicU64::new(0);

pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Checks that something was made in this process.
///
/// # Errors
/// It was made in a parent.
pub(crate) fn check(made_in: u64) -> PyResult<()> {
    if made_in == generation() {
        return Ok(());
    }
    Err(PyRuntimeError::new_err(
        "this connection belongs to the parent process; open a new one after a fork",
    ))
}

/// Lets Python tell of forks. Systems without forks have no `os.register_at_fork`.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    let Some(register) = os.getattr_opt("register_at_fork")? else { return Ok(()) };
    let forked = PyCFunction::new_closure(py, None, None, |_, _| {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    })?;
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", forked)?;
    register.call((), Some(&hooks))?;
    Ok(())
}
