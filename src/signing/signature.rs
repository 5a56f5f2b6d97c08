//! From signed to verified, by the signature of [`momento_body_signature`] and the known signing secrets.

use momento_body_signature::SIGNATURE_BYTES;

use super::secret::SigningSecret;
use super::stray::{StrayCharacter, stray_character};

/// A body with a well-formed signature, which may still be forged. It can be forwarded only after [`Signed::verify`].
#[derive(Debug)]
pub struct Signed {
    /// The raw body.
    pub body: Vec<u8>,
    /// The signature that came with it.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// A body that Momento signed. Nothing else can become an entry or be kept as an event. Only this file and a message of
/// the retry queue make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    body: Vec<u8>,
}

impl Signed {
    /// Whether one of the secrets signed this body. All are tried, and compared in constant time, so that the time reveals
    /// neither which one matched nor how close a forgery came.
    pub fn is_signed_by<'a>(&self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> bool {
        secrets.into_iter().fold(false, |matched, secret| matched | self.matches(secret.bytes()))
    }

    /// The verified body, or the request itself if no secret matches.
    pub fn verify<'a>(self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> Result<Verified, Signed> {
        if self.is_signed_by(secrets) { Ok(Verified { body: self.body }) } else { Err(self) }
    }

    /// The stray character without which one of the stored secrets would have signed this body. It verifies nothing.
    pub fn stray_character<'a>(&self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> Option<StrayCharacter> {
        secrets.into_iter().find_map(|secret| stray_character(secret.bytes(), |bytes| self.matches(bytes)))
    }

    fn matches(&self, secret: &[u8]) -> bool {
        momento_body_signature::verify(secret, &self.body, &self.signature)
    }
}

impl Verified {
    /// A body from a queue message of version 1, which is only made from a [`Verified`] body.
    pub(crate) fn from_queue(body: Vec<u8>) -> Self {
        Self { body }
    }

    /// The body exactly as it was signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
#[path = "../../tests/vectors/mod.rs"]
mod vectors;

#[cfg(test)]
pub(crate) mod tests {
    use super::vectors::vectors;
    use super::*;
    use crate::signing::SigningSecrets;
    use momento_body_signature::sign;
    use zeroize::Zeroizing;

    fn signed(body: &[u8], signature: &str) -> Signed {
        let mut digits = [0; 32];
        hex::decode_to_slice(signature, &mut digits).unwrap();
        Signed { body: body.to_vec(), signature: digits }
    }

    /// A body that was signed and verified.
    pub(crate) fn verified(body: &[u8]) -> Verified {
        signed(body, &sign(b"whsec", body)).verify(secrets("whsec").iter()).expect("a signed body")
    }

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap()
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
    fn a_forged_request_is_given_back() {
        for vector in vectors() {
            let other = secrets(&format!("{}x", vector.secret));
            let given_back = signed(&vector.body(), &vector.signature).verify(other.iter()).expect_err(&vector.note);
            assert_eq!(
                (given_back.body, hex::encode(given_back.signature)),
                (vector.body(), vector.signature),
                "{}",
                vector.note
            );
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
    fn a_stored_secret_with_a_stray_character_is_reported_and_does_not_verify() {
        let signed = signed(b"{}", &sign(b"whsec", b"{}"));
        for (stored, stray) in [
            ("whsec\n", Some(StrayCharacter::WhiteSpace)),
            ("\"whsec\"", Some(StrayCharacter::QuotationMark)),
            (r#"["other","whsec "]"#, Some(StrayCharacter::WhiteSpace)),
            ("other\n", None),
        ] {
            assert_eq!(signed.stray_character(secrets(stored).iter()), stray, "{stored:?}");
            assert!(!signed.is_signed_by(secrets(stored).iter()), "{stored:?}");
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
