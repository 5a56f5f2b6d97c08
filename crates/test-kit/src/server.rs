//! An HTTP/1.1 server on a free port, whose handler responds or breaks the connection.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
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

/// A response with its whole body.
pub type HttpResponse = hyper::Response<Bytes>;

/// A request with its whole body.
pub struct Request {
    /// Without the query string.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When its last byte was received.
    pub arrived: Instant,
}

impl Request {
    /// The value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What a server does with a request.
pub enum Reply {
    /// Responds.
    Response(HttpResponse),
    /// Closes the connection with a TCP reset.
    Reset,
    /// Never responds, and keeps the connection open.
    Hang,
}

/// How a server is reached.
#[derive(Clone, Default)]
pub struct Options {
    /// TLS, where it is used.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The time of each round trip, including those of the TCP and TLS handshakes.
    pub round_trip: Duration,
}

/// A running server, stopped when dropped.
pub struct Server {
    /// Its address on the loopback interface.
    pub address: SocketAddr,
    scheme: &'static str,
    connections: Arc<Mutex<HashMap<usize, AbortHandle>>>,
    accepting: Option<JoinHandle<()>>,
    // Sockets that refuse or ignore connections, which keep the port.
    _listener: Option<Socket>,
    _queued: Vec<Socket>,
}

impl Server {
    /// Starts on a free port.
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
        let connections = server.connections.clone();
        let handler = Arc::new(handler);
        server.accepting = Some(tokio::spawn(async move {
            for id in 0.. {
                let Ok((stream, _)) = listener.accept().await else { break };
                let (options, handler, open) = (options.clone(), handler.clone(), connections.clone());
                // Held during the spawn, so that the connection is inserted before it is removed.
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

    /// A port on which every attempt to connect times out, because its accept queue is full.
    pub fn unreachable() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        socket.listen(0).expect("a listener");
        let mut server = Self::on(socket.local_addr().unwrap().as_socket().unwrap());
        // One connection fits an accept queue of length 0. The second attempt times out, so the queue is full.
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
            connections: Arc::default(),
            accepting: None,
            _listener: None,
            _queued: Vec::new(),
        }
    }

    /// Its scheme and address.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Closes every open connection, and refuses new ones from now on.
    pub async fn refuse(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        self.break_connections();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        // The port is free once the aborted tasks have dropped their sockets.
        while socket.bind(&self.address.into()).is_err() {
            tokio::task::yield_now().await;
        }
        self._listener = Some(socket);
    }

    /// Closes every open connection. New ones are still accepted.
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
    let service = service_fn(|request| respond(request, handler.clone(), &reset));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond<H, F>(
    request: hyper::Request<Incoming>,
    handler: Arc<H>,
    reset: &Mutex<Option<ResetHandle>>,
) -> Result<hyper::Response<Full<Bytes>>, io::Error>
where
    H: Fn(Request) -> F,
    F: Future<Output = Reply>,
{
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request { path: parts.uri.path().to_owned(), headers: parts.headers, body, arrived: Instant::now() };
    match handler(request).await {
        Reply::Response(response) => Ok(response.map(Full::new)),
        Reply::Hang => std::future::pending().await,
        Reply::Reset => {
            if let Some(handle) = reset.lock().unwrap().take() {
                handle.arm()?;
            }
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// A second handle to the socket of a connection, because hyper owns the first.
struct ResetHandle(StdStream);

impl ResetHandle {
    fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self(SockRef::from(stream).try_clone()?.into()))
    }

    /// Makes the socket send a reset when it is closed.
    fn arm(self) -> io::Result<()> {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO))
    }
}
