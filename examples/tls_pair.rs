//! Mutual TLS between two processes, with a certificate authority of their own.
//!
//!     cargo run --example tls_pair
//!
//! The program makes the authority and the certificates, and starts itself as the server. It is a
//! client three times: with a certificate, without one, and with one that another authority has
//! signed. It prints the reply that each client receives, and the server's messages about refused
//! clients:
//!
//! ```text
//! with a certificate: good day, CN=grid
//! without a certificate: ... the peer wants a certificate of us: certificate required (alert 116)
//!   the server: refused 127.0.0.1:40124: the peer has shown no certificate
//! ...
//! ```
//!
//! On two machines, with PEM files of your own (docs/tls.md describes how to make them):
//!
//!     cargo run --example tls_pair -- server ca.pem house.pem house.key tcp://house.example:5555
//!     cargo run --example tls_pair -- client ca.pem grid.pem grid.key tcp://house.example:5555

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::{env, fs};

use aiomas_tokio::tls::TlsConfig;
use aiomas_tokio::tls::rustls::pki_types::{CertificateDer, pem::PemObject};
use aiomas_tokio::tls::rustls::{ClientConfig, RootCertStore};
use aiomas_tokio::{Context, rpc, service};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct House;

#[service]
impl House {
    /// Greets the caller, which always has a certificate here.
    #[expose]
    fn greet(&self, #[context] ctx: &Context) -> Option<String> {
        ctx.certificate().map(|certificate| format!("good day, {}", certificate.subject))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => pair().await,
        ["server", ca, certificate, key, address] => {
            serve(TlsConfig::from_pem_files(ca, certificate, key)?, address).await
        }
        ["client", ca, certificate, key, address] => {
            println!("{}", ask(TlsConfig::from_pem_files(ca, certificate, key)?, address).await?);
            Ok(())
        }
        _ => Err("usage: tls_pair [server|client CA CERTIFICATE KEY ADDRESS]".into()),
    }
}

/// Runs the server: prints its address and refused clients. Ends at the end of standard input.
async fn serve(tls: TlsConfig, address: &str) -> Result<()> {
    let tls = tls.on_refused(|peer, error| println!("refused {}: {error}", peer.unwrap_or("?")));
    let server = rpc::builder().tls(tls).service(House).listen(address).await?;
    println!("{}", server.address());
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    server.shutdown().await;
    Ok(())
}

async fn ask(tls: TlsConfig, address: &str) -> Result<String> {
    let client = rpc::builder().tls(tls).connect(address).await?;
    let house: HouseProxy = client.remote_as();
    Ok(house.greet().await?.ok_or("the server does not know us")?)
}

/// Runs both sides on this machine.
async fn pair() -> Result<()> {
    // Only this user can read the folder. It is removed at the end.
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let (ca, other_ca) = (authority("our authority")?, authority("another authority")?);
    fs::write(file("ca.pem"), ca.pem())?;
    for (ca, name) in [(&ca, "house"), (&ca, "grid"), (&other_ca, "stranger")] {
        sign(ca, name, folder.path())?;
    }

    let mut server = Command::new(env::current_exe()?)
        .arg("server")
        .args(["ca.pem", "house.pem", "house.key"].map(file))
        .arg("tcp://127.0.0.1:0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(server.stdout.take().ok_or("its output is a pipe")?).lines();
    let address = output.next_line().await?.ok_or("the server has ended at once")?;

    let trust = file("ca.pem");
    let grid = TlsConfig::from_pem_files(&trust, file("grid.pem"), file("grid.key"))?;
    let stranger = TlsConfig::from_pem_files(&trust, file("stranger.pem"), file("stranger.key"))?;
    let anonymous = without_certificate(&grid, &trust)?;
    println!("with a certificate: {}", ask(grid, &address).await?);
    for (who, tls) in [("without a certificate", anonymous), ("with another authority's", stranger)]
    {
        match ask(tls, &address).await {
            Ok(answer) => return Err(format!("{who}: {answer}").into()),
            Err(error) => println!("{who}: {error}"),
        }
        println!("  the server: {}", output.next_line().await?.ok_or("the server has ended")?);
    }

    // This closes the server's standard input.
    let status = server.wait().await?;
    if status.success() { Ok(()) } else { Err(format!("the server: {status}").into()) }
}

/// Creates a certificate authority. In production, keep its key on a machine without servers.
fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Makes a key and a certificate for a peer on this machine.
fn sign(ca: &CertifiedIssuer<'_, KeyPair>, name: &str, folder: &Path) -> Result<()> {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    fs::write(folder.join(name).with_extension("pem"), params.signed_by(&key, ca)?.pem())?;
    fs::write(folder.join(name).with_extension("key"), key.serialize_pem())?;
    Ok(())
}

/// Returns a client configuration with the same trust but without a certificate. Only rustls itself
/// can create such a client.
fn without_certificate(tls: &TlsConfig, ca: &Path) -> Result<TlsConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConfig::from_rustls(tls.server().clone(), client))
}
