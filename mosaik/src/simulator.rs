//! What a simulator does.

use std::future::{Future, ready};

use aiomas_core::wire::{RemoteError, Value};

use crate::{Arguments, Data, Entity, Inputs, Meta, Mosaik, Outputs, Result, Time};

/// A simulator. The methods are those of Python's `mosaik_api_v3.Simulator`; implement them as `async fn`.
///
/// They are called one after the other. What they fail with, and that they panic, mosaik is told.
///
/// # Cancel safety
/// The future of a method is dropped when the connection is lost; then only [`finalize`](Self::finalize) follows.
pub trait Simulator: Send {
    /// The names of extra methods that [`#[simulator]`](macro@crate::simulator) has found. mosaik gets them with those
    /// in [`Meta::extra_methods`].
    const EXTRA_METHODS: &'static [&'static str] = &[];

    /// Initializes the simulator, which mosaik calls `sid`, and says what it is. A point in time stands for
    /// `time_resolution` seconds. The other parameters are its own: [parse](Arguments::parse) them even if there
    /// are none (into `()`), so that mistakes are told.
    fn init(
        &mut self,
        sid: &str,
        time_resolution: f64,
        params: Arguments<'_>,
    ) -> impl Future<Output = Result<Meta>> + Send;

    /// Creates `num` entities of one of the public models, with these parameters. Children may be of any.
    fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> impl Future<Output = Result<Vec<Entity>>> + Send;

    /// All entities are created and connected.
    fn setup_done(&mut self, mosaik: &Mosaik) -> impl Future<Output = Result<()>> + Send {
        let _ = mosaik;
        ready(Ok(()))
    }

    /// Goes one step, from `time` on, with these inputs. Returns when it wants to be stepped next, later than now;
    /// only if it is not time-based, that may be `None`.
    ///
    /// Until `max_advance`, no other simulator triggers it. With version 2.2 of the API, that is not known, and
    /// `max_advance` is `time`.
    fn step(
        &mut self,
        time: Time,
        inputs: Inputs,
        max_advance: Time,
        mosaik: &Mosaik,
    ) -> impl Future<Output = Result<Option<Time>>> + Send;

    /// Returns values of attributes: [`Outputs::fill`] asks for each of them.
    fn get_data(&mut self, outputs: Outputs) -> impl Future<Output = Result<Data>> + Send;

    /// Runs one of the [extra methods](Meta::extra_methods), which scenarios call by name.
    /// [`#[simulator]`](macro@crate::simulator) writes it for methods with `#[expose]`.
    fn extra_method(
        &mut self,
        method: &str,
        arguments: Arguments<'_>,
        mosaik: &Mosaik,
    ) -> impl Future<Output = Result<Value>> + Send {
        let _ = (arguments, mosaik);
        ready(Err(RemoteError::new("NotImplementedError", method)))
    }

    /// The simulation has ended, or mosaik is gone.
    fn finalize(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}
