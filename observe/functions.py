"""The two release binaries, run as Lambda runs them: behind a runtime API, with the stand-ins in place of AWS."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from function_output import Output, parse
from runtime_api import RuntimeApi
from stand_ins import StandIns
from webhook_drivers import RELEASE, StraightToTheBinary

# Made up, and looked for in the functions' output.
SECRET_KEY, SESSION_TOKEN = "secret-key-of-aws", "session-token-of-aws"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/retry"

JSON_LOG = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "RUST_LOG": "INFO"}


@dataclass
class Function:
    """A process of one of the binaries."""

    name: str
    api: RuntimeApi
    driver: StraightToTheBinary
    _log: IO[bytes]

    def output(self) -> Output:
        """All that it wrote so far. A record is written before its request is answered."""
        return parse(Path(self._log.name).read_bytes())


@contextmanager
def running(binary: str, stand_ins: StandIns, settings: dict[str, str] | None = None) -> Iterator[Function]:
    """`settings` are added to what the template gives the function."""
    environment = {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAOBSERVE",
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": SESSION_TOKEN,
        "AWS_ENDPOINT_URL": stand_ins.url,
        "EVENT_BUS_NAME": "default",
        **({"SIGNING_SECRET_ID": "momento", "RETRY_QUEUE_URL": QUEUE_URL} if binary == "webhook" else {}),
        **(JSON_LOG if settings is None else settings),
    }
    with tempfile.NamedTemporaryFile(prefix=f"observe-{binary}-", suffix=".log") as log:
        api = RuntimeApi(RELEASE / binary, environment, log)
        try:
            yield Function(binary, api, StraightToTheBinary(api), log)
        finally:
            api.close()
