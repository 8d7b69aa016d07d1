//! Bytes that wait to be written.
//!
//! Small frames are coalesced into one run of bytes, large payloads are kept by
//! reference. Each segment begins and ends at the border of a frame, so that a
//! control frame can go between any two of them:
//!
//! ```text
//! [rest of a segment that is half written] [pong] [ping] [keepalive]
//! [segment] [segment] ... [close]
//! ```
//!
//! Control frames do not queue up: each kind has one slot, and a later pong
//! takes the place of an earlier one until the transport takes its first byte.
//! One that is half written moves aside and is finished.
//! What a peer can fill is therefore bounded without a limit of its own.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// How many slices one call of `poll_transmit` gives at the most.
pub const SLICES: usize = 8;

/// A run of small frames is cut at this size, to let a control frame in.
pub(crate) const SEGMENT: usize = 16 * 1024;

/// A frame up to this size may cross it, so that one write takes all of a run.
const SMALL: usize = 1024;

/// Kept when everything is written and nobody lent the storage.
const KEPT: usize = 2048;

/// Storage for output, to be lent to a connection while it writes.
///
/// One such buffer serves all connections of a thread, since a connection needs
/// storage only from a command to the write that follows it. See
/// [`Connection::lend_output`](crate::websocket::Connection::lend_output).
#[derive(Debug, Default)]
pub struct OutputBuffer(Option<Box<Storage>>);

/// The queue of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Option<Box<Storage>>);

#[derive(Debug, Default)]
struct Storage {
    /// The bytes of all [`Segment::Copied`] and of the run, one after the other.
    copied: Vec<u8>,
    /// How many of them are written.
    head: usize,
    segments: VecDeque<Segment>,
    /// The last segment, to which small frames are still added: so many bytes at
    /// the end of `copied`.
    run: usize,
    /// Bytes in the segments and the run that are not written.
    queued: usize,
    front: Front,
    control: [ControlFrame; 4],
    /// How many control frames wait.
    controls: u8,
    /// A control frame that is half written, and whose slot was filled anew.
    rest: ControlFrame,
    lent: bool,
}

#[derive(Debug)]
enum Segment {
    Copied(usize),
    /// `written` bytes of the payload are.
    Shared {
        header: ShortHeader,
        payload: Bytes,
        written: usize,
    },
}

/// Up to 14 bytes of frame header that are not written yet.
#[derive(Debug)]
struct ShortHeader {
    bytes: [u8; 14],
    from: u8,
    to: u8,
}

/// What the first byte to be written belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Front {
    /// A border between frames: whatever is most urgent may come.
    #[default]
    Border,
    /// The first segment, of which a part is written.
    Segment,
    /// A control frame, of which this much is written.
    Control(Slot, usize),
    /// The control frame that moved aside, of which this much is written.
    Rest(usize),
}

/// The kinds of control frame that can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Pong,
    Ping,
    Keepalive,
    Close,
}

/// The slots that go before the segments, most urgent first.
const URGENT: [Slot; 3] = [Slot::Pong, Slot::Ping, Slot::Keepalive];

/// An encoded control frame; empty if there is none.
#[derive(Debug)]
struct ControlFrame {
    len: u8,
    bytes: [u8; 131],
}

impl Default for ControlFrame {
    fn default() -> Self {
        Self {
            len: 0,
            bytes: [0; 131],
        }
    }
}

impl ControlFrame {
    fn encoded(&self) -> &[u8] {
        self.rest(0)
    }

    fn rest(&self, written: usize) -> &[u8] {
        self.bytes.get(written..self.len.into()).unwrap_or_default()
    }
}

