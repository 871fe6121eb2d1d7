//! Renewal of certificates at run time.

use aiomas::tls::TlsConfig;
use aiomas::{Error, agent};
use aiomas::{
    Runtime,
    channel::{self, Channel},
};
use aiomas_core::connection::{CloseReason, TlsError};

use super::{TCP, soon, start};
use crate::certificates::{Authority, Certificate, EXPIRED, KeyKind};

/// A service that confirms it is reachable.
struct Concierge;

#[agent]
impl Concierge {
    #[expose]
    fn hello(&self) {}
}

fn renew(config: &TlsConfig, certificate: &Certificate) {
    let Certificate { ca, certificate, key } = certificate;
    let renewed = config.renew(ca.as_bytes(), certificate.as_bytes(), key.as_bytes());
    assert_eq!(renewed, Ok(()));
}

fn subject(channel: &Channel) -> String {
    channel.peer().certificate().expect("a certificate").subject.to_string()
}

/// New handshakes use the new certificate, in both roles; open connections continue.
pub async fn tls_certificates_are_renewed<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let (server, client) =
        (authority.sign("old house").config(), authority.sign("old grid").config());
    let listener = channel::builder(runtime.clone()).tls(server.clone()).listen(TCP).await;
    let mut listener = listener.expect("a listener");
    let address = listener.address().clone();
    let mut ends = Vec::new();
    for round in ["old", "new"] {
        if round == "new" {
            renew(&server, &authority.sign("new house"));
            renew(&client, &authority.sign("new grid"));
        }
        let opened = channel::builder(runtime.clone()).tls(client.clone()).connect(&address);
        let accepted = start(&runtime, async move { (listener.accept().await, listener) });
        let opened = soon(&runtime, opened).await.expect("secure");
        let (accepted, back) = soon(&runtime, accepted).await;
        let accepted = accepted.expect("secure");
        listener = back;
        assert_eq!(subject(&opened), format!("CN={round} house"));
        assert_eq!(subject(&accepted), format!("CN={round} grid"));
        ends.push((opened, accepted));
    }
    for (opened, accepted) in &ends {
        let call = opened.send::<i64>("?");
        soon(&runtime, accepted.recv()).await.expect("a request").reply(&42).expect("open");
        assert_eq!(soon(&runtime, call).await, Ok(42));
    }
}

/// Renewed files make a container with an expired certificate reachable again, without a restart.
pub async fn tls_files_are_read_again<R: Runtime>(runtime: R) {
    let authority = Authority::new(KeyKind::Ec);
    let files = authority.sign_for("house", &["127.0.0.1"], EXPIRED).files();
    let [ca, certificate, key] = files.paths();
    let tls = TlsConfig::from_pem_files(ca, &certificate, &key).expect("valid except for its date");
    let house = aiomas::container::builder(runtime.clone()).tls(tls.clone()).bind(TCP).await;
    let house = house.expect("a listener");
    let porter = house.spawn(Concierge).expect("room");
    let grid = aiomas::container::builder(runtime.clone()).tls(authority.sign("grid").config());
    let grid = grid.bind(TCP).await.expect("a listener");
    let refused = soon(&runtime, grid.connect::<ConciergeProxy>(porter.url())).await;
    let refused = refused.expect_err("an expired certificate").to_string();
    assert!(refused.contains("has expired; renew it there"), "{refused}");
    let new = authority.sign("house");
    std::fs::write(certificate, new.certificate).expect("a file");
    std::fs::write(key, new.key).expect("a file");
    assert_eq!(tls.reload(), Ok(()));
    let found = soon(&runtime, grid.connect::<ConciergeProxy>(porter.url()))
        .await
        .expect("a new certificate");
    assert_eq!(soon(&runtime, found.hello()).await, Ok(()));
    for container in [grid, house] {
        soon(&runtime, container.shutdown()).await.expect("a clean end");
    }
}

/// Authorities are renewed, too: peers of the old one are refused from then on, and the error names
/// the file.
pub async fn tls_authorities_are_renewed<R: Runtime>(runtime: R) {
    let (old, new) = (Authority::new(KeyKind::Ec), Authority::called("new", KeyKind::Ec));
    let files = old.sign("house").files();
    let [ca, certificate, key] = files.paths();
    let server = TlsConfig::from_pem_files(&ca, &certificate, &key).expect("valid files");
    let listener = channel::builder(runtime.clone()).tls(server.clone()).listen(TCP).await;
    let mut listener = listener.expect("a listener");
    let address = listener.address().clone();
    let renewed = new.sign("house");
    for (path, content) in
        [(&ca, renewed.ca), (&certificate, renewed.certificate), (&key, renewed.key)]
    {
        std::fs::write(path, content).expect("a file");
    }
    assert_eq!(server.reload(), Ok(()));
    let accepted = start(&runtime, async move { (listener.accept().await, listener) });
    // The client still trusts only the old authority.
    let client = channel::builder(runtime.clone()).tls(old.sign("grid").config()).connect(&address);
    let error = soon(&runtime, client).await.expect_err("another authority");
    assert!(matches!(error, Error::Tls { error: TlsError::UnknownIssuer { .. }, .. }), "{error}");
    let (refused, mut listener) = soon(&runtime, accepted).await;
    let refused = refused.expect_err("refused").to_string();
    let own = format!("does not accept our certificate ({})", certificate.display());
    assert!(refused.contains(&own), "{refused}");
    let accepted = start(&runtime, async move { listener.accept().await });
    let client = channel::builder(runtime.clone()).tls(new.sign("grid").config()).connect(&address);
    let client = soon(&runtime, client).await.expect("secure");
    let server = soon(&runtime, accepted).await.expect("secure");
    drop(client);
    assert_eq!(soon(&runtime, server.closed()).await, CloseReason::Peer);
}
