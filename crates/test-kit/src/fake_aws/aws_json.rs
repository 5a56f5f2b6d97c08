//! The protocol AWS JSON 1.0 and 1.1: the operation is in the header `X-Amz-Target`, the input and the output are JSON.

use serde_json::{Value, json};

use super::{CallResult, Protocol, ServiceError};
use crate::server::{HttpResponse, Request};

/// AWS JSON.
pub struct AwsJson;

impl Protocol for AwsJson {
    fn read(&self, service: &str, request: &Request) -> Result<(String, Value), ServiceError> {
        let target = request.header("x-amz-target");
        let operation = target.strip_prefix(service).and_then(|operation| operation.strip_prefix('.'));
        let operation = operation.ok_or_else(|| ServiceError::unknown_operation(target))?;
        Ok((operation.to_owned(), serde_json::from_slice(&request.body).unwrap_or(Value::Null)))
    }

    fn write(&self, result: &CallResult) -> HttpResponse {
        let response = hyper::Response::builder().header("content-type", "application/x-amz-json-1.1");
        let response = match result {
            Ok(output) => response.body(output.to_string().into()),
            Err(ServiceError { status, code, message }) => response
                .status(*status)
                .header("x-amzn-errortype", *code)
                .body(json!({"__type": code, "message": message}).to_string().into()),
        };
        response.expect("a response")
    }
}
