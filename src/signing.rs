//! From signed to verified: the signing secrets, their rotation, and the verification of a request.
//!
//! 1. [`Signed`] becomes [`Verified`] by the HMAC-SHA3-256 of one of the accepted `secret`s.
//! 2. `known`: which secrets are known, and when each is accepted. Pure; the caller passes the time.
//! 3. `store`: when they are read again, and whether a signature that matches none of them is forged.
//! 4. `read`: one read of the secret's versions in Secrets Manager.

mod known;
mod read;
mod secret;
mod signature;
mod store;
mod stray;

pub use secret::{InvalidSecret, SigningSecret, SigningSecrets};
pub use signature::{Signed, Verified};
pub use store::{AllVersions, CannotBeJudged, Judgement, SecretSource, SecretStore};
pub use stray::StrayCharacter;

#[cfg(test)]
pub use known::{KnownSecrets, Version};
#[cfg(test)]
pub(crate) use signature::tests::verified;