impl Outbox {
    /// Bytes of data frames that are not written.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.0.as_ref().map_or(0, |s| s.queued)
    }

    /// Whether there is nothing to write at all.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|s| s.is_empty())
    }

    /// Whether a frame waits in this slot.
    pub(crate) fn holds(&self, slot: Slot) -> bool {
        self.0.as_ref().is_some_and(|s| s.slot(slot).len > 0)
    }

    /// Whether a frame waits that can go before the data.
    #[inline]
    pub(crate) fn is_urgent(&self) -> bool {
        let waits = self.0.as_ref().is_some_and(|s| s.controls > 0);
        waits && URGENT.into_iter().any(|slot| self.holds(slot))
    }

    /// Queues a frame whose bytes `write` appends.
    #[inline]
    pub(crate) fn copy(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.storage().copy(write);
    }

    /// Queues a frame whose payload stays where it is.
    pub(crate) fn share(&mut self, header: &[u8], payload: Bytes) {
        self.storage().share(header, payload);
    }

    /// Fills a slot; what it held is forgotten, or finished if it is half written.
    pub(crate) fn control(&mut self, slot: Slot, parts: [&[u8]; 2]) {
        self.storage().put(slot, parts);
    }

    /// What to write next.
    #[inline]
    pub(crate) fn slices<'a>(&'a self, out: &mut [&'a [u8]; SLICES]) -> usize {
        self.0.as_ref().map_or(0, |s| s.slices(out))
    }

    /// All that [`slices`](Self::slices) would give, if it is one slice of small frames.
    #[inline]
    pub(crate) fn run(&self) -> Option<&[u8]> {
        self.0.as_ref()?.run()
    }

    /// `n` bytes of what [`slices`](Self::slices) gave are written.
    #[inline]
    /// A shared payload that is now written comes back.
    pub(crate) fn advance(&mut self, n: usize) -> Option<Bytes> {
        let storage = self.0.as_mut()?;
        let payload = storage.advance(n);
        if storage.is_empty() && !storage.lent && storage.capacity() > KEPT {
            self.0 = None;
        }
        payload
    }

    /// Gives the buffer back if output waits already.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: OutputBuffer) -> Option<OutputBuffer> {
        if !self.is_empty() {
            return Some(buffer);
        }
        let mut storage = buffer.0.unwrap_or_default();
        storage.lent = true;
        self.0 = Some(storage);
        None
    }

    /// Gives back what was lent; what is still queued moves into storage of its
    /// exact size.
    #[inline]
    pub(crate) fn reclaim(&mut self) -> Option<OutputBuffer> {
        let mut storage = self.0.take_if(|s| s.lent)?;
        if !storage.is_empty() {
            self.0 = Some(Box::new(storage.move_out()));
        }
        Some(OutputBuffer(Some(storage)))
    }

    #[inline]
    fn storage(&mut self) -> &mut Storage {
        self.0.get_or_insert_default()
    }
}

impl Storage {
    fn is_empty(&self) -> bool {
        self.queued == 0 && self.controls == 0
    }

    /// Bytes that are held for what can be queued.
    fn capacity(&self) -> usize {
        self.copied.capacity() + self.segments.capacity() * size_of::<Segment>()
    }

