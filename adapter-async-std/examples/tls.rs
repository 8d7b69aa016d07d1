//! `wss://` with a certificate made on the spot.

use std::error::Error;
use std::sync::Arc;

use async_std::net::TcpListener;
use async_std::task;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sockeye_async_std::handshake::Origins;
use sockeye_async_std::websocket::CloseCode;
use sockeye_async_std::{Connect, Server};

fn main() -> Result<(), Box<dyn Error>> {
    task::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (server, client) = configurations()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("wss://localhost:{}/", listener.local_addr()?.port());
    let server = Server::new(Origins::Any).tls(server);
    task::spawn(async move {
        let never = std::future::pending();
        let serving = server.serve(listener, never, |mut websocket| async move {
            let echo = websocket.for_each(|connection, message| {
                let _ = connection.send(message);
            });
            let _ = echo.await;
        });
        serving.await;
    });

    let mut websocket = Connect::new(&url)?.tls(client).open().await?;
    websocket.send("hello over TLS").await?;
    let reply = websocket.next().await.ok_or("closed too early")??;
    println!("received: {}", reply.as_text().unwrap_or_default());
    websocket.close(CloseCode::NORMAL, "").await?;
    Ok(())
}

/// A server with a certificate of its own, and a client that trusts it.
fn configurations() -> Result<(ServerConfig, ClientConfig), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;

    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((server, client))
}
