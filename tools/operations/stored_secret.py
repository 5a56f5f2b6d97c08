"""A signing secret in Secrets Manager: its labels, and the forms of its value."""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tools.operations.aws import AWS_ERRORS, boto3

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
# The ID of the version with the label says whose rotation it is, and whether the new secret was stored before it.
OWN_VERSION = "momento-rotation-"
AFTER_STORE = f"{OWN_VERSION}stored-"
# A version counts as a rotation in progress for 30 minutes. It is renewed in time, for two hours in all.
RENEW_SECONDS, RENEWALS = 600, 9
# Often copied along with a secret, as white space is: quotation marks, a byte order mark, zero-width characters.
STRAY = "\"'`\u2018\u2019\u201c\u201d\ufeff\u200b\u200c\u200d\u2060"


class Stopped(Exception):
    """Why the rotation cannot continue."""


class Secret:
    def __init__(self, secret_id: str):
        self.id = secret_id
        self.client = boto3.client("secretsmanager")
        # The version that has the label AWSPENDING.
        self.pending_id = ""
        # Whether the new secret was stored in this rotation.
        self.is_replaced = False

    def version(self, label: str) -> dict:
        """The version with this label; empty if there is none."""
        try:
            return self.client.get_secret_value(SecretId=self.id, VersionStage=label)
        except self.client.exceptions.ResourceNotFoundException:
            if label == CURRENT:
                raise
            return {}

    def store(self, text: str) -> None:
        self.client.put_secret_value(SecretId=self.id, SecretString=text)

    def label_pending(self) -> None:
        """Labels a new version. The label moves from the older version, so that one version always has it."""
        new = (AFTER_STORE if self.is_replaced else OWN_VERSION) + secrets.token_hex(16)
        self.pending_id = self.pending_id or new
        self.client.put_secret_value(
            SecretId=self.id,
            ClientRequestToken=new,
            SecretString=f"A random value, and no signing secret: {secrets.token_hex(32)}",
            VersionStages=[PENDING],
        )
        self.pending_id = new

    @contextmanager
    def label_renewed(self) -> Iterator[None]:
        ended = threading.Event()

        def renew() -> None:
            for _ in range(RENEWALS):
                if ended.wait(RENEW_SECONDS):
                    return
                try:
                    self.label_pending()
                except AWS_ERRORS as error:
                    print(f"The label AWSPENDING was not renewed: {error}", file=sys.stderr)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def remove_label(self) -> None:
        version = self.version(PENDING).get("VersionId", "")
        if version.startswith(OWN_VERSION):
            self.client.update_secret_version_stage(SecretId=self.id, VersionStage=PENDING, RemoveFromVersionId=version)

    def removal(self) -> str:
        return (
            f"aws secretsmanager update-secret-version-stage --secret-id '{self.id}' --version-stage AWSPENDING "
            f"--remove-from-version-id {self.pending_id}"
        )


class Value:
    """A stored value: text, or a JSON object or array in which every string is a secret."""

    def __init__(self, text: str):
        self.text = text
        self.is_json = text.lstrip()[:1] in ("{", "[")
        try:
            self.content = json.loads(text, object_pairs_hook=unique) if self.is_json else [text]
        except ValueError as error:
            raise Stopped(f"The stored value is invalid: {error}. Repair it first: docs/rotation.md.") from error
        places = self.content if isinstance(self.content, dict) else range(len(self.content))
        # An array's positions count from 1.
        self.places = {str(place if isinstance(place, str) else place + 1): place for place in places}
        self.names = [name for name, place in self.places.items() if isinstance(self.content[place], str)]
        if not text or not self.names:
            raise Stopped("The stored value holds no secret. Repair it first: docs/rotation.md.")

    def replaced(self, name: str, new: str) -> str:
        new = new.rstrip("\r\n")
        if not new:
            raise ValueError("There is no new secret.")
        if new.strip() != new or new[0] in STRAY or new[-1] in STRAY:
            raise ValueError(
                "The new secret begins or ends with white space, a quotation mark, or an invisible character."
            )
        if new[0] in "{[" or not new.isprintable():
            raise ValueError("The new secret is one line of text, and no JSON.")
        if new == self.content[self.places[name]]:
            raise ValueError("The new secret is the one that is stored.")
        content = self.content.copy()
        content[self.places[name]] = new
        return json.dumps(content, ensure_ascii=False) if self.is_json else new


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found
