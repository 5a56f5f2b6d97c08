//! The webhook handler as the crates' own guides would write it: `lambda_http`, `aws-config` and the AWS
//! clients with their default features; the signing secret is read at start and then requests are served.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Error, Request, Response, run, service_fn, tracing};
use serde::Deserialize;
use serde_json::json;
use sha3::Sha3_256;

const SIGNATURE_HEADER: &str = "momento-signature";
const MAX_EVENT_AGE_MILLISECONDS: u64 = 60_000;

struct App {
    eventbridge: aws_sdk_eventbridge::Client,
    event_bus_name: String,
    signing_secret: String,
}

#[derive(Deserialize)]
struct TopicEvent {
    cache: String,
    topic: String,
    publish_timestamp: u64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();

    let config = aws_config::load_from_env().await;
    let signing_secret = aws_sdk_secretsmanager::Client::new(&config)
        .get_secret_value()
        .secret_id(env::var("SIGNING_SECRET_ID")?)
        .send()
        .await?
        .secret_string
        .ok_or("The signing secret is not a string.")?;
    let app = App {
        eventbridge: aws_sdk_eventbridge::Client::new(&config),
        event_bus_name: env::var("EVENT_BUS_NAME")?,
        signing_secret,
    };

    run(service_fn(|request| handle(&app, request))).await
}

async fn handle(app: &App, request: Request) -> Result<Response<Body>, Error> {
    let signature = request.headers().get(SIGNATURE_HEADER);
    let body: &[u8] = request.body();
    if !signature.is_some_and(|signature| is_signed(&app.signing_secret, body, signature.as_bytes())) {
        tracing::warn!("refused a request: its signature does not match");
        return answer(StatusCode::FORBIDDEN, "Unauthorized");
    }

    let event: TopicEvent = serde_json::from_slice(body)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    if now.abs_diff(event.publish_timestamp) > MAX_EVENT_AGE_MILLISECONDS {
        tracing::warn!("refused a request: its event is stale");
        return answer(StatusCode::FORBIDDEN, "Unauthorized");
    }

    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(&app.event_bus_name)
        .source("Momento")
        .detail_type(format!("{}#{}", event.cache, event.topic))
        .detail(std::str::from_utf8(body)?)
        .build();
    let output = app.eventbridge.put_events().entries(entry).send().await?;
    if output.failed_entry_count() > 0 {
        return Err(format!("The bus refused the event: {:?}", output.entries()).into());
    }
    tracing::info!(cache = event.cache, topic = event.topic, "put an event on the bus");
    answer(StatusCode::OK, "Success")
}

fn is_signed(secret: &str, body: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = hex::decode(signature) else { return false };
    let mut mac = Hmac::<Sha3_256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

fn answer(status: StatusCode, message: &str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(json!({ "message": message }).to_string().into())?)
}
