//! Laboratories: a tab of the page has one, with messages, controls and counts of
//! its own, and a port, since browsers open six connections to a port and no more.
//!
//! A laboratory ends once its tab is gone for a minute.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    Short,
    Long,
    Chunked,
    Events,
    WebSocket,
    EngineIo,
}

impl Panel {
    pub(crate) const ALL: [Self; 6] = [
        Self::Short,
        Self::Long,
        Self::Chunked,
        Self::Events,
        Self::WebSocket,
        Self::EngineIo,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
            Self::Chunked => "chunked",
            Self::Events => "events",
            Self::WebSocket => "websocket",
            Self::EngineIo => "engineio",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|panel| panel.name() == name)
    }
}

/// What the page can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Controls {
    /// Messages in a second.
    pub(crate) rate: u64,
    /// Bytes of a message.
    pub(crate) size: u64,
    /// Milliseconds between two requests of short polling.
    pub(crate) every: u64,
    /// Simulated clients of each panel.
    pub(crate) clients: u64,
    /// Milliseconds that answers are held back.
    pub(crate) delay: u64,
    /// Whether WebSockets are refused.
    pub(crate) blocked: u64,
}

impl Controls {
    /// What is no control or no number changes nothing.
    fn set(&mut self, query: &str) {
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let Ok(value) = value.parse::<u64>() else {
                continue;
            };
            match name {
                "rate" => self.rate = value.clamp(1, 100),
                "size" => self.size = value.clamp(32, 16_384),
                "every" => self.every = value.clamp(100, 5_000),
                "clients" => self.clients = value.min(40),
                "delay" => self.delay = value.min(2_000),
                "blocked" => self.blocked = value.min(1),
                _ => {}
            }
        }
    }
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            rate: 4,
            size: 64,
            every: 1_000,
            clients: 0,
            delay: 0,
            blocked: 0,
        }
    }
}

/// What a panel has cost so far.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) requests: Count,
    /// Messages to clients.
    pub(crate) sent: Count,
    /// Messages from clients.
    pub(crate) received: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    /// Nanoseconds on a processor.
    pub(crate) busy: Count,
}

#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A message of the feed, which every panel carries.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) number: u64,
    at: Instant,
    /// Its number, when it was made in milliseconds of Unix, and filling.
    pub(crate) text: Bytes,
}

/// Which connections are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Everything,
    WebSockets,
}

pub(crate) struct Lab {
    id: String,
    controls: watch::Sender<Controls>,
    meters: [Meter; 6],
    /// The last messages.
    kept: Mutex<VecDeque<Message>>,
    /// The number of the last one; none when the laboratory has ended.
    newest: watch::Sender<Option<u64>>,
    cut: watch::Sender<Cut>,
    asked: Mutex<Instant>,
}

