"""What is sent to the webhook, what it answers, and what is on the bus or in the retry queue then: one table."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from momento_webhook import Headers, captured_body, now, sign

SECRET = "whsec-local"
MAX_BODY = 180_000

# The ways a case can be sent, see webhook_drivers.py.
DEPLOYED, WATCH, DIRECT = "function-url", "cargo-lambda-watch", "runtime-api"

SUCCESS = (200, "Success")
QUEUED = (202, "Queued")
UNAUTHORIZED = (403, "Unauthorized")
NOT_ALLOWED = (405, "Method Not Allowed")
TOO_LARGE = (413, "Payload Too Large")


@dataclass
class Request:
    body: bytes
    signatures: list[str | bytes]
    method: str = "POST"
    header: str = "momento-signature"
    # Where set, the event's own `body`, said to be base64, in place of `body`.
    claimed_base64: str | None = None

    @property
    def headers(self) -> Headers:
        return [(self.header, signature) for signature in self.signatures]


@dataclass(frozen=True)
class Case:
    name: str
    # Made when it is sent: a body carries the time of now.
    request: Callable[[], Request]
    answer: tuple[int, str]
    detail_type: str = "c#t"
    # The front-ends that cannot carry it, and why.
    not_by: dict[str, str] = field(default_factory=dict)
    # A body that is not UTF-8 has no form as text.
    only_base64: bool = False


def signed(body: bytes, **changes: object) -> Request:
    return Request(body, [sign(SECRET, body)], **changes)  # type: ignore[arg-type]


def event(before: str = "", after: str = "", *, cache: str = "c", topic: str = "t", at: int | None = None) -> bytes:
    """A body with more JSON before or behind the three keys that the mapping needs."""
    at = now() if at is None else at
    names = f'"cache":{json.dumps(cache, ensure_ascii=False)},"topic":{json.dumps(topic, ensure_ascii=False)}'
    return f'{{{before}{names},"publish_timestamp":{at}{after}}}'.encode()


def of_size(size: int) -> bytes:
    short = event(after=',"text":""')
    return event(after=f',"text":"{"x" * (size - len(short))}"')


def with_signature(*signatures: str | bytes) -> Callable[[], Request]:
    return lambda: Request(event(), list(signatures))


def delivered(name: str, body: Callable[[], bytes], detail_type: str = "c#t", **more: object) -> Case:
    return Case(name, lambda: signed(body()), SUCCESS, detail_type, **more)  # type: ignore[arg-type]


def kept(name: str, body: Callable[[], bytes], **more: object) -> Case:
    return Case(name, lambda: signed(body()), QUEUED, **more)  # type: ignore[arg-type]


def refused(name: str, request: Callable[[], Request], **more: object) -> Case:
    return Case(name, request, UNAUTHORIZED, **more)  # type: ignore[arg-type]


ESCAPES = r',"text":"\" \\ \/ \b \f \n \r \t \u0000 \u001f \u2603 \ud83d\udc3f"'
NUMBERS = ',"n":[12345678901234567890,1.10,-0,1E+2,1e-7,0.1000000000000000055,1e400,123456789012345678901234567890]'
RAW = ',"text":"caf\u00e9 \u6771\u4eac \U0001f43f \u2028 \u007f \ufffe \uffff"'
LONG_TOPIC = "\U0001f43f" * 200

DELIVERED = [
    delivered("the body captured from a real webhook", captured_body, "serverless#test"),
    delivered("keys that Momento may add", lambda: event('"new":{"a":[1,null,true]},', ',"newer":[]')),
    delivered("no key but the three that are needed", event),
    delivered("keys in another order", lambda: b'{"publish_timestamp":%d,"text":"","topic":"t","cache":"c"}' % now()),
    delivered(
        "spaces, tabs and line breaks",
        lambda: b' {\n\t"cache" : "c",\r\n"topic":"t" , "publish_timestamp": %d }\n' % now(),
    ),
    delivered("numbers that a float would change", lambda: event(after=NUMBERS)),
    delivered("text with every kind of escape", lambda: event(after=ESCAPES)),
    delivered("half of a surrogate pair, escaped", lambda: event(after=r',"text":"\ud800"')),
    delivered("text beyond ASCII, raw", lambda: event(after=RAW)),
    delivered("names beyond ASCII", lambda: event(cache="caf\u00e9", topic="\u6771\u4eac"), "caf\u00e9#\u6771\u4eac"),
    delivered("names with escapes", lambda: event(cache='a"\\', topic="\n\t"), 'a"\\#\n\t'),
    delivered("empty names", lambda: event(cache="", topic=""), "#"),
    delivered("a key twice that is not needed", lambda: event('"text":"a",', ',"text":"b"')),
    delivered(
        "the needed names within an object and a text", lambda: event('"x":{"cache":1,"topic":2},', ',"text":"cache"')
    ),
    delivered("two hundred levels deep", lambda: event(after=f',"x":{"[" * 200}{"]" * 200}')),
    delivered("a detail-type of 128 characters", lambda: event(topic="x" * 126), "c#" + "x" * 126),
    delivered("a detail-type that is cut to 128 characters", lambda: event(topic=LONG_TOPIC), "c#" + LONG_TOPIC[:126]),
    delivered("180,000 bytes", lambda: of_size(MAX_BODY)),
    delivered("published 59 s ago", lambda: event(at=now() - 59_000)),
    delivered("published 60 s from now", lambda: event(at=now() + 60_000)),
    Case("the header's name in capitals", lambda: signed(event(), header="MOMENTO-SIGNATURE"), SUCCESS),
    Case("the header's name in mixed case", lambda: signed(event(), header="Momento-Signature"), SUCCESS),
    Case("a signature in upper case", lambda: Request(b := event(), [sign(SECRET, b).upper()]), SUCCESS),
    Case("a signature in mixed case", lambda: Request(b := event(), [mixed_case(sign(SECRET, b))]), SUCCESS),
]

KEPT = [
    kept("an empty body, signed", lambda: b""),
    kept("not JSON, signed", lambda: b"hello"),
    kept("cut JSON, signed", lambda: event()[:-1]),
    kept("JSON and more behind it, signed", lambda: event() + b"x"),
    kept("two objects, signed", lambda: event() + event()),
    kept("a byte order mark before it, signed", lambda: b"\xef\xbb\xbf" + event()),
    kept("an array, signed", lambda: b'["c","t",%d]' % now()),
    kept("an array with an event in it, signed", lambda: b"[%s]" % event()),
    kept("a string, signed", lambda: b'"c"'),
    kept("null, signed", lambda: b"null"),
    kept("no cache, signed", lambda: b'{"topic":"t","publish_timestamp":%d}' % now()),
    kept("no topic, signed", lambda: b'{"cache":"c","publish_timestamp":%d}' % now()),
    kept("no publish_timestamp, signed", lambda: b'{"cache":"c","topic":"t"}'),
    kept("a cache that is null, signed", lambda: b'{"cache":null,"topic":"t","publish_timestamp":%d}' % now()),
    kept("a topic that is a number, signed", lambda: b'{"cache":"c","topic":1,"publish_timestamp":%d}' % now()),
    kept("a time that is a string, signed", lambda: b'{"cache":"c","topic":"t","publish_timestamp":"%d"}' % now()),
    kept("a time with a fraction, signed", lambda: b'{"cache":"c","topic":"t","publish_timestamp":%d.0}' % now()),
    kept("a time beyond 64 bits, signed", lambda: event(at=2**63)),
    kept("the cache twice, signed", lambda: event('"cache":"d",')),
    kept("the cache twice, once escaped, signed", lambda: event(r'"c\u0061che":"c",')),
    kept("the topic twice, signed", lambda: event(after=',"topic":"t"')),
    kept("the time twice, signed", lambda: event(f'"publish_timestamp":{now()},')),
    kept("characters that a queue refuses, signed", lambda: "\x00\x01 \ufffe\uffff \U0001f43f".encode()),
    kept(
        "not UTF-8, signed",
        lambda: event().replace(b'"t"', b'"\xff\xfe"'),
        only_base64=True,
        not_by={WATCH: "refuses such bodies itself"},
    ),
    kept("180,000 bytes that are not JSON, signed", lambda: b"x" * MAX_BODY),
]

REFUSED = [
    refused("published 60.001 s ago", lambda: signed(event(at=now() - 60_001))),
    refused("published 61 s from now", lambda: signed(event(at=now() + 61_000))),
    refused("published in 1726", lambda: signed(event(at=-(2**63)))),
    refused("published in the year 292278994", lambda: signed(event(at=2**63 - 1))),
    refused("no signature", with_signature()),
    refused("an empty signature", with_signature("")),
    refused("a signature that does not match", with_signature("0" * 64)),
    refused("the signature of another body", lambda: Request(event(), [sign(SECRET, event(after=" "))])),
    refused("a signature with another secret", lambda: Request(b := event(), [sign("another", b)])),
    refused("an HMAC-SHA-256 signature", lambda: Request(b := event(), [sha_256(b)])),
    refused("a signature of odd length", lambda: Request(b := event(), [sign(SECRET, b)[:63]])),
    refused("a signature that is too short", lambda: Request(b := event(), [sign(SECRET, b)[:62]])),
    refused("a signature that is too long", lambda: Request(b := event(), [sign(SECRET, b) + "00"])),
    refused("a signature with a prefix", lambda: Request(b := event(), ["sha3=" + sign(SECRET, b)])),
    refused("a signature that is not hex", with_signature("g" * 64)),
    refused(
        "a signature beyond ASCII",
        with_signature("\u00e9".encode("latin-1") * 64),
        not_by={WATCH: "refuses a header that is not UTF-8 itself"},
    ),
    refused("a signature in UTF-8 beyond ASCII", with_signature("\u2603".encode() * 32)),
    refused(
        "a signature doubled in one header", lambda: Request(b := event(), [f"{sign(SECRET, b)},{sign(SECRET, b)}"])
    ),
    refused(
        "a signature in two headers",
        lambda: Request(b := event(), [sign(SECRET, b), sign(SECRET, b)]),
        not_by={WATCH: "hands one of them on alone"},
    ),
    refused("180,000 bytes without a signature", lambda: Request(of_size(MAX_BODY), [])),
    refused("no body and no signature", lambda: Request(b"", [])),
    refused(
        "not UTF-8, without a signature",
        lambda: Request(b"\xff\xfe", []),
        only_base64=True,
        not_by={WATCH: "refuses such bodies itself"},
    ),
    refused(
        "said to be base64, which it is not",
        lambda: Request(b"", [sign(SECRET, b"")], claimed_base64="%%%"),
        only_base64=True,
        not_by={DEPLOYED: "encodes the body itself", WATCH: "encodes the body itself"},
    ),
]

NOT_POST = [
    Case(f"{method} in place of POST", lambda method=method: signed(event(), method=method), NOT_ALLOWED)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")
]

ORDER_OF_CHECKS = [
    Case("180,001 bytes, signed", lambda: signed(of_size(MAX_BODY + 1)), TOO_LARGE),
    Case("180,001 bytes without a signature", lambda: Request(of_size(MAX_BODY + 1), []), TOO_LARGE),
    Case("180,001 bytes that are not JSON, signed", lambda: signed(b"x" * (MAX_BODY + 1)), TOO_LARGE),
    Case(
        "PUT with 180,001 bytes and no signature", lambda: Request(of_size(MAX_BODY + 1), [], method="PUT"), NOT_ALLOWED
    ),
    Case("not JSON and no signature", lambda: Request(b"hello", []), UNAUTHORIZED),
    Case("published an hour ago, and no signature", lambda: Request(event(at=now() - 3_600_000), []), UNAUTHORIZED),
]

CASES = [*DELIVERED, *KEPT, *REFUSED, *NOT_POST, *ORDER_OF_CHECKS]


def mixed_case(signature: str) -> str:
    return "".join(digit.upper() if place % 2 else digit for place, digit in enumerate(signature))


def sha_256(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
