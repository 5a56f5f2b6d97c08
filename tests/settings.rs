//! The settings that `src/aws.rs` reads by hand, as a table: each does what it does for a client of the SDK with its defaults.
//! That client itself cannot be compared with here, since it would bring a second TLS stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use test_kit::momento;
use test_kit::sandbox::{Bus, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
/// A port on which nothing listens.
const CLOSED: &str = "http://127.0.0.1:9";
/// Where only a proxy finds the fake EventBridge.
const NOWHERE: &str = "https://localhost:1";

/// A setting, the other variables of the case, and whether an event is delivered with them, as with the SDK's own client.
/// `{proxy}` is a proxy that tunnels everything to the fake EventBridge.
type Case = (&'static str, &'static [(&'static str, &'static str)], bool);

const SETTINGS: [Case; 17] = [
    ("the defaults", &[], true),
    ("HTTPS_PROXY", &[("AWS_ENDPOINT_URL_EVENTBRIDGE", NOWHERE), ("HTTPS_PROXY", "{proxy}")], true),
    ("https_proxy", &[("AWS_ENDPOINT_URL_EVENTBRIDGE", NOWHERE), ("https_proxy", "{proxy}")], true),
    ("ALL_PROXY", &[("AWS_ENDPOINT_URL_EVENTBRIDGE", NOWHERE), ("ALL_PROXY", "{proxy}")], true),
    ("no proxy", &[("AWS_ENDPOINT_URL_EVENTBRIDGE", NOWHERE)], false),
    ("a proxy that is down", &[("HTTPS_PROXY", CLOSED)], false),
    ("NO_PROXY", &[("HTTPS_PROXY", CLOSED), ("NO_PROXY", "127.0.0.1")], true),
    ("no_proxy", &[("HTTPS_PROXY", CLOSED), ("no_proxy", "127.0.0.1")], true),
    ("HTTP_PROXY is not for https", &[("HTTP_PROXY", CLOSED)], true),
    ("the URL of a service wins", &[("AWS_ENDPOINT_URL", CLOSED)], true),
    ("AWS_ENDPOINT_URL_EVENTBRIDGE", &[("AWS_ENDPOINT_URL_EVENTBRIDGE", CLOSED)], false),
    // Then the call goes to AWS, and so to the proxy that is down.
    ("URLs ignored", &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("HTTPS_PROXY", CLOSED)], false),
    ("URLs not ignored", &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")], true),
    ("AWS_DEFAULT_REGION", &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-1")], true),
    // The SDK refuses both together with an endpoint of one's own.
    ("AWS_USE_FIPS_ENDPOINT", &[("AWS_USE_FIPS_ENDPOINT", "true")], false),
    ("AWS_USE_DUALSTACK_ENDPOINT", &[("AWS_USE_DUALSTACK_ENDPOINT", "true")], false),
    ("the built-in roots", &[("SSL_CERT_FILE", "")], false),
];

#[tokio::test]
async fn each_setting_is_followed_as_by_a_client_with_the_sdks_defaults() {
    for (name, variables, is_delivered) in SETTINGS {
        let mut sandbox = Sandbox::in_a_region(Bus::Classic, Duration::ZERO).await;
        // The bus alone is tried: the secret is at hand, and there is no queue that would take the event.
        sandbox.set("SIGNING_SECRET_ID", "");
        sandbox.set("SIGNING_SECRET", momento::SECRET);
        sandbox.set("RETRY_QUEUE_URL", "");
        let proxy = Proxy::start(&sandbox.eventbridge.url()).await;
        for (variable, value) in variables {
            sandbox.set(variable, &value.replace("{proxy}", &proxy.url));
        }
        let webhook = sandbox.start(WEBHOOK).await;
        let response = webhook.post(&momento::body("serverless", "test", 3, "hi")).await;
        let expected = if is_delivered { 200 } else { 500 };
        assert_eq!(response.status(), expected, "{name}\n{}", webhook.process.lines().join("\n"));
        let is_over_the_proxy = variables.iter().any(|(_, value)| *value == "{proxy}");
        assert_eq!(proxy.connections.load(Ordering::SeqCst) > 0, is_over_the_proxy, "{name}");
    }
}

#[tokio::test]
async fn a_function_whose_only_way_out_is_a_proxy_reaches_every_service() {
    let mut sandbox = Sandbox::in_a_region(Bus::Classic, Duration::ZERO).await;
    let proxy = Proxy::start("").await;
    sandbox.set("HTTPS_PROXY", &proxy.url);
    let webhook = sandbox.start(WEBHOOK).await;
    let response = webhook.post(&momento::body("serverless", "test", 3, "hi")).await;
    assert_eq!(response.status(), 200, "{}", webhook.process.lines().join("\n"));
    assert!(proxy.connections.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_setting_that_nothing_can_be_read_from_stops_the_start_with_a_sentence() {
    let nothing = [
        ("SSL_CERT_FILE", "/nowhere/roots.pem", "SSL_CERT_FILE names no file or folder with a certificate"),
        ("SSL_CERT_FILE", "/dev/null", "SSL_CERT_FILE names no file or folder with a certificate"),
        ("SSL_CERT_DIR", "/nowhere", "SSL_CERT_DIR names no file or folder with a certificate"),
        ("RUST_LOG", "WARNING", "RUST_LOG must be one of ERROR, WARN, INFO, DEBUG and OFF"),
        ("RUST_LOG", "verbose", "RUST_LOG must be one of ERROR, WARN, INFO, DEBUG and OFF"),
    ];
    for (variable, value, sentence) in nothing {
        let mut sandbox = Sandbox::new().await;
        sandbox.set(variable, value);
        let mut webhook = sandbox.start(WEBHOOK).await;
        assert!(!webhook.process.exited().await.success(), "{variable}={value}");
        let lines = webhook.process.lines();
        assert!(lines.iter().any(|line| line.contains(sentence)), "{variable}={value}: {lines:?}");
    }
}

#[tokio::test]
async fn the_text_of_a_network_error_names_the_network_and_not_the_role() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("AWS_ENDPOINT_URL_SECRETS_MANAGER", CLOSED);
    let webhook = sandbox.start(WEBHOOK).await;
    let message = "Secrets Manager could not be reached";
    let holds = |record: &serde_json::Value| record["message"].as_str().is_some_and(|text| text.starts_with(message));
    webhook.process.record(message, holds).await;
    assert_eq!(webhook.post(&momento::body("serverless", "test", 3, "hi")).await.status(), 202);
    let lines = webhook.process.lines();
    assert!(lines.iter().all(|line| !line.contains("role")), "{lines:?}");
}

/// A proxy that tunnels to this machine, whatever the host that it is asked for.
struct Proxy {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// Tunnels to the port of this URL; if it is empty, to the port that it is asked for.
    async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, target) = (Arc::clone(&connections), target.trim_end_matches('/').to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(tunnel(client, target.clone()));
            }
        });
        Self { url, connections }
    }
}

/// Ignores errors of clients that are killed at the end.
async fn tunnel(mut client: TcpStream, target: String) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let request = String::from_utf8(head).ok()?;
    let asked_for = request.strip_prefix("CONNECT ")?.split(' ').next()?;
    let port = if target.is_empty() { asked_for } else { &target }.rsplit(':').next()?.parse::<u16>().ok()?;
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
