"""tests/cases/webhook.json, ready to be sent over HTTP; the README beside it says what it means."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

from tools.momento.webhook import USER_AGENT, Answer, Headers, now, post
from tools.paths import ROOT

FILE = json.loads((ROOT / "tests" / "cases" / "webhook.json").read_text(encoding="utf-8"))
SECRET: str = FILE["secret"]
PLACEHOLDER = re.compile(r"\$\{(.+?)(?:\*(\d+))?\}")
HASHES = {"sha3-256": hashlib.sha3_256, "sha256": hashlib.sha256}


@dataclass(frozen=True)
class Sent:
    answer: Answer
    body: bytes
    detail_type: str


class Case:
    def __init__(self, content: dict[str, Any]):
        self.content = content
        self.name: str = content["name"]
        self.status: int = content["answer"]
        self.message: str = FILE["answers"][str(self.status)]
        self.not_by: dict[str, str] = content.get("notBy", {})

    @property
    def is_text(self) -> bool:
        """Whether the body can be sent as text, not only in base64."""
        try:
            expand(self.content["body"], 0).decode()
        except UnicodeDecodeError:
            return False
        return "claimedBase64" not in self.content

    def send(self, url: str, as_base64: bool) -> Sent:
        """The content type decides whether the front-end hands the body on as text or in base64."""
        sent_at = now()
        body = expand(self.content["body"], sent_at)
        assert len(body) == self.content.get("bytes", len(body))
        key = self.content.get("key", SECRET).encode()
        signed = expand(self.content.get("signed", self.content["body"]), sent_at)
        signature = hmac.new(key, signed, HASHES[self.content.get("hash", "sha3-256")]).hexdigest()
        header = self.content.get("header", "momento-signature")
        headers: Headers = [
            ("User-Agent", USER_AGENT),
            ("Content-Type", "application/octet-stream" if as_base64 else "application/json"),
            *((header, expand(value, 0, signature)) for value in self.content.get("signatures", ["${signature}"])),
        ]
        answer = post(url, body, headers, self.content.get("method", "POST"))
        return Sent(answer, body, expand(self.content.get("detailType", ""), 0).decode())


CASES = [Case(content) for content in FILE["cases"]]


def expand(text: str, sent_at: int, signature: str = "") -> bytes:
    expanded, end = b"", 0
    for found in PLACEHOLDER.finditer(text):
        expanded += text[end : found.start()].encode() + value(found[1], sent_at, signature) * int(found[2] or 1)
        end = found.end()
    return expanded + text[end:].encode()


def value(placeholder: str, sent_at: int, signature: str) -> bytes:
    if match := re.fullmatch(r"now([+-]\d+)?", placeholder):
        return str(sent_at + int(match[1] or 0)).encode()
    if match := re.fullmatch(r"0x([0-9a-f]+)", placeholder):
        return bytes.fromhex(match[1])
    if match := re.fullmatch(r"signature(?:\.(\w+))?", placeholder):
        return form(signature, match[1]).encode()
    return placeholder.encode()


def form(signature: str, name: str | None) -> str:
    if name is None:
        return signature
    if name == "upper":
        return signature.upper()
    if name == "mixed":
        return "".join(digit.upper() if place % 2 else digit for place, digit in enumerate(signature))
    return signature[: int(name.removeprefix("first"))]
