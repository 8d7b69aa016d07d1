//! TLS, by rustls.
//!
//! SNI is always sent, as RFC 6455 section 4.1 demands of a client, and ALPN
//! always says `http/1.1`: the handshake is not one of HTTP/2.

use std::sync::Arc;

use futures_rustls::{TlsAcceptor, TlsConnector};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use crate::io::{AsyncRead, AsyncWrite};
use crate::{ConnectError, HandshakeError, MaybeTls};

const ALPN: &[u8] = b"http/1.1";

/// The configuration for `wss://` where none is given: Mozilla's roots, and
/// aws-lc-rs or else ring. `None` if a feature for one of these is not enabled.
pub fn default_config() -> Option<Arc<ClientConfig>> {
    #[cfg(all(
        feature = "webpki-roots",
        any(feature = "rustls-aws-lc-rs", feature = "rustls-ring")
    ))]
    {
        static CONFIG: std::sync::OnceLock<Option<Arc<ClientConfig>>> = std::sync::OnceLock::new();
        let make = || {
            #[cfg(feature = "rustls-aws-lc-rs")]
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            #[cfg(not(feature = "rustls-aws-lc-rs"))]
            let provider = rustls::crypto::ring::default_provider();
            let roots: rustls::RootCertStore =
                webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .ok()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            // As `connect` wants it, which would otherwise copy it each time.
            config.alpn_protocols = vec![ALPN.to_vec()];
            Some(Arc::new(config))
        };
        CONFIG.get_or_init(make).clone()
    }
    #[cfg(not(all(
        feature = "webpki-roots",
        any(feature = "rustls-aws-lc-rs", feature = "rustls-ring")
    )))]
    None
}

/// Shakes hands as a client. The certificate has to be one for `host`.
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    mut config: Arc<ClientConfig>,
) -> Result<MaybeTls<S>, ConnectError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::ServerName)?;
    if config.alpn_protocols != [ALPN] || !config.enable_sni {
        let config = Arc::make_mut(&mut config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = true;
    }
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(MaybeTls::Tls(Box::new(stream.into())))
}

/// Shakes hands as a server.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: Arc<ServerConfig>,
) -> Result<MaybeTls<S>, HandshakeError> {
    let accepted = TlsAcceptor::from(config).accept(stream).await;
    let stream = accepted.map_err(HandshakeError::Io)?;
    Ok(MaybeTls::Tls(Box::new(stream.into())))
}

pub(crate) fn with_alpn(mut config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.alpn_protocols != [ALPN] {
        Arc::make_mut(&mut config).alpn_protocols = vec![ALPN.to_vec()];
    }
    config
}
