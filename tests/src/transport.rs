//! A transport that follows a script, and the world around it: no runtime, no
//! socket, and a clock that moves when nothing else does.
//!
//! [`Transport`] is what a driver is given. Each of its calls takes one step of
//! a [plan](World::plan), which may delay it, shorten it or let it fail. What
//! was written reaches the peer when it is flushed, and not before, as through a
//! TLS layer; and the timer keeps an earlier deadline that it was set to, and
//! fires too early for a later one.
//!
//! [`World`] runs futures over it, and polls a task only if it was woken. It
//! wakes who asked last, as a reactor does: a waker that was not renewed in the
//! latest poll, and a call that was not made again, end in a panic that says
//! what had been called.
//!
//! ```
//! use sockeye::driver::WebSocket;
//! use sockeye::websocket::{Config, Connection, Role};
//! use sockeye_tests::transport::World;
//!
//! let world = World::new();
//! world.input(b"\x81\x82\0\0\0\0hi");
//! let connection = Connection::new(Role::Server, Config::default(), world.now());
//! let mut websocket = WebSocket::new(world.transport(), connection);
//! let message = world.run(async || websocket.next().await);
//! assert_eq!(message.unwrap().unwrap().as_bytes(), b"hi");
//! ```

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sockeye::Instant;
use sockeye::driver::Io;

/// The methods of [`Io`] that can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `poll_read`.
    Read,
    /// `poll_write`.
    Write,
    /// `poll_flush`.
    Flush,
    /// `poll_shutdown`.
    Shutdown,
    /// `poll_deadline`.
    Deadline,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does what it can.
    None,
    /// It is delayed: the task is woken when all others wait.
    Pending,
    /// Reading and writing: one byte.
    One,
    /// Half of what would have been possible, and one byte at least.
    Half,
    /// All but one byte, and one byte at least.
    AllButOne,
    /// It never comes.
    Never,
    /// It fails, now and ever after.
    Error,
    /// Writing takes nothing, reading meets the end of input, and a deadline is
    /// there before its time.
    Nothing,
}

/// The faults that nobody may see.
pub const DISTURBANCES: [Fault; 4] = [Fault::Pending, Fault::One, Fault::Half, Fault::AllButOne];

/// When something that the peer sends is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// At once.
    Open,
    /// When so many bytes have reached the peer.
    Received(usize),
    /// When the output was shut down.
    ShutDown,
}

/// What one read gives at the most.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// These, from the given one on.
    Bytes(Vec<u8>, usize),
    Eof,
}

/// The transport: all handles of one [`World`] are the same.
#[derive(Debug)]
pub struct Transport(Arc<Mutex<State>>);

/// The world around a [`Transport`].
#[derive(Clone, Debug)]
pub struct World {
    state: Arc<Mutex<State>>,
    /// Whether every future is dropped when it waits, and made anew.
    pub drops: bool,
}

type Plan = Box<dyn FnMut(usize, Call) -> Fault + Send>;

struct State {
    now: Instant,
    clock_reads: usize,
    input: VecDeque<(Gate, Segment)>,
    written: Vec<u8>,
    /// How much of `written` has reached the peer.
    received: usize,
    /// How many bytes can be written before the peer reads on.
    room: usize,
    /// How many bytes the peer reads when all wait; none if it never does.
    reads: usize,
    over: Over,
    going_away: bool,
    timer: Option<Instant>,
    /// Whether a deadline has to lie in the future.
    strict: bool,
    plan: Option<Plan>,
    calls: Vec<Call>,
    /// Whether calls are no longer noted.
    forgets: bool,
    advances: usize,
    waits: Waits,
}

/// What has ended.
#[derive(Clone, Copy, Debug, Default)]
struct Over {
    input: bool,
    output: bool,
    shut_down: bool,
    dropped: bool,
}

