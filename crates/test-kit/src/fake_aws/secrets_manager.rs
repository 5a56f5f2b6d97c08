//! Secrets Manager: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{AwsJson, CallResult, Protocol, Service, ServiceError, id};
use crate::fault::Fault;
use crate::momento;

/// One secret.
#[derive(Default)]
pub struct SecretsManager {
    /// Its versions by staging label.
    pub stages: HashMap<&'static str, Version>,
    versions: usize,
}

/// A version of the secret.
#[derive(Clone)]
pub struct Version {
    /// `SecretString` or `SecretBinary`, and the value.
    pub value: (&'static str, String),
    /// The `VersionId`.
    pub id: String,
    /// The `CreatedDate`, in seconds since the Unix epoch.
    pub created: f64,
}

impl SecretsManager {
    /// A secret that was created a year ago and never rotated.
    pub fn with_secret(secret: &str) -> Self {
        let mut manager = Self::default();
        let year = 365.0 * 86_400.0;
        manager.rotate(secret, momento::now() as f64 / 1000.0 - year);
        manager
    }

    /// Makes a version with this value and `CreatedDate` the current one, and the current one the previous one.
    pub fn rotate(&mut self, secret: &str, created: f64) {
        self.versions += 1;
        if let Some(current) = self.stages.remove("AWSCURRENT") {
            self.stages.insert("AWSPREVIOUS", current);
        }
        let version = Version { value: ("SecretString", secret.to_owned()), id: id(self.versions), created };
        self.stages.insert("AWSCURRENT", version);
    }

    /// Labels a new version `AWSPENDING`, as at the beginning of a rotation.
    pub fn label_pending(&mut self, value: &str, created: f64) {
        self.versions += 1;
        let version = Version { value: ("SecretString", value.to_owned()), id: id(self.versions), created };
        self.stages.insert("AWSPENDING", version);
    }

    fn get(&self, input: &Value) -> CallResult {
        let stage = input["VersionStage"].as_str().unwrap_or("AWSCURRENT");
        let Some(version) = self.stages.get(stage) else {
            let message = format!("There is no version with the staging label {stage}.");
            return Err(ServiceError::bad_request("ResourceNotFoundException", message));
        };
        Ok(json!({
            "ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:signing-AbCdEf",
            "Name": "signing",
            "VersionId": version.id,
            version.value.0: version.value.1,
            "VersionStages": [stage],
            "CreatedDate": version.created,
        }))
    }
}

impl Service for SecretsManager {
    fn protocol(&self) -> &'static dyn Protocol {
        &AwsJson
    }

    fn name(&self) -> &'static str {
        "secretsmanager"
    }

    fn call(&mut self, operation: &str, input: &Value, _: &Fault) -> CallResult {
        match operation {
            "GetSecretValue" => self.get(input),
            _ => Err(ServiceError::unknown_operation(operation)),
        }
    }
}
