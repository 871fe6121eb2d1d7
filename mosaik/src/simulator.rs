//! The trait of simulators.

use std::future::{Future, ready};

use aiomas_core::wire::{RemoteError, Value};

use crate::{Arguments, Data, Entity, Inputs, Meta, Mosaik, Outputs, Result, Time};

/// A simulator, with the methods of Python's `mosaik_api_v3.Simulator`.
///
/// Implement the methods as `async fn`. They are called one after the other. mosaik receives their errors, and their
/// panics as errors.
///
/// # Cancel safety
/// The future of a method is dropped when the connection is lost; then only [`finalize`](Self::finalize) follows.
pub trait Simulator: Send {
    /// The names of the extra methods found by [`#[simulator]`](macro@crate::simulator).
    ///
    /// mosaik receives them together with those in [`Meta::extra_methods`].
    const EXTRA_METHODS: &'static [&'static str] = &[];

    /// Initializes the simulator with the id `sid`, and returns its description.
    ///
    /// A unit of simulated time stands for `time_resolution` seconds. `params` are the simulator's own parameters:
    /// [parse](Arguments::parse) them even if there are none (into `()`), so that wrong arguments are reported.
    fn init(
        &mut self,
        sid: &str,
        time_resolution: f64,
        params: Arguments<'_>,
    ) -> impl Future<Output = Result<Meta>> + Send;

    /// Creates `num` entities of a public model, with these parameters. Children may be of any model.
    fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> impl Future<Output = Result<Vec<Entity>>> + Send;

    /// Runs after all entities are created and connected.
    fn setup_done(&mut self, mosaik: &Mosaik) -> impl Future<Output = Result<()>> + Send {
        let _ = mosaik;
        ready(Ok(()))
    }

    /// Runs one step at `time`, and returns the time of the next step.
    ///
    /// The next step is later than this one. It may be `None` only if the simulator is not time-based. Until
    /// `max_advance`, no other simulator triggers a step. Version 2.2 of the API does not have this value, and
    /// `max_advance` is then `time`.
    fn step(
        &mut self,
        time: Time,
        inputs: Inputs,
        max_advance: Time,
        mosaik: &Mosaik,
    ) -> impl Future<Output = Result<Option<Time>>> + Send;

    /// Returns values of attributes. [`Outputs::fill`] asks for each of them.
    fn get_data(&mut self, outputs: Outputs) -> impl Future<Output = Result<Data>> + Send;

    /// Runs one of the [extra methods](Meta::extra_methods), which scenarios call by name.
    ///
    /// [`#[simulator]`](macro@crate::simulator) implements it for methods with `#[expose]`.
    fn extra_method(
        &mut self,
        method: &str,
        arguments: Arguments<'_>,
        mosaik: &Mosaik,
    ) -> impl Future<Output = Result<Value>> + Send {
        let _ = (arguments, mosaik);
        ready(Err(RemoteError::new("NotImplementedError", method)))
    }

    /// Runs after the simulation has ended, or the connection to mosaik is lost.
    fn finalize(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}
