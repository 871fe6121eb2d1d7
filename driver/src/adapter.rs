//! Code that adapters share.

/// Fills in a runtime: defines the names that a program needs, the same on each runtime.
///
/// For crates that implement [`Runtime`](crate::Runtime) for a type at their root. The type's default value is the
/// runtime to run on. The trait is among the names.
#[macro_export]
macro_rules! adapter {
    ($runtime:ident) => {
        #[doc(hidden)]
        pub use $crate::__macro;
        pub use $crate::{
            Agent, AgentRef, Answer, Builder, Call, CallBuilder, Connect, Connections, Container,
            ContainerStats, Context, Error, Interface, IntoService, Later, OnDisconnect, Peer,
            PeerState, Proxy, Runtime, SharedService, StopFailure, UnstoppedAgent, agent, clock,
            connection, expose, manager, reconnect, serializable, service, wire,
        };

        /// Request-reply channels: any content in both directions.
        pub mod channel {
            pub use $crate::channel::{Builder, Channel, Listener, Messages, Request};

            use $crate::Error;
            use $crate::container::Address;

            /// Returns a builder of channels, for all settings.
            pub fn builder() -> Builder<super::$runtime> {
                $crate::channel::builder(super::$runtime::default())
            }

            /// Opens a channel, in JSON, to the listener at `address`.
            ///
            /// # Errors
            /// See [`Builder::connect`].
            pub async fn connect(
                address: impl TryInto<Address, Error: Into<Error>>,
            ) -> Result<Channel, Error> {
                builder().connect(address).await
            }

            /// Listens for channels at `address`.
            ///
            /// # Errors
            /// See [`Builder::listen`].
            pub async fn listen(
                address: impl TryInto<Address, Error: Into<Error>>,
            ) -> Result<Listener, Error> {
                builder().listen(address).await
            }
        }

        /// Remote procedure calls, in both directions.
        pub mod rpc {
            pub use $crate::rpc::{
                Access, Arguments, Authorized, Bound, Builder, Caller, CallerId, Check, Function,
                Outcome, Parameter, Path, PeerCertificate, Return, RpcClient, RpcServer, Service,
                ServiceDict, ServiceRef, Services, Signature, authorize,
            };

            use $crate::container::Address;
            use $crate::{Error, IntoService};

            /// Returns a builder of clients and servers, for all settings.
            pub fn builder() -> Builder<super::$runtime> {
                $crate::rpc::builder(super::$runtime::default())
            }

            /// Connects, in JSON, to the server at `address`.
            ///
            /// # Errors
            /// See [`Builder::connect`].
            pub async fn connect(
                address: impl TryInto<Address, Error: Into<Error>>,
            ) -> Result<RpcClient, Error> {
                builder().connect(address).await
            }

            /// Serves `root` at `address`.
            ///
            /// # Errors
            /// See [`Builder::listen`].
            pub async fn listen(
                address: impl TryInto<Address, Error: Into<Error>>,
                root: impl IntoService,
            ) -> Result<RpcServer, Error> {
                builder().service(root).listen(address).await
            }

            /// Serves `root` at `address` until one of its methods calls [`Context::stop`](super::Context::stop): for
            /// programs that do nothing else.
            ///
            /// # Errors
            /// See [`Builder::listen`].
            ///
            /// # Cancel safety
            /// Dropping the future drops the server.
            pub async fn serve(
                address: impl TryInto<Address, Error: Into<Error>>,
                root: impl IntoService,
            ) -> Result<(), Error> {
                builder().service(root).serve(address).await
            }
        }

        /// Containers, which host agents.
        pub mod container {
            pub use $crate::container::{
                Address, AgentUrl, Agents, Backoff, Builder, ConnectError, ContainerConfig,
                ContainerError, DialError, MAX_URL, RetryLimit, Stage, UrlError, UrlReason,
                ValidateError,
            };

            use $crate::{Container, Error};

            /// Returns a builder of containers, for all settings.
            pub fn builder() -> Builder<super::$runtime> {
                $crate::container::builder(super::$runtime::default())
            }

            /// Binds a container at `address`, in JSON: `tcp://host:port` (0 for a free port), `ipc://[path]` or
            /// `local://name`.
            ///
            /// # Errors
            /// See [`Builder::bind`].
            pub async fn bind(
                address: impl TryInto<Address, Error: Into<Error>>,
            ) -> Result<Container, Error> {
                builder().bind(address).await
            }
        }
    };
}
