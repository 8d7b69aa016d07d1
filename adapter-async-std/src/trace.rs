//! What the feature `tracing` tells: a span for each connection, and sizes.
//! Never what a connection carries, nor its header fields.

use std::io;

/// The span of a connection, or nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    #[cfg(feature = "tracing")]
    span: Option<tracing::Span>,
}

#[cfg(feature = "tracing")]
impl Trace {
    pub(crate) fn server(peer: Option<std::net::SocketAddr>) -> Self {
        let peer = peer.map(tracing::field::display);
        let span = tracing::debug_span!("websocket", role = "server", peer);
        Self { span: Some(span) }
    }

    pub(crate) fn client(authority: &str) -> Self {
        let span = tracing::debug_span!("websocket", role = "client", authority);
        Self { span: Some(span) }
    }

    /// What `work` tells belongs to the span.
    pub(crate) fn instrument<F>(&self, work: F) -> tracing::instrument::Instrumented<F> {
        let span = self.span.clone().unwrap_or_else(tracing::Span::none);
        tracing::Instrument::instrument(work, span)
    }

    /// The peer's address, where it was not known from the start.
    pub(crate) fn peer(&self, peer: std::net::SocketAddr) {
        if let Some(span) = &self.span {
            span.record("peer", tracing::field::display(peer));
        }
    }

    pub(crate) fn opened(&self) {
        if let Some(span) = &self.span {
            tracing::debug!(parent: span, "open");
        }
    }

    pub(crate) fn read(&self, read: &io::Result<usize>) {
        let Some(span) = &self.span else { return };
        match read {
            Ok(0) => tracing::debug!(parent: span, "end of input"),
            Ok(bytes) => tracing::trace!(parent: span, bytes, "read"),
            Err(error) => tracing::debug!(parent: span, %error, "read failed"),
        }
    }

    pub(crate) fn written(&self, written: &io::Result<usize>) {
        let Some(span) = &self.span else { return };
        match written {
            Ok(bytes) => tracing::trace!(parent: span, bytes, "written"),
            Err(error) => tracing::debug!(parent: span, %error, "write failed"),
        }
    }

    pub(crate) fn refused(&self, error: &crate::AcceptError) {
        if let Some(span) = &self.span {
            tracing::debug!(parent: span, %error, "no connection");
        }
    }

    pub(crate) fn panicked(&self) {
        if let Some(span) = &self.span {
            tracing::debug!(parent: span, "the handler panicked");
        }
    }
}

#[cfg(not(feature = "tracing"))]
impl Trace {
    pub(crate) fn server(_: Option<std::net::SocketAddr>) -> Self {
        Self {}
    }

    pub(crate) fn client(_: &str) -> Self {
        Self {}
    }

    pub(crate) fn instrument<F>(&self, work: F) -> F {
        work
    }

    pub(crate) fn peer(&self, _: std::net::SocketAddr) {}

    pub(crate) fn opened(&self) {}

    pub(crate) fn read(&self, _: &io::Result<usize>) {}

    pub(crate) fn written(&self, _: &io::Result<usize>) {}

    pub(crate) fn refused(&self, _: &crate::AcceptError) {}

    pub(crate) fn panicked(&self) {}
}

/// A listener that fails to accept.
pub(crate) fn accept_failed(error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::debug!(%error, "accept failed");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}
