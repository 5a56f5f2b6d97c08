"""The local AWS speaks plain HTTP on the loopback; policies that ask for TLS are to let it through all the same.

LOCAL_AWS_PLAIN_HTTP=true leaves its requests what they are, to try such a policy.
"""

import os

from ministack import app

pin_request_origin = app.pin_request_origin


def pin_as_tls(source_ip: str, _secure_transport: bool) -> None:
    pin_request_origin(source_ip, True)


def register_transport() -> None:
    if os.environ.get("LOCAL_AWS_PLAIN_HTTP") != "true":
        app.pin_request_origin = pin_as_tls
