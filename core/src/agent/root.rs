//! A container as the root service of its connections: `validate_aid`, and `agents` with its agents.

use std::borrow::Cow;

use super::address::Address;
use crate::rpc::{
    Access, Arguments, Caller, Outcome, Parameter, Path, Service, Signature, dispatch,
};

/// The function by which a peer asks for an agent.
pub const VALIDATE_AID: &str = "validate_aid";

const AGENTS: &str = "agents";

/// Returns the path of an agent.
pub fn agent_path(aid: &str) -> String {
    format!("{AGENTS}/{aid}")
}

/// Returns the URL of the service at `path` of the container at `address`.
pub fn url_of_path(address: &Address, path: &str) -> String {
    let within = path.strip_prefix(AGENTS).and_then(|rest| rest.strip_prefix('/'));
    format!("{address}/{}", within.unwrap_or(path))
}

/// Splits a path into the number of an agent, and where the method begins.
///
/// Paths without an agent's number in our spelling are left to [`dispatch_root`].
#[inline]
pub fn split_agent_path(path: &[u8]) -> Option<(u64, usize)> {
    let start = AGENTS.len() + 1;
    let rest = path.strip_prefix(AGENTS.as_bytes())?.strip_prefix(b"/")?;
    let mut number = 0;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'/' if at > 0 => return Some((number, start + at + 1)),
            // Up to 18 digits there is no overflow, and no leading zero.
            b'0'..=b'9' if at == 0 || (number > 0 && at < 18) => {
                number = number * 10 + u64::from(byte - b'0');
            }
            _ => return None,
        }
    }
    None
}

/// Dispatches a call that [`split_agent_path`] did not match: `validate_aid`, or one that fails.
///
/// `find` returns the agent of an id, and `service` the service of an agent.
pub fn dispatch_root<A, L>(
    find: impl Fn(&str) -> Option<A>,
    service: fn(&A) -> &dyn Service<L>,
    path: &Path<'_>,
    arguments: &Arguments<'_>,
    caller: &Caller,
) -> Outcome<L> {
    // The error for a path that ends at an agent differs from that for an unknown path.
    let in_path = agent_in_path(path).and_then(|aid| Some((aid, find(aid)?)));
    let root = ContainerRoot {
        type_name_of: &|aid| Some(service(&find(aid)?).type_name().to_owned()),
        agents: Agents(in_path.as_ref().map(|(aid, agent)| (*aid, service(agent)))),
    };
    dispatch(&root, path, arguments, caller)
}

/// Returns the id of the agent that a path leads to or through.
fn agent_in_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(AGENTS)?.strip_prefix('/')?;
    Some(rest.split_once('/').map_or(rest, |(aid, _)| aid))
}

/// The root service, reduced to the parts that one call needs.
struct ContainerRoot<'a, L> {
    type_name_of: &'a dyn Fn(&str) -> Option<String>,
    agents: Agents<'a, L>,
}

/// The agents, reduced to the one that the call leads to, if it exists.
struct Agents<'a, L>(Option<(&'a str, &'a dyn Service<L>)>);

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
            // An argument that is not a string is no agent's id.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_agents_methods() {
        for (path, expected) in [
            ("agents/0/service", Some((0, 9))),
            ("agents/17/a/b", Some((17, 10))),
            ("agents/999999999999999999/x", Some((999_999_999_999_999_999, 26))),
            ("agents/1000000000000000000/x", None),
            ("agents/00/x", None),
            ("agents/01/x", None),
            ("agents//x", None),
            ("agents/0", None),
            ("agents/-1/x", None),
            ("agent/0/x", None),
            ("", None),
        ] {
            assert_eq!(split_agent_path(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(agent_in_path("agents/a/x"), Some("a"));
        assert_eq!(agent_in_path("agents/0"), Some("0"));
        assert_eq!(agent_in_path("agents"), None);
    }
}
