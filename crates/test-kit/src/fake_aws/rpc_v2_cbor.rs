//! The protocol Smithy RPC v2 CBOR: the operation is in the path, the input and the output are CBOR
//! (<https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>).

use ciborium::Value as Cbor;
use serde_json::{Value, json};

use super::{CallResult, Protocol, ServiceError};
use crate::server::{HttpResponse, Request};

/// Smithy RPC v2 CBOR.
pub struct RpcV2Cbor;

const PROTOCOL: &str = "rpc-v2-cbor";
const CONTENT_TYPE: &str = "application/cbor";

/// The tag of a number of seconds since the Unix epoch.
const TIMESTAMP: u64 = 1;

impl Protocol for RpcV2Cbor {
    fn read(&self, service: &str, request: &Request) -> Result<(String, Value), ServiceError> {
        let path = request.path.strip_prefix("/service/").and_then(|path| path.strip_prefix(service));
        let operation = path.and_then(|path| path.strip_prefix("/operation/"));
        let operation = operation.ok_or_else(|| ServiceError::unknown_operation(&request.path))?;
        for (header, value) in [("smithy-protocol", PROTOCOL), ("content-type", CONTENT_TYPE), ("accept", CONTENT_TYPE)]
        {
            if request.header(header) != value {
                return Err(serialization(format!("The header {header} is not {value}.")));
            }
        }
        let input: Cbor = ciborium::from_reader(&*request.body).map_err(|error| serialization(error.to_string()))?;
        let input = without_tags(input).deserialized().map_err(|error| serialization(error.to_string()))?;
        Ok((operation.to_owned(), input))
    }

    fn write(&self, result: &CallResult) -> HttpResponse {
        let response = hyper::Response::builder().header("content-type", CONTENT_TYPE);
        let response = response.header("smithy-protocol", PROTOCOL);
        let response = match result {
            Ok(output) => response.body(encode(output)),
            Err(ServiceError { status, code, message }) => {
                response.status(*status).body(encode(&json!({"__type": code, "Message": message})))
            }
        };
        response.expect("a response").map(Into::into)
    }
}

fn serialization(message: String) -> ServiceError {
    ServiceError::bad_request("SerializationException", message)
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let value = with_timestamps(Cbor::serialized(value).expect("a value"));
    ciborium::into_writer(&value, &mut bytes).expect("a vector that grows");
    bytes
}

/// JSON has no timestamps: those members are numbers there, whose names end in `Time`.
fn with_timestamps(value: Cbor) -> Cbor {
    each_member(value, &|name, value| {
        let value = with_timestamps(value);
        if name.ends_with("Time") { Cbor::Tag(TIMESTAMP, Box::new(value)) } else { value }
    })
}

fn without_tags(value: Cbor) -> Cbor {
    match value {
        Cbor::Tag(_, value) => without_tags(*value),
        value => each_member(value, &|_, value| without_tags(value)),
    }
}

/// Changes the members of a map, and the items of an array, which have no name.
fn each_member(value: Cbor, change: &impl Fn(&str, Cbor) -> Cbor) -> Cbor {
    match value {
        Cbor::Array(items) => Cbor::Array(items.into_iter().map(|item| change("", item)).collect()),
        Cbor::Map(members) => Cbor::Map(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = change(name.as_text().unwrap_or_default(), value);
                    (name, value)
                })
                .collect(),
        ),
        value => value,
    }
}
