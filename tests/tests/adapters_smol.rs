//! The suite of the adapters on smol.

mod adapter;

#[global_allocator]
static ALLOCATOR: sockeye_tests::alloc::Counting = sockeye_tests::alloc::Counting;

mod runtime {
    use std::future::Future;
    use std::io;
    use std::net::SocketAddr;
    #[cfg(unix)]
    use std::path::PathBuf;

    pub use smol::net::TcpListener;
    #[cfg(unix)]
    pub use smol::net::unix::{UnixListener, UnixStream};
    pub use sockeye_async_std as adapter;
    pub use sockeye_async_std::TcpStream;

    pub use super::adapter::ears::{Ears, oneshot};
    use super::adapter::pipe::Pipe;

    /// What a listener on TCP accepts.
    pub type Accepted = TcpStream;

    pub fn is_nodelay(stream: &Accepted) -> bool {
        stream.nodelay().unwrap()
    }

    pub fn block_on<F: Future>(work: F) -> F::Output {
        smol::block_on(work)
    }

    /// As [`block_on`]: what is spawned has threads of its own.
    pub fn threads<F: Future>(work: F) -> F::Output {
        block_on(work)
    }

    pub fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        smol::spawn(work)
    }

    pub fn engineio_runtime() -> adapter::engineio::Runtime {
        adapter::engineio::Runtime::smol()
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
        let name = format!("sockeye-smol-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        (listener, path)
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

#[test]
fn t19_an_executor_may_end_under_its_connections() {
    use adapter::kit::{echo, pair};

    let executor = smol::Executor::new();
    let mut client = smol::block_on(executor.run(async {
        let (client, server) = pair().await;
        executor.spawn(echo(server)).detach();
        adapter::kit::step().await;
        client
    }));
    drop(executor);
    smol::block_on(async move {
        assert!(client.next().await.unwrap().is_err());
    });
}

#[test]
fn t19_a_task_may_be_cancelled() {
    use adapter::kit::{echo, pair};

    smol::block_on(async {
        let (mut client, server) = pair().await;
        let task = smol::spawn(echo(server));
        client.send("hello").await.unwrap();
        assert!(client.next().await.unwrap().is_ok());
        assert!(task.cancel().await.is_none());
        assert!(client.next().await.unwrap().is_err());
    });
}
