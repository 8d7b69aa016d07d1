//! The half of the circle that writes, for those who only send as well.

use core::task::{Context, Poll, ready};

use super::{CORK, Ended, Output, Pump, Wait};
use crate::driver::{Error, Io, scratch};
use crate::websocket::{Connection, SLICES, SendError};

impl<I: Io> Pump<I> {
    /// Waits until a message would be accepted. Does not read.
    pub(in crate::driver) fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error<I::Error>>> {
        if self.connection.has_room() {
            return Poll::Ready(Ok(()));
        }
        self.with_scratch(|pump, _| {
            while !pump.is_done() && pump.connection.is_open() && !pump.connection.has_room() {
                if pump.poll_write(cx)?.is_pending() && !pump.connection.has_room() {
                    ready!(pump.poll_idle(cx, pump.io.now(), Wait::Write));
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Writes everything. Does not read.
    pub(in crate::driver) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error<I::Error>>> {
        if !self.has_output() {
            return Poll::Ready(Ok(()));
        }
        self.with_scratch(|pump, _| {
            while !pump.is_done() && pump.poll_write(cx)?.is_pending() {
                ready!(pump.poll_idle(cx, pump.io.now(), Wait::Write));
            }
            Poll::Ready(match pump.has_output() {
                true => Err(Error::Send(SendError::Closing)),
                false => Ok(()),
            })
        })
    }

    /// Queues a message, and writes it unless more input is at hand.
    pub(in crate::driver) fn send(
        &mut self,
        cx: &mut Context<'_>,
        queue: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), Error<I::Error>> {
        if self.unread.is_empty() {
            return self.send_at_once(cx, queue);
        }
        if self.is_over() {
            return Err(Error::Send(SendError::Closing));
        }
        // It stays until the input is used up, in the thread's buffer.
        if !self.connection.has_output() {
            self.keep_output_buffer();
        }
        queue(&mut self.connection)?;
        if self.connection.wants_write(CORK) {
            let _ = self.poll_write(cx)?;
        }
        Ok(())
    }

    /// Queues a message, and writes it: for whoever does not know of the input.
    pub(in crate::driver) fn send_at_once(
        &mut self,
        cx: &mut Context<'_>,
        queue: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), Error<I::Error>> {
        if self.is_over() {
            return Err(Error::Send(SendError::Closing));
        }
        self.with_scratch(|pump, _| {
            queue(&mut pump.connection)?;
            let _ = pump.poll_write(cx)?;
            Ok(())
        })
    }

    /// Writes, and minds the deadlines of writing and closing. Does not read.
    #[cfg(feature = "std")]
    pub(in crate::driver) fn drive(&mut self, cx: &mut Context<'_>) -> Result<(), Error<I::Error>> {
        self.with_scratch(|pump, _| {
            while !pump.is_done() {
                let _ = pump.poll_write(cx)?;
                if pump.poll_idle(cx, pump.io.now(), Wait::Write).is_pending() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Lends the thread's buffer for output until what is queued is written.
    fn keep_output_buffer(&mut self) {
        let mut scratch = scratch::take();
        let write = core::mem::take(&mut scratch.write);
        scratch.write = self.connection.lend_output(write).unwrap_or_default();
        scratch::give_back(scratch);
    }

    /// Writes until nothing waits. Pending if the transport takes no more.
    #[inline]
    pub(in crate::driver) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, Error<I::Error>> {
        match self.unflushed || self.connection.has_output() {
            true => self.poll_write_out(cx),
            false => Ok(Poll::Ready(())),
        }
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Error<I::Error>> {
        while self.connection.has_output() && self.output == Output::Open {
            let (run, mut slices);
            let bufs = match self.connection.run_to_transmit() {
                Some(bytes) => {
                    run = [bytes];
                    &run[..]
                }
                None => {
                    slices = [&[][..]; SLICES];
                    let n = self.connection.poll_transmit(&mut slices);
                    slices.get(..n).unwrap_or_default()
                }
            };
            let Poll::Ready(n) = self.io.poll_write(cx, bufs) else {
                return Ok(Poll::Pending);
            };
            match n {
                Ok(0) => return self.unwritable(Error::WriteZero),
                Ok(n) => self.connection.advance_and_reuse(n),
                Err(error) => return self.unwritable(Error::Io(error)),
            }
            self.unflushed = true;
        }
        if self.unflushed && self.output == Output::Open {
            match self.io.poll_flush(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return self.unwritable(Error::Io(error)),
            }
        }
        Ok(Poll::Ready(()))
    }

    /// A transport that cannot be written to after the end is done with.
    fn unwritable(&mut self, error: Error<I::Error>) -> Result<Poll<()>, Error<I::Error>> {
        self.output = Output::ShutDown;
        self.connection.abandon();
        if self.reason.is_some() {
            return Ok(Poll::Ready(()));
        }
        self.ended = Ended::Reported;
        Err(error)
    }

    /// Ends the output when the connection has `written` all it ever will. Ready
    /// when the transport can be dropped, or when time is over.
    #[inline]
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>, written: Poll<()>) -> Poll<()> {
        if self.connection.is_open() {
            return Poll::Pending;
        }
        let is_abandoned = self.connection.is_abandoned();
        let ends = self.connection.ends_writing() && (written.is_ready() || is_abandoned);
        if ends && self.output == Output::Open {
            // The connection is over; how the transport takes it changes nothing.
            if self.io.poll_shutdown(cx).is_ready() {
                self.output = Output::ShutDown;
            }
        }
        let shut_down = self.output == Output::ShutDown;
        match is_abandoned || (shut_down && self.connection.is_finished()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
