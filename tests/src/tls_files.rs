//! TLS on the command lines of programs.

use std::path::PathBuf;

use aiomas::tls::{TlsConfig, TlsConfigError};

/// The TLS files, in PEM. Without them, TLS is disabled.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TlsFiles {
    /// The certificate authority.
    #[arg(long, requires_all = ["cert", "key"])]
    ca: Option<PathBuf>,
    /// Our certificate.
    #[arg(long, requires = "ca")]
    cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, requires = "ca")]
    key: Option<PathBuf>,
}

impl TlsFiles {
    /// Returns a TLS configuration with these files.
    ///
    /// # Errors
    /// The files are invalid.
    pub fn config(&self) -> Result<Option<TlsConfig>, TlsConfigError> {
        match (&self.ca, &self.cert, &self.key) {
            (Some(ca), Some(cert), Some(key)) => TlsConfig::from_pem_files(ca, cert, key).map(Some),
            _ => Ok(None),
        }
    }
}
