//! Malformed events: each gets a response and a record, and none is an error of the function.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use test_kit::momento;
use test_kit::sandbox::{Function, Sandbox};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");

/// The event of an authentic webhook, after this change.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut event = momento::event(&momento::body("serverless", "test", 1, "text"));
    change(&mut event);
    event.to_string()
}

/// The event of an authentic webhook, with a header whose value is this JSON.
fn with_header(json: &str) -> String {
    changed(|event| event["headers"]["x-odd"] = "PLACEHOLDER".into()).replace(r#""PLACEHOLDER""#, json)
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn as_of_an_http_api(event: &mut Value) {
    let documented = json!({
        "routeKey": "POST /",
        "cookies": ["one=1", "two=2"],
        "queryStringParameters": {"a": "1,2"},
        "pathParameters": {"a": "b"},
        "stageVariables": {"a": "b"},
    });
    event.as_object_mut().expect("an object").extend(documented.as_object().expect("an object").clone());
    let context = &mut event["requestContext"];
    context["routeKey"] = "POST /".into();
    context["authentication"] = json!({"clientCert": {
        "clientCertPem": "CERT_CONTENT",
        "subjectDN": "www.example.com",
        "issuerDN": "Example issuer",
        "serialNumber": "a1:a1",
        "validity": {"notBefore": "May 28 12:30:02 2019 GMT", "notAfter": "Aug  5 09:36:04 2021 GMT"},
    }});
    context["authorizer"] = json!({"jwt": {"claims": {"a": "b"}, "scopes": ["a"]}});
}

/// Each event with the status that it gets. `src/webhook/request.rs` has others.
fn events() -> Vec<(&'static str, String, u64)> {
    let long = "x".repeat(64 * 1024);
    vec![
        ("a number", "1".to_owned(), 400),
        ("two hundred nested arrays", format!("{}{}", "[".repeat(200), "]".repeat(200)), 400),
        ("no request context", changed(|event| event["requestContext"] = Value::Null), 400),
        ("a method that is a number", changed(|event| event["requestContext"]["http"]["method"] = 1.into()), 400),
        ("an empty method", changed(|event| event["requestContext"]["http"]["method"] = "".into()), 405),
        ("a method in lower case", changed(|event| event["requestContext"]["http"]["method"] = "post".into()), 405),
        ("a method beyond ASCII", changed(|event| event["requestContext"]["http"]["method"] = "PÖST".into()), 405),
        ("a body that is an object", changed(|event| event["body"] = json!({})), 400),
        ("no body", changed(|event| event["body"] = Value::Null), 403),
        ("a flag that is text", changed(|event| event["isBase64Encoded"] = "yes".into()), 400),
        ("headers that are an array", changed(|event| event["headers"] = json!([])), 400),
        ("a header with a line break", with_header(r#""a\r\nmomento-signature: b""#), 400),
        ("a header that is a number", with_header("1"), 400),
        ("an empty header's name", changed(|event| event["headers"][""] = "c".into()), 400),
        ("a signature that is an object", changed(|event| event["headers"]["momento-signature"] = json!({})), 400),
        ("a query string that no URI can hold", changed(|event| event["rawQueryString"] = "<\" >\u{0}".into()), 200),
        ("a query string of 64 KB", changed(|event| event["rawQueryString"] = long.clone().into()), 200),
        ("a path that no URI can hold", changed(|event| event["rawPath"] = "\\ <>\"é".into()), 200),
        ("an odd Host", changed(|event| event["headers"]["host"] = "<>:99999".into()), 200),
        (
            "an unknown authorizer",
            changed(|event| event["requestContext"]["authorizer"] = json!({"lambda": {"a": 1}})),
            200,
        ),
        ("keys that are not known", changed(|event| event["new"] = json!({"deep": [1, null]})), 200),
        ("an HTTP API's event, with the members that AWS documents for it", changed(as_of_an_http_api), 200),
    ]
}

async fn check(function: &Function, name: &str, event: String, status: u64) {
    let response = function.runtime.invoke_json(event).await;
    assert!(!response.is_error, "{name}: an error of the function: {}", response.payload);
    assert_eq!(response.status(), status, "{name}: {}", response.payload);
    assert_eq!(response.payload["headers"]["content-type"], "application/json", "{name}");
    let message = match response.status() {
        200 => "Success",
        400 => "Bad Request",
        403 => "Unauthorized",
        _ => "Method Not Allowed",
    };
    assert_eq!(response.message(), message, "{name}");
    let record = function.process.record(name, |record| record["requestId"] == *response.request_id).await;
    let outcome = match response.status() {
        200 => "Delivered",
        400 => "BadRequest",
        403 => "Forged",
        _ => "MethodNotAllowed",
    };
    assert_eq!(record["outcome"], outcome, "{name}");
}

#[tokio::test]
async fn every_malformed_event_gets_a_response_and_a_record_without_a_function_error() {
    let sandbox = Sandbox::new().await;
    let function = sandbox.start(WEBHOOK).await;
    let delivered = events().iter().filter(|(.., status)| *status == 200).count();
    for (name, event, status) in events() {
        check(&function, name, event, status).await;
    }
    assert_eq!(sandbox.eventbridge.state().service.entries.len(), delivered);
    assert_eq!(sandbox.sqs.calls("SendMessage").len(), 0);
    // The same process still works.
    let body = momento::body("serverless", "test", 2, "text");
    assert_eq!(function.invoke(&momento::event(&body)).await.status(), 200);
}

#[tokio::test]
async fn a_six_megabyte_event_is_refused_for_its_size() {
    let sandbox = Sandbox::new().await;
    let function = sandbox.start(WEBHOOK).await;
    let body = momento::body("serverless", "test", 1, &"x".repeat(6_000_000));
    assert_eq!(function.invoke(&momento::event(&body)).await.status(), 413);
}

#[tokio::test]
async fn the_record_of_a_lost_event_fits_cloudwatch_however_long_its_names_are() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:9");
    sandbox.set("RETRY_QUEUE_URL", "");
    let webhook = sandbox.start(WEBHOOK).await;
    // As long as a body may be, in characters that JSON escapes as six.
    let body = momento::body(&"é".repeat(44_000), &"日".repeat(30_000), 3, "");
    assert!((178_000..=180_000).contains(&body.len()), "{}", body.len());
    let response = webhook.post(&body).await;
    assert_eq!(response.status(), 500);
    let record = webhook.process.record("record of a lost event", |record| record["outcome"] == "BothFailed").await;
    assert_eq!(record["cache"], "é".repeat(128));
    assert_eq!(record["topic"], "日".repeat(128));
    let kept = STANDARD.decode(record["queueMessage"]["bodyBase64"].as_str().expect("the body, in base64"));
    assert_eq!(kept.expect("base64"), body.as_bytes());
    let lines = webhook.process.lines();
    let line =
        lines.iter().find(|line| line.contains("BothFailed") && line.contains("queueMessage")).expect("its line");
    assert!(line.len() <= 256 * 1024, "{}", line.len());
}