    fn slot(&self, slot: Slot) -> &ControlFrame {
        let [pong, ping, keepalive, close] = &self.control;
        match slot {
            Slot::Pong => pong,
            Slot::Ping => ping,
            Slot::Keepalive => keepalive,
            Slot::Close => close,
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut ControlFrame {
        let [pong, ping, keepalive, close] = &mut self.control;
        match slot {
            Slot::Pong => pong,
            Slot::Ping => ping,
            Slot::Keepalive => keepalive,
            Slot::Close => close,
        }
    }

    #[inline]
    fn copy(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.head > SEGMENT && self.head * 2 > self.copied.len() {
            self.copied.drain(..self.head);
            self.head = 0;
        }
        let before = self.copied.len();
        write(&mut self.copied);
        let len = self.copied.len() - before;
        self.queued += len;
        if self.run >= SEGMENT || (len > SMALL && self.run + len > SEGMENT) {
            self.end_run();
        }
        self.run += len;
    }

    /// Adds no more frames to the run.
    fn end_run(&mut self) {
        let run = core::mem::take(&mut self.run);
        if run > 0 {
            self.segments.push_back(Segment::Copied(run));
        }
    }

    fn share(&mut self, header: &[u8], payload: Bytes) {
        self.end_run();
        let mut bytes = [0; 14];
        for (slot, byte) in bytes.iter_mut().zip(header) {
            *slot = *byte;
        }
        let header = ShortHeader {
            bytes,
            from: 0,
            to: header.len().min(14) as u8,
        };
        self.queued += header.rest().len() + payload.len();
        self.segments.push_back(Segment::Shared {
            header,
            payload,
            written: 0,
        });
    }

    fn put(&mut self, slot: Slot, parts: [&[u8]; 2]) {
        match self.front {
            Front::Control(busy, written) if busy == slot => {
                self.rest = core::mem::take(self.slot_mut(slot));
                self.front = Front::Rest(written);
            }
            _ => {}
        }
        let frame = self.slot_mut(slot);
        let mut len = 0;
        for (slot, byte) in frame.bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *slot = *byte;
            len += 1;
        }
        let before = core::mem::replace(&mut frame.len, len);
        self.controls += u8::from(before == 0);
    }

    #[inline]
    fn slices<'a>(&'a self, out: &mut [&'a [u8]; SLICES]) -> usize {
        match self.run() {
            Some(run) => {
                out[0] = run;
                1
            }
            None => self.slices_of_all(out),
        }
    }

    /// All that waits, where it is nothing but small frames, as nearly always.
    #[inline]
    fn run(&self) -> Option<&[u8]> {
        let alone = self.run > 0 && self.controls == 0 && self.segments.is_empty();
        alone.then(|| self.copied.get(self.head..)).flatten()
    }

    fn slices_of_all<'a>(&'a self, out: &mut [&'a [u8]; SLICES]) -> usize {
        let mut slots = out.iter_mut();
        let mut used = 0;
        let mut push = |bytes: &'a [u8]| {
            if bytes.is_empty() {
                return;
            }
            if let Some(slot) = slots.next() {
                *slot = bytes;
                used += 1;
            }
        };
        let mut head = self.head;
        let run = self.copied.len().saturating_sub(self.run);
        let run = self.copied.get(run..).filter(|run| !run.is_empty());
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Copied(len) => {
                let bytes = self.copied.get(head..head + len).unwrap_or_default();
                head += len;
                [bytes, &[]]
            }
            Segment::Shared {
                header,
                payload,
                written,
            } => [header.rest(), payload.get(*written..).unwrap_or_default()],
        });
        let mut segments = segments.chain(run.map(|run| [run, &[]])).fuse();
        let mut busy = None;
        match self.front {
            Front::Border => {}
            Front::Segment => segments.next().into_iter().flatten().for_each(&mut push),
            Front::Control(slot, written) => {
                busy = Some(slot);
                push(self.slot(slot).rest(written));
            }
            Front::Rest(written) => push(self.rest.rest(written)),
        }
        for slot in URGENT.into_iter().filter(|slot| busy != Some(*slot)) {
            push(self.slot(slot).encoded());
        }
        // Two slices a segment at the most, and one for the close.
        segments.by_ref().take(2).flatten().for_each(&mut push);
        if segments.next().is_none() && busy != Some(Slot::Close) {
            push(self.slot(Slot::Close).encoded());
        }
        used
    }

    #[inline]
    fn advance(&mut self, n: usize) -> Option<Bytes> {
        if self.controls > 0 || !self.segments.is_empty() || n != self.queued {
            return self.advance_part(n);
        }
        // Everything is written, and was a run, as nearly always.
        self.run = 0;
        self.queued = 0;
        self.front = Front::Border;
        self.copied.clear();
        self.head = 0;
        None
    }

    fn advance_part(&mut self, mut n: usize) -> Option<Bytes> {
        let mut payload = None;
        self.end_run();
        while n > 0 {
            let taken = match self.next() {
                Some(Front::Segment | Front::Border) => self.advance_segment(n, &mut payload),
                Some(control) => self.advance_control(control, n),
                None => break,
            };
            n -= taken;
        }
        if self.queued == 0 {
            self.copied.clear();
            self.head = 0;
        }
        payload
    }

    /// What the next byte belongs to, in the order in which `slices` gives it.
    fn next(&self) -> Option<Front> {
        if self.front != Front::Border {
            return Some(self.front);
        }
        let waits = |slot: &Slot| self.slot(*slot).len > 0;
        if let Some(slot) = URGENT.into_iter().find(waits) {
            return Some(Front::Control(slot, 0));
        }
        if !self.segments.is_empty() {
            return Some(Front::Segment);
        }
        waits(&Slot::Close).then_some(Front::Control(Slot::Close, 0))
    }

    fn advance_control(&mut self, control: Front, n: usize) -> usize {
        let (frame, written) = match control {
            Front::Control(slot, written) => (self.slot_mut(slot), written),
            Front::Rest(written) => (&mut self.rest, written),
            Front::Border | Front::Segment => return n,
        };
        let left = usize::from(frame.len).saturating_sub(written);
        if n >= left {
            frame.len = 0;
            self.controls -= 1;
            self.front = Front::Border;
            return left;
        }
        self.front = match control {
            Front::Control(slot, _) => Front::Control(slot, written + n),
            _ => Front::Rest(written + n),
        };
        n
    }

    fn advance_segment(&mut self, n: usize, done: &mut Option<Bytes>) -> usize {
        let Some(segment) = self.segments.front_mut() else {
            return n;
        };
        let (taken, left) = match segment {
            Segment::Copied(len) => {
                let taken = n.min(*len);
                *len -= taken;
                self.head += taken;
                (taken, *len)
            }
            Segment::Shared {
                header,
                payload,
                written,
            } => {
                let of_header = n.min(header.rest().len());
                header.from += of_header as u8;
                let of_payload = (n - of_header).min(payload.len() - *written);
                *written += of_payload;
                let left = header.rest().len() + payload.len() - *written;
                (of_header + of_payload, left)
            }
        };
        self.queued -= taken;
        self.front = if left > 0 {
            Front::Segment
        } else {
            if let Some(Segment::Shared { payload, .. }) = self.segments.pop_front() {
                *done = Some(payload);
            }
            Front::Border
        };
        taken
    }

    /// Moves everything into storage without spare room, and leaves this one empty.
    fn move_out(&mut self) -> Self {
        let copied = self.copied.get(self.head..).unwrap_or_default().into();
        let moved = Self {
            copied,
            head: 0,
            segments: self.segments.drain(..).collect(),
            run: core::mem::take(&mut self.run),
            queued: core::mem::take(&mut self.queued),
            front: core::mem::take(&mut self.front),
            control: core::mem::take(&mut self.control),
            controls: core::mem::take(&mut self.controls),
            rest: core::mem::take(&mut self.rest),
            lent: false,
        };
        self.copied.clear();
        self.head = 0;
        moved
    }
}

