//! Resolution of paths, compared with a naive model.

use std::collections::BTreeMap;
use std::convert::Infallible;

use aiomas_core::rpc::{
    Access, Caller, Outcome, Request, ServiceDict, dispatch, dispatch_at, resolve,
};
use aiomas_core::wire::{CodecContext, Format, Payload};
use proptest::prelude::*;

/// The target of a name.
#[derive(Clone, Debug)]
enum Node {
    Function(u32),
    Hidden,
    Service(Names),
}

type Names = BTreeMap<String, Node>;

/// Few names, so that they repeat: short ones, some of a word's length and longer, and some with
/// common prefixes.
const NAMES: [&str; 10] =
    ["a", "b", "ab", "ä", "get", "service", "sevenxx", "eight_xx", "nine_xxxx", "eight_xx0"];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::sample::select(&NAMES[..]).prop_map(String::from), 1 => ".{0,12}"]
}

fn names() -> impl Strategy<Value = Names> {
    let leaf = prop_oneof![2 => any::<u32>().prop_map(Node::Function), 1 => Just(Node::Hidden)];
    let node = leaf.prop_recursive(4, 40, 5, |node| {
        prop::collection::btree_map(name(), node, 0..5).prop_map(Node::Service)
    });
    prop::collection::btree_map(name(), node, 0..6)
}

/// Returns names and slashes, in any order.
fn path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![5 => name(), 1 => Just(String::new())];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.join("/"))
}

/// Returns a path to one of `names`, sometimes too long or too short.
fn known(names: &Names, choices: &[prop::sample::Index]) -> String {
    let (mut names, mut path) = (names, Vec::new());
    for choice in choices {
        if names.is_empty() {
            break;
        }
        let (name, node) = names.iter().nth(choice.index(names.len())).expect("a name");
        path.push(name.as_str());
        let Node::Service(below) = node else { break };
        names = below;
    }
    path.join("/")
}

fn service(type_name: &str, names: &Names) -> ServiceDict<Infallible> {
    names.iter().fold(ServiceDict::new(type_name), |dict, (name, node)| match node {
        Node::Function(number) => {
            let number = *number;
            dict.function(name, [], move || number)
        }
        Node::Hidden => dict.hidden(name),
        Node::Service(below) => dict.service(name, service(&format!("T{name}"), below)),
    })
}

/// Resolves `path`, one name after the other.
fn model(names: &Names, path: &str) -> Result<u32, String> {
    let lookup = |name: &str, parent: &[&str]| {
        Err(format!("LookupError: Name \"{name}\" not found in \"{}\"", parent.join("/")))
    };
    let pieces: Vec<&str> = path.split('/').collect();
    let (mut names, mut type_name) = (names, "Root".to_owned());
    for (depth, name) in pieces.iter().enumerate() {
        let last = depth + 1 == pieces.len();
        match names.get(*name).filter(|_| !name.is_empty()) {
            None => return lookup(name, &pieces[..depth]),
            Some(Node::Function(number)) if last => return Ok(*number),
            // A function has no children.
            Some(Node::Function(_)) => return lookup(pieces[depth + 1], &pieces[..=depth]),
            Some(Node::Hidden) if last => {
                return Err(format!("LookupError: \"{type_name}.{name}\" is not exposed"));
            }
            Some(Node::Hidden) => return lookup(name, &pieces[..depth]),
            Some(Node::Service(below)) => (names, type_name) = (below, format!("T{name}")),
        }
    }
    Err(format!("TypeError: '{type_name}' object is not callable"))
}

fn answer(outcome: Outcome<Infallible>) -> Result<u32, String> {
    let Outcome::Done(answer) = outcome else { panic!("{outcome:?}") };
    let body = answer.map_err(|error| format!("{}: {}", error.kind(), error.message()))?;
    let payload = Payload::new(Format::Json, body.into_bytes(), CodecContext::default());
    Ok(payload.decode().expect("a number"))
}

fn check(names: &Names, path: &str) -> Result<(), TestCaseError> {
    let (root, expected) = (service("Root", names), model(names, path));
    let payload = Payload::new(Format::Json, r#"["", [], {}]"#.into(), CodecContext::default());
    let arguments = Request::parse(&payload).expect("a request").arguments;
    let caller = Caller::new(0);
    prop_assert_eq!(&answer(dispatch(&root, path, &arguments, &caller)), &expected, "{:?}", path);
    // To the last service first, then the rest.
    if let Ok((last, name)) = resolve(&root, path) {
        prop_assert_eq!(last.access(name), expected.is_ok().then_some(Access::Shared));
        let start = path.len() - name.len();
        let outcome = dispatch_at(last, path, start, &arguments, &caller);
        prop_assert_eq!(&answer(outcome), &expected, "{:?} from {}", path, start);
    } else {
        prop_assert!(expected.is_err());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn like_the_model(names in names(), path in path()) {
        check(&names, &path)?;
    }

    #[test]
    fn like_the_model_where_something_is(
        names in names(),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        rest in prop_oneof![3 => Just(String::new()), 1 => path().prop_map(|path| format!("/{path}"))],
    ) {
        check(&names, &(known(&names, &choices) + &rest))?;
    }
}
