//! Typed proxies as values.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aiomas::{Call, Proxy};
use aiomas_core::rpc::ServiceRef;
use aiomas_core::wire::{Body, Budget, CodecContext, Format, Types};

use crate::service::{RootClient, ToolsProxy};

fn root(path: &str) -> RootClient {
    Proxy::from(ServiceRef::new(path)).into()
}

fn gives<T>(call: Call<T>) {
    drop(call);
}

/// Checks the types that a caller uses.
#[expect(dead_code, reason = "it is enough that it compiles")]
fn types(root: &RootClient) {
    gives::<i64>(root.add(1, 2));
    gives::<String>(root.join(vec![], None));
    gives::<String>(root.join(vec![], "+".to_owned()));
    gives::<Option<i64>>(root.maybe(5));
    gives::<Option<i64>>(root.maybe(Some(5)));
    gives::<Option<i64>>(root.maybe(None));
    gives::<String>(root.type_());
    gives::<i64>(root.r#match(1));
    gives::<()>(root.set(1, None));
    gives::<i64>(root.parse(String::new()));
    gives::<u64>(root.wait(1));
    gives::<u64>(root.caller(1));
    gives::<u64>(root.caller_later());
    gives::<String>(root.rest(1, vec![2], BTreeMap::new()));
    gives::<String>(root.init("s".to_owned(), 1.0, BTreeMap::new()));
    gives::<bool>(root.conditional());
    gives::<i64>(root.unused(1, None, None, 5));
    gives::<i64>(root.renamed(1, None));
    gives::<String>(root.pay(1.5, "EUR".to_owned(), None, None));
    gives::<String>(root.log(vec![], None, BTreeMap::new()));
    gives::<Proxy>(root.echo(root.clone().into()));
    gives::<i64>(root.tools().neg(1));
    let _: ToolsProxy = root.with_timeout(Duration::from_secs(1)).more_tools();
}

#[test]
fn proxies_are_compared_and_printed() {
    let (one, other) = (root("a"), root("b"));
    assert_eq!(one, one.clone());
    assert_ne!(one, other);
    assert_eq!(HashSet::from([one.clone(), one.clone(), other]).len(), 2);

    let text = one.to_string();
    assert!(text.starts_with("RootClient('") && text.ends_with("a')"), "{text}");
    assert_eq!(format!("{one:?}"), text);
    assert_eq!(one.as_ref().path(), "a");
    assert_eq!(one.tools().as_ref().path(), "a/tools");
    assert_eq!(one.more_tools().as_ref().path(), "a/more");
}

#[test]
fn proxies_are_sent_as_references() {
    let codec_context = CodecContext::new(Types::default().for_rpc(), Budget::default());
    let typed = Body::encode(Format::Json, &codec_context, &root("a")).unwrap();
    let plain = Body::encode(Format::Json, &codec_context, &ServiceRef::new("a")).unwrap();
    assert_eq!(typed.bytes(), plain.bytes());
}
