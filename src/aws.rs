//! The AWS clients, over one HTTP client; the time that calls may take, and when they are retried.
//!
//! Lambda puts the Region and the credentials into environment variables. `aws-config`'s `ConfigLoader` would also link its
//! other providers of credentials: the binary would be a quarter larger, and take an eighth more memory. The SDK's retries
//! are disabled; [`retry`] makes them, within the time budget.

pub mod budget;
pub mod retry;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eventbridge::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::environment::{Lookup, VariableError, required, url};

/// The certificates of Amazon Trust Services, which sign every AWS endpoint
/// (<https://www.amazontrust.com/repository/>). Parsing the system's ~145 root certificates dominates start-up.
const AMAZON_TRUST_ROOTS: &[u8] = include_bytes!("aws/amazon-trust-roots.pem");

/// The settings of the clients.
#[derive(Debug)]
pub struct Aws {
    shared: SdkConfig,
    event_bridge_url: Option<String>,
    event_bridge_v2_url: Option<String>,
    sqs_url: Option<String>,
    secrets_manager_url: Option<String>,
}

impl Aws {
    /// Reads `AWS_REGION` (or `AWS_DEFAULT_REGION`), `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL` and its forms for each service, unless `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is true,
    /// `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, and
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR`, which replace the built-in roots. `tests/settings.rs` has the table.
    pub fn new(lookup: Lookup<'_>, http_client: SharedHttpClient) -> Result<Self, VariableError> {
        let is_true = |variable| Ok(lookup(variable)?.map(|value| value.eq_ignore_ascii_case("true")));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID", lookup)?,
            required("AWS_SECRET_ACCESS_KEY", lookup)?,
            lookup("AWS_SESSION_TOKEN")?,
            None,
            "Environment",
        );
        let ignores_urls = is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")?.unwrap_or(false);
        let endpoint_url = |variable| if ignores_urls { Ok(None) } else { url(variable, lookup) };
        let mut shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(region(lookup)?)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http_client);
        shared.set_endpoint_url(endpoint_url("AWS_ENDPOINT_URL")?);
        shared.set_use_fips(is_true("AWS_USE_FIPS_ENDPOINT")?);
        shared.set_use_dual_stack(is_true("AWS_USE_DUALSTACK_ENDPOINT")?);
        Ok(Self {
            shared: shared.build(),
            event_bridge_url: endpoint_url("AWS_ENDPOINT_URL_EVENTBRIDGE")?,
            event_bridge_v2_url: endpoint_url("AWS_ENDPOINT_URL_EVENTBRIDGEV2")?,
            sqs_url: endpoint_url("AWS_ENDPOINT_URL_SQS")?,
            secrets_manager_url: endpoint_url("AWS_ENDPOINT_URL_SECRETS_MANAGER")?,
        })
    }

    /// A client that gives up one attempt after this time.
    pub fn event_bridge(&self, attempt: Duration) -> aws_sdk_eventbridge::Client {
        let config = self.config(attempt, self.event_bridge_url.as_ref());
        aws_sdk_eventbridge::Client::new(&config)
    }

    /// A client for Custom Event Buses that gives up one attempt after this time.
    pub fn event_bridge_v2(&self, attempt: Duration) -> aws_sdk_eventbridgev2::Client {
        let config = self.config(attempt, self.event_bridge_v2_url.as_ref());
        aws_sdk_eventbridgev2::Client::new(&config)
    }

    /// For a client that gives up one attempt after `budget::ATTEMPT`, created when the first event needs it.
    pub fn sqs(&self) -> SdkConfig {
        self.config(budget::ATTEMPT, self.sqs_url.as_ref())
    }

    /// A client that gives up one attempt after `budget::SECRET_READ`.
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config(budget::SECRET_READ, self.secrets_manager_url.as_ref()))
    }

    fn config(&self, attempt: Duration, service_url: Option<&String>) -> SdkConfig {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(budget::CONNECT).operation_attempt_timeout(attempt).build();
        let mut config = self.shared.to_builder().timeout_config(timeouts);
        if let Some(url) = service_url {
            config.set_endpoint_url(Some(url.clone()));
        }
        config.build()
    }
}

fn region(lookup: Lookup<'_>) -> Result<Region, VariableError> {
    match lookup("AWS_REGION")? {
        Some(region) => Ok(Region::new(region)),
        None => lookup("AWS_DEFAULT_REGION")?.map(Region::new).ok_or(VariableError::Missing("AWS_REGION")),
    }
}

/// Whether variables name other roots. The TLS library would take a file that it cannot read for an empty list.
fn has_own_roots(lookup: Lookup<'_>) -> Result<bool, VariableError> {
    let variable = match (lookup("SSL_CERT_FILE")?, lookup("SSL_CERT_DIR")?) {
        (None, None) => return Ok(false),
        (Some(_), _) => "SSL_CERT_FILE",
        (None, Some(_)) => "SSL_CERT_DIR",
    };
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(VariableError::NoRoots(variable));
    }
    Ok(true)
}

/// One client, and so one set of roots and one connection pool, for all services. Like the SDK's own, it uses a proxy if
/// there is one.
pub fn https_client(lookup: Lookup<'_>) -> Result<SharedHttpClient, VariableError> {
    let roots = if has_own_roots(lookup)? {
        TrustStore::empty().with_native_roots(true)
    } else {
        TrustStore::empty().with_pem_certificate(AMAZON_TRUST_ROOTS)
    };
    // The context is only checked where it is used, so the error cannot occur; the system's roots are safe as well.
    let context = TlsContext::builder().with_trust_store(roots).build().unwrap_or_default();
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    }))
}
