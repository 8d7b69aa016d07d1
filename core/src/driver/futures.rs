//! `Stream` and `Sink`, which the orphan rule keeps the adapters from adding.

use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use super::engineio::client::{self, Client, Http};
use super::{Error, Io, Receiver, WebSocket};
use crate::websocket::Message;

/// The messages, as [`WebSocket::next`] returns them.
impl<I: Io> Stream for WebSocket<I> {
    type Item = Result<Message<'static>, Error<I::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        WebSocket::poll_next(&mut self, cx)
    }
}

/// `SinkExt::send` flushes each message; `SinkExt::feed` only queues it.
impl<I: Io> Sink<Message<'static>> for WebSocket<I> {
    type Error = Error<I::Error>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        WebSocket::poll_ready(&mut self, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Self::Error> {
        Ok(WebSocket::start_send(&mut self, message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        WebSocket::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        WebSocket::poll_close(&mut self, cx)
    }
}

/// The messages, as [`Receiver::next`] returns them.
impl<I: Io> Stream for Receiver<I> {
    type Item = Result<Message<'static>, Error<I::Error>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Receiver::poll_next(&mut self, cx)
    }
}

/// The messages, as [`Client::next`] returns them.
impl<H: Http> Stream for Client<H> {
    type Item = Result<Message<'static>, client::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Client::poll_next(&mut self, cx)
    }
}

/// `SinkExt::send` waits until each message is with the server; `SinkExt::feed` only
/// queues it.
impl<H: Http> Sink<Message<'static>> for Client<H> {
    type Error = client::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Client::poll_ready(&mut self, cx).map(Ok)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Self::Error> {
        Ok(Client::start_send(&mut self, message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Client::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Client::poll_close(&mut self, cx)
    }
}
