//! A certificate authority for one sandbox, and a server certificate for the loopback interface that it signed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;

/// The authority and the server configuration with its certificate.
pub struct Authority {
    /// The TLS configuration of a server.
    pub server: Arc<rustls::ServerConfig>,
    root: String,
    bundle: NamedTempFile,
}

impl Authority {
    /// Generates the keys and the certificates.
    pub fn generate() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");

        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("parameters");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("a server configuration");
        // A ticket would be one more write in the handshake, which `latency` would count as a round trip.
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];

        let authority =
            Self { server: Arc::new(server), root: issuer.pem(), bundle: NamedTempFile::new().expect("a file") };
        authority.add_roots("");
        authority
    }

    /// The file for `AWS_CA_BUNDLE`, removed when this is dropped.
    pub fn bundle(&self) -> &Path {
        self.bundle.path()
    }

    /// Adds root certificates to the bundle.
    pub fn add_roots(&self, pem: &str) {
        fs::write(self.bundle(), format!("{pem}{}", self.root)).expect("a file");
    }
}
