//! Momento's signature of a webhook: HMAC-SHA3-256 over the raw body, keyed with the bytes of the webhook's signing secret.
//!
//! A crate of its own, so that a release build can optimize it for speed and all else for size, and so that the test kit can
//! sign without the functions.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use hmac::{Hmac, KeyInit, Mac};
use sha3::Sha3_256;

/// The length of a signature, in bytes. Momento's header holds it as 64 lower-case hex digits.
pub const SIGNATURE_BYTES: usize = 32;

/// The signature that Momento sends with this body: 64 lower-case hex digits.
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    mac(secret, body).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// Whether this secret signed this body. Compares in constant time, so that the time does not tell how close a forgery came.
pub fn verify(secret: &[u8], body: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    mac(secret, body).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

/// HMAC takes a key of any length, so there always is one.
fn mac(secret: &[u8], body: &[u8]) -> Option<Hmac<Sha3_256>> {
    let mut mac = Hmac::<Sha3_256>::new_from_slice(secret).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
#[path = "../../../tests/vectors/mod.rs"]
mod vectors;

#[cfg(test)]
mod tests {
    use super::vectors::vectors;
    use super::*;

    fn bytes(digits: &str) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(digits, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_signature_vector_is_what_sign_makes() {
        for vector in vectors() {
            assert_eq!(sign(vector.secret.as_bytes(), &vector.body()), vector.signature, "{}", vector.note);
        }
    }

    #[test]
    fn every_signature_vector_is_verified_only_by_its_own_secret() {
        for vector in vectors() {
            let other = format!("{}x", vector.secret);
            assert!(verify(vector.secret.as_bytes(), &vector.body(), &bytes(&vector.signature)), "{}", vector.note);
            assert!(!verify(other.as_bytes(), &vector.body(), &bytes(&vector.signature)), "{}", vector.note);
        }
    }
}
