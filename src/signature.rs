//! From signed to verified, by the signature of [`momento_body_signature`] and the known signing secrets.

use momento_body_signature::SIGNATURE_BYTES;

use crate::signing_secret::SigningSecret;

/// A body with a well-formed signature, which may still be forged. Only [`Signed::verify`] makes it something that can
/// be forwarded.
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
    /// Whether one of the secrets signed this body. Each is tried, and compared in constant time, so that the time tells
    /// neither which one matched nor how close a forgery came.
    pub fn is_signed_by<'a>(&self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> bool {
        secrets.into_iter().fold(false, |matched, secret| matched | self.matches(secret.bytes()))
    }

    /// The verified body, or the request itself where no secret matches.
    pub fn verify<'a>(self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> Result<Verified, Signed> {
        if self.is_signed_by(secrets) { Ok(Verified { body: self.body }) } else { Err(self) }
    }

    /// Whether a secret would have signed this body if it were stored without the white space at its ends: somebody's slip
    /// that the log can name. It verifies nothing.
    pub fn is_signed_by_trimmed<'a>(&self, secrets: impl IntoIterator<Item = &'a SigningSecret>) -> bool {
        let trimmed = secrets.into_iter().map(SigningSecret::bytes).filter(|bytes| bytes.trim_ascii() != *bytes);
        trimmed.fold(false, |matched, bytes| matched | self.matches(bytes.trim_ascii()))
    }

    fn matches(&self, secret: &[u8]) -> bool {
        momento_body_signature::verify(secret, &self.body, &self.signature)
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
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::signing_secret::SigningSecrets;
    use momento_body_signature::sign;
    use zeroize::Zeroizing;

    const SECRET: &str = "whsec";
    const BODIES: [&[u8]; 4] = [b"", b"{}", b"\0\xff\r\n", &[b'x'; 1000]];

    fn signed(body: &[u8]) -> Signed {
        let mut signature = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(sign(SECRET.as_bytes(), body), &mut signature).unwrap();
        Signed { body: body.to_vec(), signature }
    }

    /// A body that was signed and verified.
    pub(crate) fn verified(body: &[u8]) -> Verified {
        signed(body).verify(secrets(SECRET).iter()).expect("a signed body")
    }

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_signed_body_is_verified_unchanged() {
        for body in BODIES {
            assert_eq!(verified(body).body(), body);
        }
    }

    #[test]
    fn a_changed_body_or_signature_is_given_back() {
        for body in BODIES {
            let longer = Signed { body: [body, b" "].concat(), ..signed(body) };
            assert_eq!(longer.verify(secrets(SECRET).iter()).expect_err("a changed body").body, [body, b" "].concat());
            let mut forged = signed(body);
            forged.signature[0] ^= 1;
            assert_eq!(forged.verify(secrets(SECRET).iter()).expect_err("a changed signature").body, body);
        }
    }

    #[test]
    fn another_secret_does_not_verify() {
        for body in BODIES {
            assert!(!signed(body).is_signed_by(secrets("whsecx").iter()));
            assert!(!signed(body).is_signed_by(secrets("other").iter()));
        }
    }

    #[test]
    fn the_right_secret_is_found_wherever_it_stands_among_others() {
        for place in 0..3 {
            let mut texts = vec!["first", "second"];
            texts.insert(place, SECRET);
            let known = secrets(&serde_json::to_string(&texts).unwrap());
            assert!(BODIES.iter().all(|body| signed(body).is_signed_by(known.iter())));
        }
    }

    #[test]
    fn a_secret_with_white_space_at_its_ends_is_told_and_does_not_verify() {
        let signed = signed(b"{}");
        for (stored, told) in [("whsec\n", true), (" \twhsec\r\n", true), ("whsec", false), ("other\n", false)] {
            assert_eq!(signed.is_signed_by_trimmed(secrets(stored).iter()), told, "{stored:?}");
            assert_eq!(signed.is_signed_by(secrets(stored).iter()), stored == "whsec", "{stored:?}");
        }
        assert!(signed.is_signed_by_trimmed(secrets(r#"["whsec\n", "whsec "]"#).iter()));
    }

    #[test]
    fn a_secret_that_is_known_twice_verifies_as_well() {
        let known = secrets(r#"["whsec", "whsec"]"#);
        assert!(BODIES.iter().all(|body| signed(body).is_signed_by(known.iter())));
    }
}
