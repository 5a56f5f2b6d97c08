"""The caller's environment variables must not change what the local AWS and the functions on it do."""

from __future__ import annotations

import os

# Nobody's ~/.aws, and no question to an instance's metadata service.
NO_PROFILE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
LOOPBACK = "127.0.0.1,localhost"
SETTINGS_OF_THE_HANDLER = (
    "EVENT_BUS_NAME",
    "SIGNING_SECRET",
    "SIGNING_SECRET_ID",
    "RETRY_QUEUE_URL",
    "MAX_EVENT_AGE_SECONDS",
    "PREVIOUS_SECRET_SECONDS",
)


def isolate() -> None:
    """Frees this process and what it starts of AWS's and the handler's settings, and keeps loopback off any proxy."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name in SETTINGS_OF_THE_HANDLER:
            del os.environ[name]
    os.environ.update(NO_PROFILE)
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    # "*" already means every host, but only where it stands alone.
    excluded = given if given == "*" else ",".join(filter(None, [given, LOOPBACK]))
    os.environ.update(NO_PROXY=excluded, no_proxy=excluded)
