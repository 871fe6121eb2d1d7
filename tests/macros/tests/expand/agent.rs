//! Agents: their hooks.

use aiomas::__macro::{Agent, Interface, IntoService, Method};
use aiomas::{Context, agent};
use aiomas_core::wire::RemoteError;

use crate::{call, yield_once};

struct Counter {
    count: i64,
}

#[agent]
impl Counter {
    #[on_start]
    async fn start(&mut self, #[context] context: &Context) -> Result<(), RemoteError> {
        yield_once().await;
        self.count = i64::try_from(context.caller().connection().unwrap_or_default())
            .map_err(RemoteError::value_error)?;
        Ok(())
    }

    #[expose]
    fn count(&mut self) -> i64 {
        self.count += 1;
        self.count
    }

    #[on_stop]
    fn stop(&self) {}
}

struct Plain;

#[agent]
impl Plain {
    #[expose]
    fn nothing(&self) {}
}

const fn is_agent<T: Agent>() {}

#[test]
fn hooks_are_run_as_their_signatures_say() {
    assert!(matches!(Counter::on_start(), Some(Method::ExclusiveAsync(_))));
    assert!(matches!(Counter::on_stop(), Some(Method::Shared(_))));
    assert!(Plain::on_start().is_none());
    assert!(Plain::on_stop().is_none());
    is_agent::<Counter>();
    is_agent::<Plain>();
}

#[test]
fn hooks_are_not_exposed() {
    let counter = Counter { count: 1 }.into_service();
    assert_eq!(call(&*counter, r#"["count", [], {}]"#), "2");
    assert_eq!(
        call(&*counter, r#"["start", [], {}]"#),
        r#"LookupError: "Counter.start" is not exposed"#
    );
    assert_eq!(
        call(&*counter, r#"["stop", [], {}]"#),
        r#"LookupError: "Counter.stop" is not exposed"#
    );
    assert_eq!(call(&*Plain.into_service(), r#"["nothing", [], {}]"#), "null");
}
