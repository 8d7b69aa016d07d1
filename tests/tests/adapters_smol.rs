//! The suite of the adapters on smol.

#[path = "adapter/ears.rs"]
mod ears;
#[path = "adapter/pipe.rs"]
mod pipe;
#[path = "adapter/suite.rs"]
mod suite;
#[path = "adapter/tls.rs"]
mod tls;

mod runtime {
    use std::future::Future;
    use std::io;
    use std::net::SocketAddr;

    pub use smol::net::TcpListener;
    pub use sockeye_async_std as adapter;
    pub use sockeye_async_std::TcpStream;

    pub use super::ears::{Ears, oneshot};
    use super::pipe::Pipe;

    pub fn block_on<F: Future>(work: F) -> F::Output {
        smol::block_on(work)
    }

    pub fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        smol::spawn(work)
    }

    pub async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    impl adapter::Listener for Ears {
        type Stream = Pipe;

        async fn accept(&mut self) -> io::Result<(Pipe, Option<SocketAddr>)> {
            Ok((self.hear().await?, None))
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) {
            smol::spawn(task).detach();
        }
    }
}
