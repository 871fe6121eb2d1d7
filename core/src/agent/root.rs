//! A container as the root service of its connections: `validate_aid`, and `agents` with the agents in it.

use std::borrow::Cow;

use crate::rpc::{Access, Arguments, Caller, Outcome, Parameter, Service, Signature};

/// The function by which a peer asks for an agent.
pub(crate) const VALIDATE_AID: &str = "validate_aid";

const AGENTS: &str = "agents";

/// The agent's id in the path of an agent or of a method, and where what follows it begins.
fn split(path: &str) -> Option<(&str, Option<usize>)> {
    let rest = path.strip_prefix(AGENTS)?.strip_prefix('/')?;
    let aid = rest.split_once('/').map_or(rest, |(aid, _)| aid);
    let end = AGENTS.len() + 1 + aid.len();
    Some((aid, (end < path.len()).then_some(end + 1)))
}

/// The agent whose method this path is of, and where the method begins.
pub(crate) fn split_agent_path(path: &str) -> Option<(&str, usize)> {
    let (aid, method) = split(path)?;
    Some((aid, method?))
}

/// The agent that a path leads to or through.
pub(crate) fn agent_in_path(path: &str) -> Option<&str> {
    split(path).map(|(aid, _)| aid)
}

/// The root service, as far as one call needs it.
pub(crate) struct ContainerRoot<'a, L> {
    type_name_of: &'a dyn Fn(&str) -> Option<String>,
    agents: Agents<'a, L>,
}

/// The agents; but only the one that the call leads to, if that is there.
struct Agents<'a, L>(Option<(&'a str, &'a dyn Service<L>)>);

impl<'a, L> ContainerRoot<'a, L> {
    /// `type_name_of` is what `validate_aid` answers; `agent` is the one in the path of the call.
    pub(crate) fn new(
        type_name_of: &'a dyn Fn(&str) -> Option<String>,
        agent: Option<(&'a str, &'a dyn Service<L>)>,
    ) -> Self {
        Self { type_name_of, agents: Agents(agent) }
    }
}

impl<L> Service<L> for ContainerRoot<'_, L> {
    fn type_name(&self) -> &str {
        "Container"
    }

    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        (name == AGENTS).then_some(&self.agents)
    }

    fn access(&self, method: &str) -> Option<Access> {
        (method == VALIDATE_AID).then_some(Access::Shared)
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, _: &Caller) -> Outcome<L> {
        if method != VALIDATE_AID {
            return Outcome::NotFound;
        }
        const PARAMETERS: &[Parameter] = &[Parameter::required("aid")];
        Outcome::of(|| {
            let bound = arguments.bind(&Signature::new(VALIDATE_AID, PARAMETERS))?;
            // Whatever is no string is no agent's id.
            let aid = bound.required::<Cow<'_, str>>(0).ok();
            arguments.encode(&aid.and_then(|aid| (self.type_name_of)(&aid)))
        })
    }
}

impl<L> Service<L> for Agents<'_, L> {
    fn type_name(&self) -> &str {
        "ServiceDict"
    }

    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        let (aid, service) = self.0?;
        (aid == name).then_some(service)
    }

    fn access(&self, _: &str) -> Option<Access> {
        None
    }

    fn call(&self, _: &str, _: &Arguments<'_>, _: &Caller) -> Outcome<L> {
        Outcome::NotFound
    }
}
