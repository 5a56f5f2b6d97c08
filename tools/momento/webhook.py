"""What Momento does: signs a body with a webhook's signing secret and posts it, once."""

import hashlib
import hmac
import http.client
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

USER_AGENT = "Momento/1.0 (Webhooks; +https://docs.momentohq.com/topics/webhooks)"


def sign(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha3_256).hexdigest()


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def captured_body(at: int | None = None) -> bytes:
    """The body captured from a real webhook, with its two times moved to `at` (now)."""
    at = now() if at is None else at
    return (
        b'{"cache":"serverless","topic":"test","event_timestamp":%d,"publish_timestamp":%d,'
        b'"topic_sequence_number":3,"token_id":"","text":"\\"testfile2.txt\\""}' % (at - 1, at)
    )


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def message(self) -> str | None:
        """The `message` of an answer that is exactly {"message": …}; None for any other."""
        try:
            answer = json.loads(self.body)
        except ValueError:
            return None
        return answer["message"] if isinstance(answer, dict) and answer.keys() == {"message"} else None


Headers = list[tuple[str, str | bytes]]


def post(url: str, body: bytes, headers: Headers, method: str = "POST", timeout: float = 30) -> Answer:
    """Sends exactly these headers, doubled and beyond ASCII too, next to those that HTTP itself needs."""
    parts = urlsplit(url)
    target = parts._replace(scheme="", netloc="", path=parts.path or "/").geturl()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def momento_headers(signature: str) -> Headers:
    return [("momento-signature", signature), ("User-Agent", USER_AGENT), ("Content-Type", "application/json")]


def post_signed(url: str, secret: str, body: bytes, timeout: float = 30) -> Answer:
    return post(url, body, momento_headers(sign(secret, body)), timeout=timeout)
