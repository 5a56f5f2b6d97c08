"""Sends events through the functions in the arm64 zips: run_arm64.py EMULATOR… -- WEBHOOK_ZIP REDRIVE_ZIP.

EMULATOR… is the command that runs an arm64 program here, and nothing on an arm64 machine. A signed webhook has to end
as an entry on the (fake) bus, body and all; a forged one must not; a message of the retry queue has to get there too.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

from fake_aws_tls import FakeAws
from momento_webhook import captured_body, now, sign
from runtime_api import RuntimeApi
from webhook_drivers import function_url_event

SECRET = "the secret of the arm64 proof"
# An emulated processor may be too slow for the handler's time budget; then the event is sent once more, as a new one.
TRIES = 5


class NotProven(Exception):
    pass


def unpacked(zipped: Path, emulator: list[str], folder: Path) -> Path:
    """A command of one word that runs the zip's program."""
    folder.mkdir()
    with ZipFile(zipped) as archive:
        program = Path(archive.extract("bootstrap", folder))
    program.chmod(0o755)
    if not emulator:
        return program
    command = folder / zipped.stem
    command.write_text(f"#!/bin/sh\nexec {shlex.join([*emulator, str(program)])}\n")
    command.chmod(0o755)
    return command


@contextmanager
def running(command: Path, fake: FakeAws, **environment: str):
    log = command.with_suffix(".log")
    with log.open("wb") as output:
        api = RuntimeApi(
            command,
            {
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_ENDPOINT_URL": fake.url,
                "SSL_CERT_FILE": str(fake.roots),
                "EVENT_BUS_NAME": "default",
                **environment,
            },
            output,
        )
        try:
            yield api
        except Exception as failure:
            failure.add_note(f"The function's log ends:\n{log.read_text(errors='replace')[:4000]}")
            raise
        finally:
            api.close()


def webhook_event(body: bytes, signature: str | None) -> dict:
    headers = {"content-type": "application/json"}
    if signature is not None:
        headers["momento-signature"] = signature
    return function_url_event("POST", headers, body.decode(), False)


def expect_entry(fake: FakeAws, body: bytes) -> None:
    entry = {"Source": "Momento", "DetailType": "serverless#test", "Detail": body.decode()}
    found = [{name: put.get(name) for name in entry} for put in fake.entries]
    if entry not in found:
        raise NotProven(f"The entry {entry} did not arrive on the bus; there is {found or 'none'}.")


def prove_webhook(command: Path, fake: FakeAws) -> str:
    with running(command, fake, SIGNING_SECRET_ID="momento") as api:
        for _ in range(TRIES):
            body = captured_body()
            begun = time.monotonic()
            answer = api.invoke(webhook_event(body, sign(SECRET, body)), seconds=60)
            if answer["statusCode"] == 200:
                break
        else:
            raise NotProven(f"The signed webhook was answered {answer} {TRIES} times; 200 was to be.")
        milliseconds = (time.monotonic() - begun) * 1000
        expect_entry(fake, body)
        known = len(fake.entries)
        refused = api.invoke(webhook_event(body, sign("another secret", body)), seconds=60)
        if refused["statusCode"] != 403 or len(fake.entries) != known:
            raise NotProven(f"A forged webhook was answered {refused}, with {len(fake.entries) - known} entries put.")
    return f"a signed event went through in {milliseconds:.0f} ms, a forged one was refused"


def prove_redrive(command: Path, fake: FakeAws) -> str:
    body = captured_body()
    message = {"version": 1, "reason": "TimedOut", "error": "", "receivedAt": now(), "requestId": "1"}
    record = {"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps({**message, "body": body.decode()})}
    with running(command, fake) as api:
        for _ in range(TRIES):
            answer = api.invoke({"Records": [record]}, seconds=60)
            if answer == {"batchItemFailures": []}:
                break
        else:
            raise NotProven(f"The message of the retry queue was answered {answer}.")
    expect_entry(fake, body)
    return "a message of the retry queue went through"


def main() -> int:
    split = sys.argv.index("--")
    emulator, (webhook, redrive) = sys.argv[1:split], map(Path, sys.argv[split + 1 :])
    with tempfile.TemporaryDirectory(prefix="prove-arm64-") as name:
        folder = Path(name)
        fake = FakeAws(folder, SECRET)
        try:
            for zipped, prove in ((webhook, prove_webhook), (redrive, prove_redrive)):
                print(f"{zipped}: {prove(unpacked(zipped, emulator, folder / zipped.stem), fake)}")
        except (NotProven, RuntimeError, TimeoutError) as failure:
            print("\n".join([f"{zipped}: {failure}", *getattr(failure, "__notes__", [])]), file=sys.stderr)
            return 1
        finally:
            fake.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
