//! A listener over pipes, and what calls it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::pipe::{Pipe, pipe};
use super::runtime::adapter::{Connect, WebSocket};

#[derive(Default)]
struct Calls {
    calls: VecDeque<io::Result<Pipe>>,
    waiting: Option<Waker>,
}

/// The listener.
pub struct Ears(Arc<Mutex<Calls>>);

/// What calls it.
pub struct Mouth(Arc<Mutex<Calls>>);

impl Ears {
    pub fn new() -> (Self, Mouth) {
        let calls = Arc::<Mutex<Calls>>::default();
        (Self(calls.clone()), Mouth(calls))
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
        let (here, there) = pipe(4096);
        self.call(Ok(there));
        here
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
        let mut calls = self.0.lock().unwrap();
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
