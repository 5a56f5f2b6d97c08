//! An HTTP/1.1 server on a free port, whose handler may answer or break the connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::latency::{DelayedStream, sleep_precisely};

pub type Response = hyper::Response<Full<Bytes>>;

pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When the last byte of it was here.
    pub arrived: Instant,
}

pub enum Reply {
    Answer(Response),
    /// Closes the connection with a TCP reset.
    Reset,
    /// Never answers, and keeps the connection open.
    Hang,
}

#[derive(Clone, Default)]
pub struct Options {
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What each round trip takes, the TCP handshake and those of TLS included.
    pub round_trip: Duration,
}

pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    accepted: Arc<AtomicUsize>,
    connections: Arc<Mutex<HashMap<usize, AbortHandle>>>,
    accepting: Option<JoinHandle<()>>,
    // Sockets that refuse or swallow connections: the port is theirs for as long as the server lives.
    _listener: Option<Socket>,
    _queued: Vec<Socket>,
}

impl Server {
    pub async fn start<H, F>(options: Options, handler: H) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let mut server = Self::on(listener.local_addr().expect("an address"));
        if options.tls.is_some() {
            server.scheme = "https";
        }
        let (accepted, connections) = (server.accepted.clone(), server.connections.clone());
        let handler = Arc::new(handler);
        server.accepting = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let id = accepted.fetch_add(1, Ordering::SeqCst);
                let (options, handler, open) = (options.clone(), handler.clone(), connections.clone());
                // Held over the spawn, so that the connection is known before it can be over.
                let mut known = connections.lock().unwrap();
                let task = tokio::spawn(async move {
                    connection(stream, options, handler).await;
                    open.lock().unwrap().remove(&id);
                });
                known.insert(id, task.abort_handle());
            }
        }));
        server
    }

    /// A port on which every connection is refused.
    pub fn refusing() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let mut server = Self::on(socket.local_addr().unwrap().as_socket().unwrap());
        server._listener = Some(socket);
        server
    }

    /// A port that leaves every SYN unanswered, because its accept queue is full.
    pub fn unreachable() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        socket.listen(0).expect("a listener");
        let mut server = Self::on(socket.local_addr().unwrap().as_socket().unwrap());
        // One fits an accept queue of length 0; the second attempt times out and proves that it is full.
        for _ in 0..2 {
            if let Ok(stream) = StdStream::connect_timeout(&server.address, Duration::from_millis(50)) {
                server._queued.push(stream.into());
            }
        }
        assert_eq!(server._queued.len(), 1, "the accept queue is not full");
        server._listener = Some(socket);
        server
    }

    fn on(address: SocketAddr) -> Self {
        Self {
            address,
            scheme: "http",
            accepted: Arc::default(),
            connections: Arc::default(),
            accepting: None,
            _listener: None,
            _queued: Vec::new(),
        }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Breaks every open connection; from now on each new one is refused.
    pub async fn refuse(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        self.break_connections();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        // The port is free as soon as the aborted tasks have dropped their sockets.
        while socket.bind(&self.address.into()).is_err() {
            tokio::task::yield_now().await;
        }
        self._listener = Some(socket);
    }

    /// Closes every open connection; new ones are still taken.
    pub fn break_connections(&self) {
        for connection in self.connections.lock().unwrap().drain() {
            connection.1.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        self.break_connections();
    }
}

async fn connection<H, F>(stream: TcpStream, options: Options, handler: Arc<H>)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let stream = DelayedStream::new(stream, options.round_trip);
    let Ok(reset) = ResetHandle::of(stream.socket()) else { return };
    if !options.round_trip.is_zero() {
        let _ = sleep_precisely(options.round_trip).await;
    }
    match options.tls {
        None => serve(stream, handler, reset).await,
        Some(config) => {
            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                serve(stream, handler, reset).await;
            }
        }
    }
}

async fn serve<S, H, F>(stream: S, handler: Arc<H>, reset: ResetHandle)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let reset = Mutex::new(Some(reset));
    let service = service_fn(|request| answer(request, handler.clone(), &reset));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<H, F>(
    request: hyper::Request<Incoming>,
    handler: Arc<H>,
    reset: &Mutex<Option<ResetHandle>>,
) -> Result<Response, io::Error>
where
    H: Fn(Request) -> F,
    F: Future<Output = Reply>,
{
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body,
        arrived: Instant::now(),
    };
    match handler(request).await {
        Reply::Answer(response) => Ok(response),
        Reply::Hang => std::future::pending::<Result<Response, Infallible>>().await.map_err(|never| match never {}),
        Reply::Reset => {
            if let Some(handle) = reset.lock().unwrap().take() {
                handle.arm()?;
            }
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// A second handle of a connection's socket, because hyper owns the first.
struct ResetHandle(StdStream);

impl ResetHandle {
    fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self(SockRef::from(stream).try_clone()?.into()))
    }

    /// Turns the coming close into a reset.
    fn arm(self) -> io::Result<()> {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO))
    }
}
