//! Signatures that were computed outside this project, for the unit tests of both crates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[derive(serde::Deserialize)]
pub struct Vector {
    pub note: String,
    pub secret: String,
    body: String,
    pub signature: String,
}

impl Vector {
    pub fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).unwrap()
    }
}

pub fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("signatures.json")).unwrap()
}
