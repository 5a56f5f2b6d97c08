//! The AWS clients: made by hand from the variables that Lambda sets, over one HTTP client.
//!
//! `aws-config` and its chain of providers are left out: on Lambda the credentials are always in the environment, and
//! the chain costs start-up time and a fifth of the binary. Retries are ours ([`crate::retry`]).

use std::time::Duration;

use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::SdkConfig;

use crate::budget;
use crate::config::{ConfigError, Lookup, url};

/// The certificates of Amazon Trust Services, which sign every AWS endpoint
/// (<https://www.amazontrust.com/repository/>). To parse the some 145 roots of the system costs more than all else at start.
const AMAZON_TRUST_ROOTS: &[u8] = include_bytes!("amazon-trust-roots.pem");

/// Everything that the clients share.
#[derive(Debug)]
pub struct Aws {
    shared: SdkConfig,
    event_bridge_url: Option<String>,
    sqs_url: Option<String>,
    secrets_manager_url: Option<String>,
}

impl Aws {
    /// Reads `AWS_REGION` (or `AWS_DEFAULT_REGION`), `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL` and its forms for each service, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`
    /// and `SSL_CERT_FILE` or `SSL_CERT_DIR`, which replace the built-in roots.
    pub fn from_environment(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let required = |variable| lookup(variable)?.ok_or(ConfigError::Missing(variable));
        let is_true = |variable| Ok(lookup(variable)?.map(|value| value.eq_ignore_ascii_case("true")));
        let region = match lookup("AWS_REGION")? {
            Some(region) => region,
            None => lookup("AWS_DEFAULT_REGION")?.ok_or(ConfigError::Missing("AWS_REGION"))?,
        };
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            lookup("AWS_SESSION_TOKEN")?,
            None,
            "Environment",
        );
        let has_own_roots = lookup("SSL_CERT_FILE")?.is_some() || lookup("SSL_CERT_DIR")?.is_some();
        let mut shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http_client(has_own_roots));
        shared.set_endpoint_url(url("AWS_ENDPOINT_URL", lookup)?);
        shared.set_use_fips(is_true("AWS_USE_FIPS_ENDPOINT")?);
        shared.set_use_dual_stack(is_true("AWS_USE_DUALSTACK_ENDPOINT")?);
        Ok(Self {
            shared: shared.build(),
            event_bridge_url: url("AWS_ENDPOINT_URL_EVENTBRIDGE", lookup)?,
            sqs_url: url("AWS_ENDPOINT_URL_SQS", lookup)?,
            secrets_manager_url: url("AWS_ENDPOINT_URL_SECRETS_MANAGER", lookup)?,
        })
    }

    /// A client that gives up one attempt after this time.
    pub fn event_bridge(&self, attempt: Duration) -> aws_sdk_eventbridge::Client {
        let config = self.config(attempt, self.event_bridge_url.as_ref());
        aws_sdk_eventbridge::Client::new(&config)
    }

    /// For a client that gives up one attempt after [`budget::ATTEMPT`], and is made when the first event needs it.
    pub fn sqs(&self) -> SdkConfig {
        self.config(budget::ATTEMPT, self.sqs_url.as_ref())
    }

    /// A client that gives up one attempt after [`budget::SECRET_READ`].
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

/// One client, and so one set of roots and one connection pool, for all services.
fn http_client(has_own_roots: bool) -> aws_sdk_eventbridge::config::SharedHttpClient {
    let roots = if has_own_roots {
        TrustStore::empty().with_native_roots(true)
    } else {
        TrustStore::empty().with_pem_certificate(AMAZON_TRUST_ROOTS)
    };
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        // The context is only checked where it is used, so the error cannot occur; the system's roots are safe as well.
        Err(_) => builder.build_https(),
    }
}
