//! The agents of a world.

use std::time::Duration;

use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::{
    Access, Arguments, Caller, Outcome, Parameter, RemoteRef, Service, Signature,
};
use aiomas_core::wire::RemoteError;

/// An agent with a method of every kind. Each method returns its `value`.
#[derive(Debug)]
pub struct TestAgent;

/// The delayed answer of an agent.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Later {
    /// The value, after a delay.
    After { value: u64, delay: Duration },
    /// The value, when the test releases it.
    Hold { value: u64 },
    /// The answer of the agent at this URL.
    Relay { url: AgentUrl, value: u64 },
    /// The answer of the caller's service.
    Back { reference: RemoteRef, value: u64 },
}

/// Returns the access mode and the parameters of a method.
fn method(name: &str) -> Option<(Access, &'static [Parameter])> {
    const VALUE: Parameter = Parameter::required("value");
    const DELAY: &[Parameter] = &[VALUE, Parameter::required("delay")];
    const URL: &[Parameter] = &[VALUE, Parameter::required("url")];
    const REFERENCE: &[Parameter] = &[VALUE, Parameter::required("reference")];
    Some(match name {
        "echo" | "fail" | "hold" => (Access::Shared, &[VALUE]),
        "set" | "hold_alone" => (Access::Exclusive, &[VALUE]),
        "later" => (Access::Shared, DELAY),
        "alone" => (Access::Exclusive, DELAY),
        "relay" => (Access::Shared, URL),
        "back" => (Access::Shared, REFERENCE),
        _ => return None,
    })
}

impl Service<Later> for TestAgent {
    fn type_name(&self) -> &str {
        "TestAgent"
    }

    fn access(&self, name: &str) -> Option<Access> {
        method(name).map(|(access, _)| access)
    }

    fn call(&self, name: &str, arguments: &Arguments<'_>, _: &Caller) -> Outcome<Later> {
        let Some((_, parameters)) = method(name) else { return Outcome::NotFound };
        let run = || -> Result<Outcome<Later>, RemoteError> {
            let bound = arguments.bind(&Signature::new(name, parameters))?;
            let value = bound.required::<u64>(0)?;
            Ok(Outcome::Later(match name {
                "echo" | "set" => return Ok(arguments.answer(&value)),
                "fail" => return Err(RemoteError::value_error(value)),
                "later" | "alone" => {
                    Later::After { value, delay: Duration::from_millis(bound.required(1)?) }
                }
                "relay" => {
                    let url = bound.required::<String>(1)?;
                    Later::Relay { url: url.parse().map_err(RemoteError::value_error)?, value }
                }
                "back" => Later::Back { reference: bound.required(1)?, value },
                _ => Later::Hold { value },
            }))
        };
        run().unwrap_or_else(Outcome::from)
    }
}
