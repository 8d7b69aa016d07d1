//! The suite of the adapters on async-std.

mod adapter;

#[global_allocator]
static ALLOCATOR: sockeye_tests::alloc::Counting = sockeye_tests::alloc::Counting;

mod runtime {
    use std::future::Future;
    use std::io;
    use std::net::SocketAddr;
    #[cfg(unix)]
    use std::path::PathBuf;

    pub use async_std::net::TcpListener;
    #[cfg(unix)]
    pub use async_std::os::unix::net::{UnixListener, UnixStream};
    pub use sockeye_async_std as adapter;
    pub use sockeye_async_std::TcpStream;

    pub use super::adapter::ears::{Ears, oneshot};
    use super::adapter::pipe::Pipe;

    /// What a listener on TCP accepts.
    pub type Accepted = adapter::HalfClose<async_std::net::TcpStream>;

    pub fn is_nodelay(stream: &Accepted) -> bool {
        stream.0.nodelay().unwrap()
    }

    pub fn block_on<F: Future>(work: F) -> F::Output {
        async_std::task::block_on(work)
    }

    /// As [`block_on`]: what is spawned has threads of its own.
    pub fn threads<F: Future>(work: F) -> F::Output {
        block_on(work)
    }

    pub fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        async_std::task::spawn(work)
    }

    pub fn engineio_runtime() -> adapter::engineio::Runtime {
        adapter::engineio::Runtime::async_std()
    }

    pub async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// A listener, and where it is.
    #[cfg(unix)]
    pub fn bind_unix() -> (UnixListener, PathBuf) {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("sockeye-async-std-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let bound = async_std::task::block_on(UnixListener::bind(&path));
        let listener = bound.unwrap();
        (listener, path)
    }

    impl adapter::Listener for Ears {
        type Stream = Pipe;

        async fn accept(&mut self) -> io::Result<(Pipe, Option<SocketAddr>)> {
            Ok((self.hear().await?, None))
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) {
            async_std::task::spawn(task);
        }
    }
}

#[test]
fn t19_a_task_may_be_cancelled() {
    use adapter::kit::{echo, pair};
    use async_std::task;

    task::block_on(async {
        let (mut client, server) = pair().await;
        let task = task::spawn(echo(server));
        client.send("hello").await.unwrap();
        assert!(client.next().await.unwrap().is_ok());
        assert!(task.cancel().await.is_none());
        assert!(client.next().await.unwrap().is_err());
    });
}
