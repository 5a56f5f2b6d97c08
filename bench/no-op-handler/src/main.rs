//! Responds to each invocation at once: what the Lambda runtime itself costs.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |_event: LambdaEvent<Value>| {
        Ok::<_, Error>(json!({
            "statusCode": 200,
            "headers": { "content-type": "application/json" },
            "body": "{\"message\":\"Success\"}",
        }))
    }))
    .await
}
