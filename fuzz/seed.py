#!/usr/bin/env python3
"""Makes the seeds of both fuzz targets from the signature vectors."""

import base64
import contextlib
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VECTORS = json.loads((ROOT.parent / "tests/vectors/signatures.json").read_text())


def event(vector: dict, is_base64: bool) -> bytes:
    body = vector["body"] if is_base64 else base64.b64decode(vector["body"]).decode("utf-8", "replace")
    return json.dumps(
        {
            "version": "2.0",
            "headers": {"momento-signature": vector["signature"], "content-type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "body": body,
            "isBase64Encoded": is_base64,
        }
    ).encode()


def messages(vector: dict) -> list[bytes]:
    shape = {"version": 1, "reason": "TimedOut", "error": "E: m", "receivedAt": 1726292279851, "requestId": "id"}
    kept = [shape | {"bodyBase64": vector["body"]}]
    with contextlib.suppress(UnicodeDecodeError):
        kept.append(shape | {"body": base64.b64decode(vector["body"]).decode()})
    unverified = {"version": 2, "reason": "SecretUnavailable", "signature": vector["signature"]}
    return [json.dumps(message).encode() for message in [*kept, *(each | unverified for each in kept)]]


def write(target: str, seeds: list[bytes]) -> None:
    corpus = ROOT / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)


requests = []
for vector in VECTORS:
    body = base64.b64decode(vector["body"])
    requests += [b"\0" + event(vector, True), b"\0" + event(vector, False)]
    requests += [b"\1" + vector["secret"].encode(), b"\2" + body, b"\3" + vector["signature"].encode() + body]
write("request_to_response", requests)
write("message_to_entry", [message for vector in VECTORS for message in messages(vector)])
