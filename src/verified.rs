//! From signed to verified: HMAC-SHA3-256 over the raw body bytes.
//!
//! The rule is Momento's: the signature is keyed with the bytes of the webhook's signing secret.

use hmac::{Hmac, KeyInit, Mac};
use sha3::Sha3_256;

use crate::request::Signed;
use crate::signing_secret::SigningSecret;

/// A body that Momento signed. Nothing else can be mapped, delivered or kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    body: Vec<u8>,
}

impl Signed {
    /// Whether one of the secrets signed this body. Each is tried, and compared in constant time, so that
    /// the time tells neither which one matched nor how close a forgery came.
    pub fn is_signed_by<'a>(&self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> bool {
        secrets.into_iter().fold(false, |matched, secret| matched | self.matches(secret))
    }

    /// The verified body, or the request itself where no secret matches.
    pub fn verify<'a>(self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> Result<Verified, Signed> {
        if self.is_signed_by(secrets) { Ok(Verified { body: self.body }) } else { Err(self) }
    }

    fn matches(&self, secret: &SigningSecret) -> bool {
        // HMAC takes a key of any length, so the error cannot occur.
        let Ok(mut mac) = Hmac::<Sha3_256>::new_from_slice(secret.bytes()) else { return false };
        mac.update(&self.body);
        mac.verify_slice(&self.signature).is_ok()
    }
}

impl Verified {
    /// A body out of the retry queue, which only [`Verified`] bodies are ever sent to.
    pub(crate) fn from_queue(body: Vec<u8>) -> Self {
        Self { body }
    }

    /// The body exactly as it was signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_secret::SigningSecrets;
    use zeroize::Zeroizing;

    #[derive(serde::Deserialize)]
    struct Vector {
        note: String,
        secret: String,
        body: String,
        signature: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../tests/vectors/signatures.json")).unwrap()
    }

    fn signed(body: &[u8], signature: &str) -> Signed {
        let mut digits = [0; 32];
        hex::decode_to_slice(signature, &mut digits).unwrap();
        Signed { body: body.to_vec(), signature: digits }
    }

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    impl Vector {
        fn body(&self) -> Vec<u8> {
            aws_smithy_types::base64::decode(&self.body).unwrap()
        }
    }

    #[test]
    fn every_signature_vector_is_verified_with_its_body_unchanged() {
        for vector in vectors() {
            let verified = signed(&vector.body(), &vector.signature).verify(secrets(&vector.secret).iter());
            assert_eq!(verified.expect(&vector.note).body(), vector.body(), "{}", vector.note);
        }
    }

    #[test]
    fn one_changed_bit_of_the_body_or_the_signature_is_a_forgery() {
        for vector in vectors() {
            let known = secrets(&vector.secret);
            for bit in 0..vector.body().len() * 8 {
                let mut body = vector.body();
                body[bit / 8] ^= 1 << (bit % 8);
                assert!(!signed(&body, &vector.signature).is_signed_by(known.iter()), "{}", vector.note);
            }
            for bit in 0..256 {
                let mut forged = signed(&vector.body(), &vector.signature);
                forged.signature[bit / 8] ^= 1 << (bit % 8);
                assert!(!forged.is_signed_by(known.iter()), "{}", vector.note);
            }
        }
    }

    #[test]
    fn another_secret_does_not_verify() {
        for vector in vectors() {
            let other = secrets(&format!("{}x", vector.secret));
            assert!(!signed(&vector.body(), &vector.signature).is_signed_by(other.iter()), "{}", vector.note);
        }
    }

    #[test]
    fn the_right_secret_is_found_wherever_it_stands_among_others() {
        for vector in vectors() {
            for place in 0..3 {
                let mut texts = vec!["first".to_owned(), "second".to_owned()];
                texts.insert(place, vector.secret.clone());
                let known = secrets(&serde_json::to_string(&texts).unwrap());
                assert!(signed(&vector.body(), &vector.signature).is_signed_by(known.iter()), "{}", vector.note);
            }
        }
    }

    #[test]
    fn a_secret_that_is_known_twice_verifies_as_well() {
        for vector in vectors() {
            let known = secrets(&serde_json::to_string(&[&vector.secret, &vector.secret]).unwrap());
            assert!(signed(&vector.body(), &vector.signature).is_signed_by(known.iter()), "{}", vector.note);
        }
    }
}