impl Lab {
    fn new(id: String) -> Self {
        Self {
            id,
            controls: watch::Sender::new(Controls::default()),
            meters: Default::default(),
            kept: Mutex::default(),
            newest: watch::Sender::new(Some(0)),
            cut: watch::Sender::new(Cut::Everything),
            asked: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn meter(&self, panel: Panel) -> &Meter {
        let [short, long, chunked, events, websocket, engineio] = &self.meters;
        match panel {
            Panel::Short => short,
            Panel::Long => long,
            Panel::Chunked => chunked,
            Panel::Events => events,
            Panel::WebSocket => websocket,
            Panel::EngineIo => engineio,
        }
    }

    pub(crate) fn controls(&self) -> Controls {
        *self.controls.borrow()
    }

    pub(crate) fn watch_controls(&self) -> watch::Receiver<Controls> {
        self.controls.subscribe()
    }

    pub(crate) fn set(&self, query: &str) {
        let before = self.controls();
        self.controls.send_modify(|controls| controls.set(query));
        if self.controls().blocked > before.blocked {
            self.cut.send_replace(Cut::WebSockets);
        }
    }

    pub(crate) fn cut_all(&self) {
        self.cut.send_replace(Cut::Everything);
    }

    /// Ready when connections are cut.
    pub(crate) fn cut(&self) -> Pin<Box<dyn Future<Output = Cut> + Send>> {
        let mut cut = self.cut.subscribe();
        Box::pin(async move {
            // The sender is gone with the laboratory.
            match cut.changed().await {
                Ok(()) => *cut.borrow(),
                Err(_) => Cut::Everything,
            }
        })
    }

    /// Makes messages for as long as it is polled.
    async fn produce(&self) {
        let mut controls = self.controls.subscribe();
        for number in 1.. {
            let Controls { rate, size, .. } = *controls.borrow_and_update();
            self.push(number, size as usize);
            tokio::select! {
                () = sleep(Duration::from_secs(1) / rate as u32) => {}
                _ = controls.changed() => {}
            }
        }
    }

    fn push(&self, number: u64, size: usize) {
        let text = format!("{number} {:.3} ", unix_milliseconds());
        let message = Message {
            number,
            at: Instant::now(),
            text: format!("{text:.<size$}").into(),
        };
        let mut kept = lock(&self.kept);
        kept.push_back(message);
        if kept.len() > KEPT {
            kept.pop_front();
        }
        drop(kept);
        self.newest.send_replace(Some(number));
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest.borrow().unwrap_or_default()
    }

    /// The messages after that number, as far as they are kept.
    pub(crate) fn after(&self, number: u64) -> Vec<Message> {
        let kept = lock(&self.kept);
        let old = kept.partition_point(|message| message.number <= number);
        kept.range(old..).cloned().collect()
    }

    fn first_after(&self, number: u64) -> Option<Message> {
        let kept = lock(&self.kept);
        let old = kept.partition_point(|message| message.number <= number);
        kept.get(old).cloned()
    }

    /// The next message, as soon as there is one; none at the end.
    pub(crate) async fn next(&self, number: u64) -> Option<Message> {
        let mut newest = self.newest.subscribe();
        loop {
            let _: u64 = (*newest.borrow_and_update())?;
            let first = self.first_after(number);
            if first.is_some() {
                return first;
            }
            newest.changed().await.ok()?;
        }
    }

    /// The next message, when it is to be sent.
    pub(crate) async fn next_due(&self, number: u64) -> Option<Message> {
        let message = self.next(number).await?;
        sleep_until(message.at + Duration::from_millis(self.controls().delay)).await;
        Some(message)
    }

    /// What the page asks for twice a second.
    pub(crate) fn report(&self) -> String {
        *lock(&self.asked) = Instant::now();
        let mut json = format!(r#"{{"now":{:.3},"panels":{{"#, unix_milliseconds());
        for (panel, comma) in Panel::ALL.into_iter().zip(["", ",", ",", ",", ",", ","]) {
            let (name, meter) = (panel.name(), self.meter(panel));
            // Nothing can go wrong with a String.
            let _ = write!(
                json,
                r#"{comma}"{name}":{{"requests":{},"sent":{},"received":{},"up":{},"down":{},"busy":{}}}"#,
                meter.requests.read(),
                meter.sent.read(),
                meter.received.read(),
                meter.bytes_in.read(),
                meter.bytes_out.read(),
                meter.busy.read(),
            );
        }
        json + "}}"
    }
}

/// All laboratories.
#[derive(Clone, Default)]
pub(crate) struct Labs(Arc<Mutex<HashMap<String, Place>>>);

struct Place {
    lab: Arc<Lab>,
    /// What ends with it.
    tasks: JoinSet<()>,
}

impl Labs {
    /// A new laboratory. If there are too many, that whose page is silent for the
    /// longest time has to go.
    pub(crate) fn open(&self) -> Option<Arc<Lab>> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).ok()?;
        let id = format!("{:016x}", u64::from_ne_bytes(random));
        let lab = Arc::new(Lab::new(id.clone()));
        let mut tasks = JoinSet::new();
        let producer = lab.clone();
        tasks.spawn(async move { producer.produce().await });
        let mut places = lock(&self.0);
        if places.len() >= LABS {
            let oldest = places.values().min_by_key(|place| *lock(&place.lab.asked));
            let oldest = oldest.map(|place| place.lab.id.clone());
            oldest.and_then(|id| places.remove(&id));
        }
        let place = Place {
            lab: lab.clone(),
            tasks,
        };
        places.insert(id, place);
        Some(lab)
    }

    /// Runs a task that ends with the laboratory.
    pub(crate) fn spawn(&self, lab: &Lab, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(place) = lock(&self.0).get_mut(&lab.id) {
            place.tasks.spawn(task);
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Lab>> {
        lock(&self.0).get(id).map(|place| place.lab.clone())
    }

    /// Whom a path belongs to: `/lab/0123456789abcdef/short`.
    pub(crate) fn named(&self, path: &str) -> Option<(Arc<Lab>, Panel)> {
        let (id, panel) = path.strip_prefix("/lab/")?.split_once('/')?;
        Some((self.find(id)?, Panel::parse(panel)?))
    }

    /// Ends what no page asks for any more, as long as it is polled.
    pub(crate) async fn tidy(&self) {
        loop {
            sleep(Duration::from_secs(5)).await;
            lock(&self.0).retain(|_, place| lock(&place.lab.asked).elapsed() < SILENCE);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lab.newest.send_replace(None);
        self.lab.cut_all();
    }
}

fn unix_milliseconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1000.0
}

/// What is locked here is whole even where something panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many messages are kept for those who come back for them.
const KEPT: usize = 256;
/// The most laboratories.
const LABS: usize = 16;
/// How long a page may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
