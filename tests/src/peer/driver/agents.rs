//! The agents of the container.

use aiomas::{Context, Error, Proxy, agent};
use aiomas_core::agent::AgentUrl;
use aiomas_core::clock::{Date, When};
use aiomas_core::connection::Negotiate;
use aiomas_core::wire::{RemoteError, Value};
use serde::{Deserialize, Serialize};

use crate::peer::fail;
use crate::peer::number::add;

/// Defines an agent that answers questions and has further methods. With aiomas, `Caller` is a
/// subclass of `Echo`.
macro_rules! echo_agent {
    ($(#[$doc:meta])* $name:ident { $($more:item)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        #[agent]
        impl $name {
            #[expose]
            fn echo(&self, value: Value) -> Value {
                value
            }

            #[expose]
            fn add(&self, a: Value, b: Value) -> Result<Value, RemoteError> {
                add(a, b)
            }

            #[expose]
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            #[expose]
            fn addr_of(&self, #[context] ctx: &Context) -> Option<String> {
                ctx.url().map(AgentUrl::to_string)
            }

            #[expose]
            fn fail(&self, message: String) -> Result<(), RemoteError> {
                fail(message)
            }

            #[expose]
            fn me(&self, #[context] ctx: &Context) -> Result<Proxy, Error> {
                ctx.agent()
            }

            #[expose]
            fn date(&self, date: Date) -> Date {
                date
            }

            #[expose]
            fn shift(&self, date: Date, seconds: f64) -> Result<Date, RemoteError> {
                date.shift(seconds).map_err(RemoteError::value_error)
            }

            #[expose]
            async fn meet(&self, peer: EchoProxy) -> Result<Meeting, Error> {
                Ok(Meeting { met: peer.name().await? })
            }

            $($more)*
        }
    };
}

/// The result of `meet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Meeting {
    pub(crate) met: String,
}

echo_agent! {
    /// Answers questions.
    Echo {}
}

echo_agent! {
    /// Connects to other agents, and answers questions.
    Caller {
        #[expose]
        async fn call(
            &self,
            url: String,
            method: String,
            args: Value,
            #[context] ctx: &Context,
        ) -> Result<Value, Error> {
            let peer: Proxy = connect(ctx, url).await?;
            peer.invoke(&method, &args, &()).await
        }

        #[expose]
        async fn introduce(
            &self,
            url: String,
            #[context] ctx: &Context,
        ) -> Result<Meeting, Error> {
            let peer: EchoProxy = connect(ctx, url).await?;
            peer.meet(ctx.agent()?.into()).await
        }
    }
}

/// Finds an agent in another container. It assumes that the container speaks the caller's codec.
async fn connect<P: From<Proxy>>(ctx: &Context, url: String) -> Result<P, Error> {
    let container = ctx.container()?;
    if let Some(codec) = ctx.codec() {
        container.set_negotiate(Negotiate::Fixed(codec));
    }
    container.connect(&*url).await
}

/// Gives access to the container's clock.
#[derive(Debug)]
pub(crate) struct Clock;

#[agent]
impl Clock {
    #[expose]
    fn time(&self, #[context] ctx: &Context) -> Result<f64, Error> {
        Ok(ctx.clock()?.time())
    }

    #[expose]
    fn utcnow(&self, #[context] ctx: &Context) -> Result<Date, Error> {
        Ok(ctx.clock()?.utc_now())
    }

    #[expose]
    fn set_time(&self, t: f64, #[context] ctx: &Context) -> Result<(), Error> {
        ctx.clock()?.set_time(t)
    }

    #[expose]
    async fn sleep(&self, dt: f64, #[context] ctx: &Context) -> Result<f64, Error> {
        let clock = ctx.clock()?;
        clock.sleep(dt).await?;
        Ok(clock.time())
    }

    #[expose]
    async fn sleep_until(&self, date: When, #[context] ctx: &Context) -> Result<f64, Error> {
        let clock = ctx.clock()?;
        clock.sleep_until(date).await?;
        Ok(clock.time())
    }
}
