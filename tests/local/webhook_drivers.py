"""The three ways in which a request reaches the handler: each sends it and gives the answer back."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_aws import ROOT, RUN, free_port, wait_for
from momento_webhook import USER_AGENT, Answer, post
from runtime_api import RuntimeApi
from webhook_cases import Request

RELEASE = ROOT / "target" / "release"


class OverHttp:
    """A front-end with an address. The content type decides whether it hands the body on as text or in base64."""

    def __init__(self, url: str):
        self.url = url

    def send(self, request: Request, as_base64: bool) -> Answer:
        content_type = "application/octet-stream" if as_base64 else "application/json"
        headers = [("User-Agent", USER_AGENT), ("Content-Type", content_type), *request.headers]
        return post(self.url, request.body, headers, request.method)


class StraightToTheBinary:
    """The event that a Function URL makes of a request, handed over without one."""

    def __init__(self, api: RuntimeApi):
        self.api = api

    def send(self, request: Request, as_base64: bool = False, trace: str = "") -> Answer:
        if request.claimed_base64 is not None:
            body, as_base64 = request.claimed_base64, True
        else:
            body = base64.b64encode(request.body).decode() if as_base64 else request.body.decode()
        headers = {"user-agent": USER_AGENT, "content-type": "application/json"}
        for name, value in request.headers:
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            # Lambda joins the values of one name with a comma.
            joined = [headers[name.lower()]] if name.lower() in headers else []
            headers[name.lower()] = ",".join([*joined, text])
        answer = self.api.invoke(function_url_event(request.method, headers, body, as_base64), trace)
        content = answer.get("body") or ""
        raw = base64.b64decode(content) if answer.get("isBase64Encoded") else content.encode()
        names = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        return Answer(answer["statusCode"], names, raw)


def function_url_event(method: str, headers: dict[str, str], body: str, as_base64: bool) -> dict:
    """Payload format 2.0."""
    http = {"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": USER_AGENT}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "url",
            "domainName": "url.lambda-url.us-east-1.on.aws",
            "domainPrefix": "url",
            "http": http,
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": "14/Sep/2024:05:37:59 +0000",
            "timeEpoch": 1726292279850,
        },
        "isBase64Encoded": as_base64,
    }
    # Lambda leaves the key out where there is no body.
    return {**event, "body": body} if body else event


@contextmanager
def runtime_api(environment: dict[str, str]) -> Iterator[StraightToTheBinary]:
    with log_file("runtime-api").open("wb") as log:
        api = RuntimeApi(RELEASE / "webhook", environment, log)
        try:
            yield StraightToTheBinary(api)
        finally:
            api.close()


@contextmanager
def cargo_lambda_watch(environment: dict[str, str]) -> Iterator[OverHttp]:
    """`cargo lambda watch` as a user of the project starts it, on the build that is there already."""
    port = free_port()
    tools = ROOT / ".local" / "venv-build" / "bin"
    flags = ["--release", "--bin", "webhook", "--ignore-changes", "--disable-cors", "--quiet"]
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    log_path = log_file("cargo-lambda-watch")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [tools / "cargo-lambda", "lambda", "watch", *flags, *address],
            cwd=ROOT,
            env={**without_aws(os.environ), "CARGO_NET_OFFLINE": "true", **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}/lambda-url/webhook/"

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"cargo lambda watch ended with exit code {process.returncode}; see {log_path}.")
            try:
                answer = post(url, b"", [], "GET", timeout=120)
            except ConnectionRefusedError:
                return False
            if answer.status != 405:
                raise RuntimeError(f"Under cargo lambda watch GET is answered {answer.status}; see {log_path}.")
            return True

        try:
            wait_for("cargo lambda watch to serve the handler", ready, 120, pause=0.2)
            yield OverHttp(url)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def without_aws(environment: os._Environ[str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def log_file(name: str) -> Path:
    RUN.mkdir(parents=True, exist_ok=True)
    return RUN / f"{name}.log"