impl ShortHeader {
    fn rest(&self) -> &[u8] {
        self.bytes
            .get(self.from.into()..self.to.into())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queues the `n`th frame in the way that `kind` says.
    fn queue(storage: &mut Storage, kind: usize, n: u8) {
        match kind {
            0 => storage.copy(|out| out.extend([n; 3])),
            1 => storage.share(&[n], Bytes::from(alloc::vec![n; 4])),
            2 => storage.put(Slot::Pong, [&[n], &[n; 5]]),
            3 => storage.put(Slot::Close, [&[n], &[n; 6]]),
            _ => storage.copy(|out| out.extend(core::iter::repeat_n(n, SEGMENT))),
        }
    }

    fn drained(storage: &mut Storage, step: impl Fn(&mut Storage) -> Vec<u8>) -> Vec<u8> {
        let mut all = Vec::new();
        while !storage.is_empty() {
            let written = step(storage);
            assert!(!written.is_empty());
            all.extend(written);
        }
        assert!(storage.copied.is_empty() && storage.segments.is_empty());
        all
    }

    /// Everything at once by the short ways, or bit by bit by the long ones.
    #[test]
    fn short_ways_give_what_the_long_ways_give() {
        for script in 0..5_usize.pow(4) {
            let [mut short, mut long] = [Storage::default(), Storage::default()];
            for n in 0..4 {
                let kind = script / 5_usize.pow(n) % 5;
                queue(&mut short, kind, n as u8);
                queue(&mut long, kind, n as u8);
            }
            let short = drained(&mut short, |storage| {
                let mut slices = [&[][..]; SLICES];
                let n = storage.slices(&mut slices);
                let bytes = slices[..n].concat();
                storage.advance(bytes.len());
                bytes
            });
            let long = drained(&mut long, |storage| {
                let mut slices = [&[][..]; SLICES];
                let n = storage.slices_of_all(&mut slices);
                let mut bytes = slices[..n].concat();
                bytes.truncate(if script % 3 == 0 { 1000 } else { 7001 });
                storage.advance_part(bytes.len());
                bytes
            });
            assert!(short == long, "script {script}");
        }
    }

    #[test]
    fn a_written_payload_comes_back_whole() {
        let mut storage = Storage::default();
        queue(&mut storage, 1, 7);
        queue(&mut storage, 0, 8);
        assert_eq!(storage.advance(2), None);
        let payload = storage.advance(6).unwrap();
        assert!(payload.is_unique() && payload == [7; 4][..]);
        assert!(storage.is_empty());
    }
}
