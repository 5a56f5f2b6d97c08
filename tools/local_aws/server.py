"""A local AWS (ministack) for the demo and the tests. It connects to nothing outside this machine.

    with LocalAws() as aws:
        outputs = aws.deploy("momento", ROOT / "template.yaml", {"MomentoSecretString": "whsec-local"})
        aws.function_url_local(outputs["FunctionUrl"])      # http://127.0.0.1:…/_aws/lambda-url/…/
        aws.client("events").put_events(...)                # boto3, with the root key
        aws.delete("momento")

- LocalAws(auth=True, region="us-east-1", environment={}): a free port, a process group of its own, and an environment
  of its own. `environment` is added to it, and the deployed functions inherit it: {"AWS_ENDPOINT_URL_EVENTBRIDGE": …}
  points them elsewhere. With `auth`, roles are enforced; the client's key `test` is root. This process too is freed of
  the caller's AWS settings (environment.py).
- The log is `aws.log` (.local/run/local-aws-<port>.log, the newest ten are kept); all else is removed at the end, and
  also when the process that started it is killed.
- deploy(stack, template, parameters, region): creates the stack, or updates the one that is there, waits, and returns
  its outputs; a stack that fails raises DeploymentFailed with CloudFormation's own reasons. Like
  `aws cloudformation package`, it zips the binary of each function whose `Code` is a path, puts it into a bucket and
  names that in `Code`.
- tools/local_aws/ministack/ adds what ministack itself lacks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tools import supervisor
from tools.environment import NO_PROFILE, isolate
from tools.functions.binaries import binary
from tools.functions.zip_bootstrap import zip_bootstrap
from tools.local_aws import stacks
from tools.paths import RUN
from tools.templates.reader import read_template
from tools.waiting import free_port, wait_for

CODE_BUCKET = "local-code"
KEPT_LOGS = 10
CLIENT_CONFIG = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=30, s3={"addressing_style": "path"})


class LocalAws:
    def __init__(self, auth: bool = True, region: str = "us-east-1", environment: dict[str, str] | None = None):
        self.auth = auth
        self.region = region
        self.environment = environment or {}
        self._clients: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> LocalAws:
        isolate()
        RUN.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = RUN / f"local-aws-{self.port}.log"
        for old in sorted(RUN.glob("local-aws-*.log"), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)
        remove_what_killed_ones_left()
        self._directory = Path(tempfile.mkdtemp(prefix=f"local-aws-of-{os.getpid()}-", dir=RUN))
        with self.log.open("wb") as log:
            command = (sys.executable, "-m", "tools.local_aws.ministack.launcher")
            self._process = supervisor.start(*command, environment=self._process_environment(), log=log)
        try:
            wait_for("the local AWS to start", self._healthy, 60)
        except BaseException as failure:
            self._stop()
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
            failure.add_note(f"Its log is {self.log}, and ends:\n{tail}")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _process_environment(self) -> dict[str, str]:
        inherited = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
        return {
            **{name: os.environ[name] for name in inherited if name in os.environ},
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AUTH": "true" if self.auth else "false",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self._directory),
            **NO_PROFILE,
            **self.environment,
        }

    def _healthy(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"The local AWS ended with exit code {self._process.returncode} before it was ready.")
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _stop(self) -> None:
        supervisor.end(self._process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def client(self, service: str, region: str | None = None) -> Any:
        key = (service, region or self.region)
        # To make one takes longer than most calls.
        if key not in self._clients:
            self._clients[key] = boto3.client(
                service,
                region_name=region or self.region,
                endpoint_url=self.endpoint,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=CLIENT_CONFIG,
            )
        return self._clients[key]

    def as_role(self, name: str) -> Callable[[str], Any]:
        """Makes clients that act in a role: as_role("name")("sqs")."""
        role = self.client("iam").get_role(RoleName=name)["Role"]["Arn"]
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName="local")["Credentials"]

        def client(service: str) -> Any:
            return boto3.client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint,
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given["SessionToken"],
                config=CLIENT_CONFIG,
            )

        return client

    @property
    def caller_environment(self) -> dict[str, str]:
        """The environment of a command that calls the local AWS, with the root key."""
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        where = {"AWS_DEFAULT_REGION": self.region, "AWS_ENDPOINT_URL": self.endpoint, "AWS_MAX_ATTEMPTS": "1"}
        return {"PATH": os.environ["PATH"], **credentials, **where}

    @property
    def group(self) -> int:
        """The process group in which the local AWS and the functions run."""
        return self._process.pid

    def function_url_local(self, url: str) -> str:
        """The address on this machine of a Function URL or an HTTP API, as the stack's output gives it."""
        parts = urlsplit(url)
        identifier, service = (parts.hostname or "").split(".")[:2]
        stage = "/$default" if service == "execute-api" else ""
        return f"{self.endpoint}/_aws/{service}/{identifier}{stage}{parts.path or '/'}"

    def deploy(
        self, stack: str, template: Path, parameters: dict[str, str] | None = None, region: str | None = None
    ) -> dict[str, str]:
        """Deploys a template of this project, with the code that cargo builds, and returns the stack's outputs."""
        body = self._package(read_template(template.read_text(encoding="utf-8")))
        return self.deploy_url(stack, self._upload(f"{stack}.template", body.encode()), parameters, region)

    def deploy_url(
        self, stack: str, url: str, parameters: dict[str, str] | None = None, region: str | None = None
    ) -> dict[str, str]:
        """Deploys what is at the address, as it is."""
        return stacks.deploy(self.client("cloudformation", region), stack, url, parameters or {})

    def delete(self, stack: str, region: str | None = None) -> None:
        """Deletes a stack and waits until it is gone."""
        stacks.delete(self.client("cloudformation", region), stack)

    def _package(self, template: dict) -> str:
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function" and isinstance(resource["Properties"]["Code"], str):
                zipped = zip_bootstrap(binary(resource["Metadata"]["BuildProperties"]["Binary"]))
                key = f"{hashlib.sha256(zipped).hexdigest()}.zip"
                self._upload(key, zipped)
                resource["Properties"]["Code"] = {"S3Bucket": CODE_BUCKET, "S3Key": key}
        return json.dumps(template, default=str)

    def _upload(self, key: str, content: bytes) -> str:
        storage = self.client("s3")
        storage.create_bucket(Bucket=CODE_BUCKET)
        storage.put_object(Bucket=CODE_BUCKET, Key=key, Body=content)
        return f"{self.endpoint}/{CODE_BUCKET}/{key}"


def remove_what_killed_ones_left() -> None:
    for directory in RUN.glob("local-aws-of-*"):
        with suppress(PermissionError):
            try:
                os.kill(int(directory.name.split("-")[3]), 0)
            except ProcessLookupError:
                shutil.rmtree(directory, ignore_errors=True)
