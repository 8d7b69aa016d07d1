//! What one step over the input brought.

/// At most one event, and the input that the step left unread.
///
/// | event | rest | meaning |
/// |---|---|---|
/// | some | any | handle the event, then call again with the rest, even if it is empty |
/// | none | empty | everything was taken in; call again when more has arrived |
/// | none | not empty | paused: a command (or room in the output) must come first; keep the rest |
///
/// The event borrows from the input and not from the machine, so a reply can
/// be sent while the payload is still at hand.
#[derive(Debug)]
#[must_use = "the rest of the input must be kept, and the event handled"]
pub struct Progress<'i, E> {
    /// What happened, if anything did.
    pub event: Option<E>,
    /// The input that was not read.
    pub rest: &'i mut [u8],
}

impl<'i, E> Progress<'i, E> {
    pub(crate) fn event(event: E, rest: &'i mut [u8]) -> Self {
        Self {
            event: Some(event),
            rest,
        }
    }

    pub(crate) fn none(rest: &'i mut [u8]) -> Self {
        Self { event: None, rest }
    }
}
