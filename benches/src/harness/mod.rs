//! Runs contestants against each other, and makes a table and a picture of the results.

mod contestant;
mod gate;
mod measure;
mod picture;
mod plan;
mod process;
mod record;
mod results;
mod run;
mod table;

pub(crate) use contestant::{Contestant, Prepared};
pub(crate) use gate::{Gate, gate};
pub(crate) use plan::select;
pub(crate) use process::Child;
pub(crate) use run::{Run, Table, run, table};
