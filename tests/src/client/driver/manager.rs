//! The server's manager.

use aiomas::Runtime;
use aiomas::manager::ManagerProxy;

use super::{Session, failure, put_to};
use crate::client::content;
use crate::peer::driver::manager::SpawnedProxy;
use crate::peer::manager::{CREATE, SPAWNED};

pub(super) async fn challenge<R: Runtime>(session: &mut Session<'_, R>) {
    put_to! { session: spawn no_such_factory set_time stop }
}

async fn spawn<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let manager: ManagerProxy = session.find(&container, "0").await;
    let made = manager.spawn(SPAWNED).arg("a").kwarg("suffix", "?").send().await;
    let (agent, url): (SpawnedProxy, String) = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((agent.as_ref().path(), url), ("agents/1", session.server.url("1").to_string()));
    assert_eq!(agent.get_label().await, Ok("a?".to_owned()));
    let again: SpawnedProxy = session.find(&container, "1").await;
    assert_eq!(again, agent);
    assert_eq!(again.get_label().await, Ok("a?".to_owned()));

    let args = vec!["b".into()];
    let made = manager.spawn_with(CREATE.to_owned(), args, Default::default()).await;
    let (agent, url) = made.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((agent.path(), url), ("agents/2", session.server.url("2").to_string()));
    assert_eq!(SpawnedProxy::from(agent).get_label().await, Ok("b!".to_owned()));
    assert_eq!(container.connection_count(), 1);
}

/// An unknown name or wrong arguments spawn no agent.
async fn no_such_factory<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let manager: ManagerProxy = session.find(&container, "0").await;
    for name in content::NO_FACTORIES {
        failure(manager.spawn(name).arg("a").send::<()>().await);
    }
    let misfits = [
        manager.spawn(SPAWNED).send(),
        manager.spawn(SPAWNED).arg("a").kwarg("label", "a").send(),
        manager.spawn(SPAWNED).arg("a").kwarg("colour", "red").send::<()>(),
    ];
    for misfit in misfits {
        assert_eq!(failure(misfit.await).kind(), "TypeError");
    }
    let next = manager.spawn(SPAWNED).arg("c").send::<(SpawnedProxy, String)>().await;
    assert_eq!(next.map(|(agent, _)| agent.as_ref().path().to_owned()), Ok("agents/3".to_owned()));
}

async fn set_time<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let manager: ManagerProxy = session.find(&container, "0").await;
    if !session.server.external_clock {
        failure(manager.set_time(5.0).await);
        return;
    }
    assert_eq!(manager.set_time(5.0).await, Ok(()));
    for time in [5.0, 4.0, -1.0] {
        assert_eq!(failure(manager.set_time(time).await).kind(), "ValueError");
    }
    assert_eq!(manager.set_time(5.5).await, Ok(()));
}

/// The manager answers, and then closes the connection.
async fn stop<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let manager: ManagerProxy = session.find(&container, "0").await;
    assert_eq!(manager.stop().await, Ok(()));
    while manager.spawn("nothing").send::<()>().await.is_err_and(|error| error.remote().is_some()) {
    }
}
