"""A local AWS (ministack) for the demo and the tests, that speaks to nothing outside this machine.

    from local_aws import LocalAws

    with LocalAws() as aws:
        outputs = aws.deploy("momento", ROOT / "template.yaml", {"MomentoSecretString": "whsec-local"})
        aws.function_url_local(outputs["FunctionUrl"])      # http://127.0.0.1:…/_aws/lambda-url/…/
        aws.client("events").put_events(...)                # boto3, with the root key
        aws.delete("momento")

`local/setup aws` makes the Python that it needs (.local/venv-aws). What it does:

- LocalAws(auth=True, region="us-east-1", environment={}): a free port, a process group of its own, and an environment
  of its own (the caller's AWS_… and proxy variables do not get in). `environment` is added to it, and the deployed
  functions inherit it: {"AWS_ENDPOINT_URL_EVENTBRIDGE": …} points them elsewhere. With `auth`, roles are enforced;
  the client's key `test` is root.
- The log is `aws.log` (.local/run/local-aws-<port>.log, the newest ten are kept); all else is removed at the end.
- deploy(stack, template, parameters, code): creates the stack, or updates the one that is there, waits, and returns its
  outputs; a stack that fails raises DeploymentFailed with CloudFormation's own reasons. As `aws cloudformation package`
  would, it zips each function's binary, puts it into a bucket and names that in `Code`; the rest of the template stays
  as it stands. `code` maps logical ids to binaries; a function that it does not name gets target/release/<Binary of its
  BuildProperties>. A function whose `Code` is not a path is left alone.
- ministack_launcher.py holds what ministack itself lacks.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".local" / "run"
PYTHON = ROOT / ".local" / "venv-aws" / "bin" / "python"
CODE_BUCKET = "local-code"
KEPT_LOGS = 10
CLIENT_CONFIG = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=30, s3={"addressing_style": "path"})


class DeploymentFailed(Exception):
    """CloudFormation did not take the template; the message holds its reasons."""


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 20, pause: float = 0.05) -> Any:
    """The first true value of `condition`; after `seconds` a TimeoutError that says what was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(pause)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LocalAws:
    def __init__(self, auth: bool = True, region: str = "us-east-1", environment: dict[str, str] | None = None):
        self.auth = auth
        self.region = region
        self.environment = environment or {}

    def __enter__(self) -> LocalAws:
        RUN.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = RUN / f"local-aws-{self.port}.log"
        for old in sorted(RUN.glob("local-aws-*.log"), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)
        self._directory = Path(tempfile.mkdtemp(prefix="local-aws-", dir=RUN))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [PYTHON, Path(__file__).with_name("ministack_launcher.py")],
                env=self._process_environment(),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
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
        # The group, not the process: the functions' processes are in it.
        for sign, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            try:
                os.killpg(self._process.pid, sign)
            except ProcessLookupError:
                break
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        shutil.rmtree(self._directory, ignore_errors=True)

    def client(self, service: str, key: str = "test", secret: str = "test") -> Any:
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=CLIENT_CONFIG,
        )

    @property
    def group(self) -> int:
        """The process group in which the local AWS and the functions run."""
        return self._process.pid

    def function_url_local(self, url: str) -> str:
        """The address on this machine of a Function URL as the stack's output gives it."""
        parts = urlsplit(url)
        return f"{self.endpoint}/_aws/lambda-url/{(parts.hostname or '').split('.')[0]}{parts.path or '/'}"

    def deploy(
        self,
        stack: str,
        template: Path | str,
        parameters: dict[str, str] | None = None,
        code: dict[str, Path] | None = None,
    ) -> dict[str, str]:
        """Deploys a template (a path, or its text) and returns the stack's outputs."""
        text = template.read_text() if isinstance(template, Path) else template
        body = self._package(read_template(text), code or {})
        formation = self.client("cloudformation")
        request = {
            "StackName": stack,
            "TemplateURL": self._upload(f"{stack}.template", body.encode()),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()],
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        }
        try:
            if self._status(stack) in (None, "DELETE_COMPLETE"):
                formation.create_stack(**request)
            else:
                formation.update_stack(**request)
        except ClientError as refusal:
            message = refusal.response["Error"]["Message"]
            if "No updates are to be performed" not in message:
                raise DeploymentFailed(f"CloudFormation refused the stack {stack}: {message}") from refusal
        status = wait_for(f"the stack {stack}", lambda: self._settled(stack), 120)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeploymentFailed(f"The stack {stack} ended as {status}: {self._reasons(stack)}")
        described = formation.describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}

    def delete(self, stack: str) -> None:
        """Deletes a stack and waits until it is gone."""
        self.client("cloudformation").delete_stack(StackName=stack)
        status = wait_for(f"the stack {stack} to be gone", lambda: self._settled(stack) or "DELETE_COMPLETE", 60)
        if status != "DELETE_COMPLETE":
            raise DeploymentFailed(f"The stack {stack} was not deleted ({status}): {self._reasons(stack)}")

    def _status(self, stack: str) -> str | None:
        try:
            return self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except ClientError:
            return None

    def _settled(self, stack: str) -> str | None:
        status = self._status(stack)
        return None if status is None or status.endswith("_IN_PROGRESS") else status

    def _reasons(self, stack: str) -> str:
        events = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        reasons = [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in events
            if "FAILED" in event["ResourceStatus"] and event.get("ResourceStatusReason")
        ]
        return "; ".join(reversed(reasons)) or "no reason was given"

    def _package(self, template: dict, code: dict[str, Path]) -> str:
        for logical_id, resource in template.get("Resources", {}).items():
            if resource.get("Type") != "AWS::Lambda::Function":
                continue
            properties = resource["Properties"]
            if not isinstance(properties.get("Code"), str):
                continue
            binary = code.get(logical_id)
            if binary is None:
                binary = ROOT / "target" / "release" / resource["Metadata"]["BuildProperties"]["Binary"]
            if not binary.is_file():
                raise DeploymentFailed(f"{binary} is missing; build it with: cargo build --release --bin {binary.name}")
            zipped = zip_bootstrap(binary)
            key = f"{binary.name}-{hashlib.sha256(zipped).hexdigest()[:16]}.zip"
            self._upload(key, zipped)
            properties["Code"] = {"S3Bucket": CODE_BUCKET, "S3Key": key}
        return json.dumps(template, default=str)

    def _upload(self, key: str, content: bytes) -> str:
        storage = self.client("s3")
        storage.create_bucket(Bucket=CODE_BUCKET)
        storage.put_object(Bucket=CODE_BUCKET, Key=key, Body=content)
        return f"{self.endpoint}/{CODE_BUCKET}/{key}"


def zip_bootstrap(binary: Path) -> bytes:
    """The zip that a `provided` runtime takes: the binary, executable, as `bootstrap`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, binary.read_bytes())
    return buffer.getvalue()


class TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, read as their long ones."""


def read_template(text: str) -> dict:
    return yaml.load(text, Loader=TemplateLoader)


def long_form(loader: TemplateLoader, suffix: str, node: yaml.Node) -> dict:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


TemplateLoader.add_multi_constructor("!", long_form)