/// Who is woken by what.
#[derive(Debug, Default)]
struct Waits {
    delayed: Vec<Waker>,
    read: Option<Waker>,
    write: Option<Waker>,
    timer: Option<Waker>,
    going_away: Option<Waker>,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("State")
            .field("now", &self.now)
            .field("over", &self.over)
            .field("written", &self.written.len())
            .field("received", &self.received)
            .field("waits", &self.waits)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl World {
    /// A world in which the transport takes all that is written, and the peer
    /// sends nothing.
    #[allow(clippy::new_without_default, reason = "a world is not nothing")]
    pub fn new() -> Self {
        let state = State {
            now: Instant::ZERO,
            clock_reads: 0,
            input: VecDeque::new(),
            written: Vec::new(),
            received: 0,
            room: usize::MAX,
            reads: usize::MAX,
            over: Over::default(),
            going_away: false,
            timer: None,
            strict: true,
            plan: None,
            calls: Vec::new(),
            forgets: false,
            advances: 0,
            waits: Waits::default(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            drops: false,
        }
    }

    /// The transport.
    pub fn transport(&self) -> Transport {
        Transport(self.state.clone())
    }

    /// Decides what becomes of each call, given how many there were before.
    pub fn plan(&self, plan: impl FnMut(usize, Call) -> Fault + Send + 'static) {
        self.lock().plan = Some(Box::new(plan));
    }

    /// The peer sends these bytes, which one read gives at the most.
    pub fn input(&self, bytes: &[u8]) {
        self.input_at(Gate::Open, bytes);
    }

    /// The same, later.
    pub fn input_at(&self, gate: Gate, bytes: &[u8]) {
        self.push(gate, Segment::Bytes(bytes.into(), 0));
    }

    /// The peer sends no more.
    pub fn eof(&self) {
        self.eof_at(Gate::Open);
    }

    /// The same, later.
    pub fn eof_at(&self, gate: Gate) {
        self.push(gate, Segment::Eof);
    }

    fn push(&self, gate: Gate, segment: Segment) {
        let mut state = self.lock();
        state.input.push_back((gate, segment));
        wake(state.readable());
    }

    /// The transport takes so many bytes, and so many more each time that all
    /// wait; with 0 the peer never reads.
    pub fn bound(&self, room: usize, reads: usize) {
        let mut state = self.lock();
        (state.room, state.reads) = (room, reads);
    }

    /// This endpoint is about to go away.
    pub fn go_away(&self) {
        let mut state = self.lock();
        state.going_away = true;
        wake(state.waits.going_away.take());
    }

    /// Deadlines that have passed already may be waited for, as handshakes do.
    pub fn lenient(&self) {
        self.lock().strict = false;
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.lock().now
    }

    /// The clock jumps; a timer that is due fires.
    pub fn pass(&self, span: Duration) {
        let mut state = self.lock();
        state.now = state.now.after(span);
        if state.timer.is_some_and(|at| at <= state.now) {
            wake(state.waits.timer.take());
        }
    }

    /// How often the driver has read the clock.
    pub fn clock_reads(&self) -> usize {
        self.lock().clock_reads
    }

    /// What was written, and has not all reached the peer perhaps.
    pub fn written(&self) -> Vec<u8> {
        self.lock().written.clone()
    }

    /// What has reached the peer.
    pub fn received(&self) -> Vec<u8> {
        let state = self.lock();
        state.written[..state.received].to_vec()
    }

    /// How many bytes the peer has sent and nobody has read.
    pub fn unread(&self) -> usize {
        let state = self.lock();
        let left = |(_, segment): &(Gate, Segment)| match segment {
            Segment::Bytes(bytes, at) => bytes.len() - at,
            Segment::Eof => 0,
        };
        state.input.iter().map(left).sum()
    }

    /// Calls are no longer noted, since that takes memory.
    pub fn forget_calls(&self) {
        self.lock().forgets = true;
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many calls of this kind there were.
    pub fn count(&self, call: Call) -> usize {
        self.lock().calls.iter().filter(|c| **c == call).count()
    }

    /// Whether the output was shut down.
    pub fn is_shut_down(&self) -> bool {
        self.lock().over.shut_down
    }

    /// Whether the transport was dropped.
    pub fn is_dropped(&self) -> bool {
        self.lock().over.dropped
    }

    /// Runs a future to its end. With [`drops`](Self::drops) it is dropped and
    /// made anew whenever it waits.
    ///
    /// # Panics
    ///
    /// If it waits for nothing, or is woken for nothing again and again.
    pub fn run<T>(&self, operation: impl AsyncFnMut() -> T) -> T {
        self.try_run(operation)
            .unwrap_or_else(|| panic!("waits for nothing: {:?}", self.lock()))
    }

    /// The same; `None` if it waits for ever.
    pub fn try_run<T>(&self, mut operation: impl AsyncFnMut() -> T) -> Option<T> {
        let mut task = Task::default();
        let mut polls = self.polls();
        loop {
            let mut future = pin!(operation());
            loop {
                if let Poll::Ready(value) = task.poll(future.as_mut()) {
                    return Some(value);
                }
                polls.count(self);
                while !task.is_woken() {
                    if !self.advance() {
                        return None;
                    }
                    if self.drops {
                        break;
                    }
                }
                if self.drops {
                    break;
                }
            }
        }
    }

    /// Runs tasks beside each other until all have ended.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn run_all(&self, tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
        let mut tasks: Vec<_> = tasks.into_iter().map(|f| (f, Task::default())).collect();
        let mut polls = self.polls();
        while !tasks.is_empty() {
            tasks.retain_mut(|(future, task)| {
                if !task.is_woken() {
                    return true;
                }
                polls.count(self);
                task.poll(future.as_mut()).is_pending()
            });
            while !tasks.is_empty() && !tasks.iter().any(|(_, task)| task.is_woken()) {
                assert!(
                    self.advance(),
                    "{} tasks wait for nothing: {:?}",
                    tasks.len(),
                    self.lock()
                );
            }
        }
    }

    /// Polls once, with a waker of its own.
    pub fn poll<T>(&self, future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        Task::default().poll(future)
    }

    /// Lets the next thing happen, when all wait. False if nothing can.
    pub fn advance(&self) -> bool {
        let mut state = self.lock();
        state.advances += 1;
        let delayed = std::mem::take(&mut state.waits.delayed);
        if !delayed.is_empty() {
            wake(delayed);
        } else if state.waits.write.is_some() && state.reads > 0 {
            state.room = state.reads;
            wake(state.waits.write.take());
        } else if let Some(at) = state.timer.filter(|_| state.waits.timer.is_some()) {
            state.now = state.now.max(at);
            wake(state.waits.timer.take());
        } else {
            return false;
        }
        true
    }

    fn polls(&self) -> Polls {
        let state = self.lock();
        Polls {
            count: 0,
            calls: state.calls.len(),
            advances: state.advances,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Polls for which there has to be a reason.
struct Polls {
    count: usize,
    calls: usize,
    advances: usize,
}

impl Polls {
    fn count(&mut self, world: &World) {
        self.count += 1;
        let state = world.lock();
        let (calls, advances) = (
            state.calls.len() - self.calls,
            state.advances - self.advances,
        );
        let reasons = 64 + 4 * advances + calls / 16;
        assert!(self.count <= reasons, "a busy loop: {state:?}");
    }
}

impl State {
    /// The reader's waker, if there is something to read.
    fn readable(&mut self) -> Option<Waker> {
        let (gate, _) = self.input.front()?;
        self.is_open(*gate)
            .then(|| self.waits.read.take())
            .flatten()
    }

    fn is_open(&self, gate: Gate) -> bool {
        match gate {
            Gate::Open => true,
            Gate::Received(n) => self.received >= n,
            Gate::ShutDown => self.over.shut_down,
        }
    }

    /// Takes a step of the plan. Pending and failure are the same for all calls.
    fn step(&mut self, cx: &Context<'_>, call: Call) -> Poll<Result<Fault, &'static str>> {
        let fault = match &mut self.plan {
            Some(plan) => plan(self.calls.len(), call),
            None => Fault::None,
        };
        if !self.forgets {
            self.calls.push(call);
        }
        match fault {
            Fault::Pending => {
                self.waits.delayed.push(cx.waker().clone());
                Poll::Pending
            }
            Fault::Never => Poll::Pending,
            Fault::Error => Poll::Ready(Err("broken")),
            fault => Poll::Ready(Ok(fault)),
        }
    }

    fn read(&mut self, cx: &Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, &'static str>> {
        assert!(!buf.is_empty(), "a read of nothing");
        assert!(!self.over.input, "a read after the end of input");
        let fault = match self.step(cx, Call::Read) {
            Poll::Ready(Ok(fault)) => fault,
            Poll::Ready(Err(error)) => {
                self.over.input = true;
                return Poll::Ready(Err(error));
            }
            Poll::Pending => return Poll::Pending,
        };
        if fault == Fault::Nothing {
            self.input = VecDeque::from([(Gate::Open, Segment::Eof)]);
        }
        let gate = self.input.front().map(|(gate, _)| *gate);
        if !gate.is_some_and(|gate| self.is_open(gate)) {
            self.waits.read = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some((_, Segment::Bytes(bytes, at))) = self.input.front_mut() else {
            self.over.input = true;
            return Poll::Ready(Ok(0));
        };
        let n = fault.shorten((bytes.len() - *at).min(buf.len()));
        buf[..n].copy_from_slice(&bytes[*at..*at + n]);
        *at += n;
        if *at == bytes.len() {
            self.input.pop_front();
        }
        Poll::Ready(Ok(n))
    }

    fn write(&mut self, cx: &Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, &'static str>> {
        assert!(bufs.iter().all(|buf| !buf.is_empty()), "an empty slice");
        assert!(!bufs.is_empty(), "a write of nothing");
        assert!(!self.over.output, "a write after a failure");
        assert!(!self.over.shut_down, "a write after the end of output");
        let fault = match self.step(cx, Call::Write) {
            Poll::Ready(Ok(fault)) => fault,
            Poll::Ready(Err(error)) => {
                self.over.output = true;
                return Poll::Ready(Err(error));
            }
            Poll::Pending => return Poll::Pending,
        };
        if fault == Fault::Nothing {
            self.over.output = true;
            return Poll::Ready(Ok(0));
        }
        if self.room == 0 {
            self.waits.write = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let n = fault.shorten(len.min(self.room));
        self.room -= if self.room == usize::MAX { 0 } else { n };
        let mut left = n;
        for buf in bufs {
            let taken = buf.len().min(left);
            self.written.extend_from_slice(&buf[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(n))
    }

    fn flush(&mut self, cx: &Context<'_>) -> Poll<Result<(), &'static str>> {
        assert!(!self.over.output, "a flush after a failure");
        match self.step(cx, Call::Flush) {
            Poll::Ready(Ok(_)) => {
                self.received = self.written.len();
                wake(self.readable());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.over.output = true;
                Poll::Ready(Err(error))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn shut_down(&mut self, cx: &Context<'_>) -> Poll<Result<(), &'static str>> {
        assert!(!self.over.shut_down, "a second end of output");
        match self.step(cx, Call::Shutdown) {
            Poll::Ready(result) => {
                self.over.shut_down = true;
                if result.is_ok() {
                    self.received = self.written.len();
                }
                wake(self.readable());
                Poll::Ready(result.map(drop))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn deadline(&mut self, cx: &Context<'_>, at: Instant) -> Poll<()> {
        assert!(
            at > self.now || !self.strict,
            "a deadline that has passed: {at:?} at {:?}",
            self.now
        );
        match self.step(cx, Call::Deadline) {
            Poll::Ready(Ok(Fault::Nothing)) => return Poll::Ready(()),
            Poll::Ready(_) => {}
            Poll::Pending => return Poll::Pending,
        }
        let armed = self.timer.map_or(at, |armed| armed.min(at));
        if armed <= self.now {
            self.timer = None;
            return Poll::Ready(());
        }
        self.timer = Some(armed);
        self.waits.timer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Fault {
    fn shorten(self, n: usize) -> usize {
        match self {
            Self::One => n.min(1),
            Self::Half => n.div_ceil(2),
            Self::AllButOne => n.saturating_sub(1).max(n.min(1)),
            _ => n,
        }
    }
}

impl Io for Transport {
    type Error = &'static str;

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Self::Error>> {
        lock(&self.0).read(cx, buf)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[&[u8]],
    ) -> Poll<Result<usize, Self::Error>> {
        lock(&self.0).write(cx, bufs)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        lock(&self.0).flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        lock(&self.0).shut_down(cx)
    }

    fn now(&self) -> Instant {
        let mut state = lock(&self.0);
        state.clock_reads += 1;
        state.now
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        lock(&self.0).deadline(cx, at)
    }

    fn poll_going_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.going_away {
            return Poll::Ready(());
        }
        state.waits.going_away = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        lock(&self.0).over.dropped = true;
    }
}

/// A task: it has another waker for each poll, and only the latest counts.
#[derive(Debug)]
struct Task(Arc<Flag>);

#[derive(Debug)]
struct Flag(AtomicBool);

impl Default for Task {
    fn default() -> Self {
        Self(Arc::new(Flag(AtomicBool::new(true))))
    }
}

impl Task {
    fn is_woken(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    fn poll<T>(&mut self, future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
        self.0 = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(self.0.clone());
        future.poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// A panic in one assertion shall not hide behind another.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
