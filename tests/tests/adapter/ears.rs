//! A listener over pipes, and what calls it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::pipe::{Pipe, pipe};
use crate::runtime::adapter::{Connect, WebSocket};

#[derive(Default)]
struct Calls {
    calls: VecDeque<io::Result<Pipe>>,
    waiting: Option<Waker>,
}

/// The listener.
pub struct Ears(Arc<Mutex<Calls>>);

/// What calls it.
pub struct Mouth {
    calls: Arc<Mutex<Calls>>,
    alive: Arc<()>,
    /// Whether hyper listens.
    pub hypers: bool,
}

/// How many of the pipes that were dialled the server still holds.
pub struct Alive(Arc<()>);

impl Alive {
    pub fn count(&self) -> usize {
        // Not this one, nor the mouth's.
        Arc::strong_count(&self.0) - 2
    }
}

impl Ears {
    pub fn new() -> (Self, Mouth) {
        let calls = Arc::<Mutex<Calls>>::default();
        let mouth = Mouth {
            calls: calls.clone(),
            alive: Arc::default(),
            hypers: false,
        };
        (Self(calls), mouth)
    }

    pub async fn hear(&mut self) -> io::Result<Pipe> {
        poll_fn(|cx| {
            let mut calls = self.0.lock().unwrap();
            match calls.calls.pop_front() {
                Some(call) => Poll::Ready(call),
                None => {
                    calls.waiting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Mouth {
    /// Connects a pipe.
    pub fn dial(&self) -> Pipe {
        let (here, mut there) = pipe(4096);
        there.alive = Some(self.alive.clone());
        there.hypers = self.hypers;
        self.call(Ok(there));
        here
    }

    pub fn alive(&self) -> Alive {
        Alive(self.alive.clone())
    }

    /// Connects, and shakes hands.
    pub async fn connect(&self) -> WebSocket<Pipe> {
        let connect = Connect::new("ws://localhost/").unwrap();
        connect.over(self.dial()).await.unwrap()
    }

    /// Makes accepting fail once.
    pub fn fail(&self, error: io::Error) {
        self.call(Err(error));
    }

    fn call(&self, call: io::Result<Pipe>) {
        let mut calls = self.calls.lock().unwrap();
        calls.calls.push_back(call);
        if let Some(waker) = calls.waiting.take() {
            waker.wake();
        }
    }
}

/// A future, and what makes it ready.
pub fn oneshot() -> (impl FnOnce(), impl Future<Output = ()> + Send + 'static) {
    let state = Arc::new(Mutex::new((false, None::<Waker>)));
    let shared = state.clone();
    let wait = poll_fn(move |cx| {
        let mut state = shared.lock().unwrap();
        state.1 = Some(cx.waker().clone());
        match state.0 {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    let fire = move || {
        let mut state = state.lock().unwrap();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    };
    (fire, wait)
}
