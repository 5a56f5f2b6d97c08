//! The pure part of a request, by size of the body: read the event, verify its signature, parse the entry.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use momento_body_signature::sign;
use momento_eventbridge::Entry;
use momento_eventbridge::Request;
use momento_eventbridge::SigningSecrets;
use momento_eventbridge::{Signed, Verified};
use zeroize::Zeroizing;

const SECRET: &str = "whsec-of-the-benchmarks";

/// The usual size, the largest that Momento sends, and two above it that show whether the cost stays linear.
const BODY_BYTES: [usize; 4] = [200, 4 * 1024, 40 * 1024, 160 * 1024];

criterion_group!(benches, read, verify, map);
criterion_main!(benches);

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for bytes in BODY_BYTES {
        let event = event(bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &event, |bencher, event| {
            bencher.iter(|| signed(event));
        });
    }
}

fn verify(criterion: &mut Criterion) {
    let secrets = secrets();
    let mut group = criterion.benchmark_group("verify");
    for bytes in BODY_BYTES {
        let signed = signed(&event(bytes));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &signed, |bencher, signed| {
            bencher.iter(|| assert!(signed.is_signed_by(secrets.iter())));
        });
    }
}

fn map(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("map");
    for bytes in BODY_BYTES {
        let verified = verified(&event(bytes));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &verified, |bencher, verified| {
            bencher.iter(|| Entry::parse(verified).expect("a webhook").detail_type());
        });
    }
}

fn secrets() -> SigningSecrets {
    SigningSecrets::parse(Zeroizing::new(SECRET.to_owned())).expect("a secret")
}

fn signed(event: &str) -> Signed {
    let event = serde_json::from_str(event).expect("JSON");
    Request::parse(event).expect("a request").into_signed().expect("a signed request")
}

fn verified(event: &str) -> Verified {
    signed(event).verify(secrets().iter()).expect("an authentic request")
}

/// The invocation for a signed body of this size, as JSON.
fn event(bytes: usize) -> String {
    let body = |text: &str| {
        serde_json::json!({
            "cache": "serverless",
            "topic": "test",
            "event_timestamp": 1_726_292_279_849_i64,
            "publish_timestamp": 1_726_292_279_850_i64,
            "topic_sequence_number": 3,
            "token_id": "",
            "text": text,
        })
        .to_string()
    };
    let text = "x".repeat(bytes - body("").len());
    let body = body(&text);
    serde_json::json!({
        "version": "2.0",
        "headers": { "momento-signature": sign(SECRET.as_bytes(), body.as_bytes()) },
        "requestContext": { "http": { "method": "POST" } },
        "body": body,
        "isBase64Encoded": false,
    })
    .to_string()
}
