//! Connecting over TCP: with which options, and to which of several addresses.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::io::{sleep, until};
use crate::net::{self, TcpStream};

/// Options of TCP, for [`Connect::tcp`](crate::Connect::tcp).
///
/// ```
/// use std::time::Duration;
///
/// use sockeye_async_std::{Connect, TcpOptions};
///
/// let mut tcp = TcpOptions::default();
/// tcp.keepalive = Some(Duration::from_secs(60));
/// let connect = Connect::new("ws://example.com/")?.tcp(tcp);
/// # Ok::<_, sockeye_async_std::ConnectError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TcpOptions {
    /// Whether small messages are sent at once, `TCP_NODELAY`.
    pub nodelay: bool,
    /// The silence after which the operating system asks whether the peer is
    /// there, `SO_KEEPALIVE` and `TCP_KEEPIDLE`. WebSocket does so by itself, see
    /// [`Config::keepalive`](crate::websocket::Config::keepalive).
    pub keepalive: Option<Duration>,
    /// Bytes that the operating system keeps to be sent, `SO_SNDBUF`: about so
    /// many. `None` is its own choice.
    pub send_buffer: Option<usize>,
    /// Bytes that it keeps to be received, `SO_RCVBUF`.
    pub receive_buffer: Option<usize>,
    /// The address to connect from. Port 0 is one that is free. Only addresses
    /// of the same family can be reached from it.
    pub local_addr: Option<SocketAddr>,
}

impl Default for TcpOptions {
    /// `TCP_NODELAY`, and nothing else.
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            send_buffer: None,
            receive_buffer: None,
            local_addr: None,
        }
    }
}

impl TcpOptions {
    /// A socket that is not connected: a window is agreed upon with the first
    /// segment.
    fn socket(&self, address: SocketAddr) -> io::Result<Socket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        if let Some(time) = self.keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time))?;
        }
        if let Some(size) = self.send_buffer {
            socket.set_send_buffer_size(size)?;
        }
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        if let Some(local) = self.local_addr {
            socket.bind(&local.into())?;
        }
        Ok(socket)
    }
}

/// Connects to one of `addresses`.
pub(crate) async fn dial(
    addresses: Vec<SocketAddr>,
    options: &TcpOptions,
) -> io::Result<TcpStream> {
    let connect = |address| async move {
        let socket = options.socket(address)?;
        net::connect(socket, address).await
    };
    first(addresses, connect, || sleep(ATTEMPT_DELAY)).await
}

/// What the first attempt to succeed gives. The next begins when one has failed,
/// or after a pause in which none has succeeded; those that began go on. RFC 8305
/// section 5.
async fn first<T, F, P>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
    pause: impl Fn() -> P,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
    P: Future<Output = ()>,
{
    let mut attempts = Vec::new();
    let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in interleaved(addresses) {
        attempts.push(Box::pin(connect(address)));
        match until(pin!(pause()), any(&mut attempts)).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
    while !attempts.is_empty() {
        match any(&mut attempts).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// What the first of them gives to be done, which is then none of them.
async fn any<F: Future>(attempts: &mut Vec<Pin<Box<F>>>) -> F::Output {
    poll_fn(|cx| {
        for index in 0..attempts.len() {
            let polled = attempts.get_mut(index).map(|it| it.as_mut().poll(cx));
            if let Some(Poll::Ready(output)) = polled {
                drop(attempts.remove(index));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

/// The families in turn, beginning with that of the first, and otherwise in the
/// order given. RFC 8305 section 4.
fn interleaved(addresses: Vec<SocketAddr>) -> impl Iterator<Item = SocketAddr> {
    let is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let families = addresses
        .into_iter()
        .partition(|it| it.is_ipv6() == is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = families;
    let (mut now, mut next) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(move || {
        let address = now.next().or_else(|| next.next());
        std::mem::swap(&mut now, &mut next);
        address
    })
}

/// The "Connection Attempt Delay" that RFC 8305 section 8 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::future::pending;
    use std::task::{Context, Waker};

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|it| it.parse().unwrap()).collect()
    }

    const FOUR: [&str; 4] = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1"];

    #[test]
    fn families_take_turns() {
        let order = |list: &[&str]| interleaved(addresses(list)).collect::<Vec<_>>();
        let [a, b, c, d] = FOUR;
        assert_eq!(order(&FOUR), addresses(&[a, c, b, d]));
        assert_eq!(order(&[c, a, b]), addresses(&[c, a, b]));
        assert_eq!(order(&[d, c, a]), addresses(&[d, a, c]));
        assert_eq!(order(&[a, b]), addresses(&[a, b]));
        assert_eq!(order(&[]), []);
    }

    /// Attempts that a test decides about, and pauses that it ends.
    #[derive(Default)]
    struct Race {
        begun: RefCell<Vec<SocketAddr>>,
        done: Cell<Option<(SocketAddr, bool)>>,
        pause_is_over: Cell<bool>,
    }

    impl Race {
        fn run(&self) -> impl Future<Output = io::Result<SocketAddr>> {
            let connect = async |address| {
                self.begun.borrow_mut().push(address);
                poll_fn(|_| match self.done.get() {
                    Some((done, is_open)) if done == address => Poll::Ready(is_open),
                    _ => Poll::Pending,
                })
                .await
                .then_some(address)
                .ok_or_else(|| io::Error::other(address.to_string()))
            };
            let pause = || {
                poll_fn(|_| match self.pause_is_over.take() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
            };
            async move { first(addresses(&FOUR), connect, pause).await }
        }

        fn begun(&self) -> usize {
            self.begun.borrow().len()
        }
    }

    #[test]
    fn an_attempt_begins_after_a_failure_or_a_pause_and_the_first_to_succeed_counts() {
        let race = Race::default();
        let mut run = pin!(race.run());
        let cx = &mut Context::from_waker(Waker::noop());
        let order: Vec<_> = interleaved(addresses(&FOUR)).collect();

        assert!(run.as_mut().poll(cx).is_pending());
        assert_eq!(race.begun(), 1);
        assert!(run.as_mut().poll(cx).is_pending());
        assert_eq!(race.begun(), 1, "nothing has happened");
        race.pause_is_over.set(true);
        assert!(run.as_mut().poll(cx).is_pending());
        assert_eq!(race.begun(), 2);
        race.done.set(Some((order[0], false)));
        assert!(run.as_mut().poll(cx).is_pending());
        assert_eq!(race.begun(), 3);
        race.pause_is_over.set(true);
        assert!(run.as_mut().poll(cx).is_pending());
        assert_eq!(*race.begun.borrow(), order);
        race.done.set(Some((order[1], true)));
        match run.as_mut().poll(cx) {
            Poll::Ready(Ok(address)) => assert_eq!(address, order[1]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_error_is_the_one_that_is_told() {
        let race = Race::default();
        let mut run = pin!(race.run());
        let cx = &mut Context::from_waker(Waker::noop());
        let order: Vec<_> = interleaved(addresses(&FOUR)).collect();
        for (index, address) in order.iter().enumerate() {
            assert!(run.as_mut().poll(cx).is_pending());
            assert_eq!(race.begun(), index + 1);
            race.done.set(Some((*address, false)));
        }
        match run.as_mut().poll(cx) {
            Poll::Ready(Err(error)) => assert_eq!(error.to_string(), order[3].to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_address_is_an_error() {
        let none = first(Vec::new(), |_| pending::<io::Result<()>>(), pending);
        let cx = &mut Context::from_waker(Waker::noop());
        match pin!(none).poll(cx) {
            Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }
}
