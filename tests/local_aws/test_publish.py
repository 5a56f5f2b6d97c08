"""make publish, against the local S3 in two regions; and a deployment of what it published, in each of them."""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import os
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tools.commands.publish import Bucket, Upload, launch_link, package_version, pages_on_github, release, templates
from tools.functions.binaries import binary
from tools.functions.zip_bootstrap import zip_bootstrap
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT, programs
from tools.templates.packaged import ARCHITECTURES, LONGEST_ADDRESS, packaged, region_rule, with_linked_pages
from tools.templates.reader import read_template
from tools.templates.resolver import PSEUDO, Resolver
from tools.testing.docs import blocks

PREFIX = "momento-release-test"
REGIONS = ("us-east-1", "eu-west-1")
VERSION = "9.9.9"
SECRET = "the secret of a published stack"
GIVEN = {"MomentoSecretString": SECRET, "Architecture": ARCHITECTURE}
BINARIES = ("webhook", "redrive")


@dataclass
class Published:
    build: Path
    output: str

    def links(self, template: str) -> dict[str, tuple[str, str]]:
        """From region to the link's stack name and template URL."""
        found = {}
        for link in re.findall(r"https://console\.aws\.amazon\.com\S+", self.output):
            parts = urlsplit(link)
            assert parts.fragment.startswith("/stacks/create/review?")
            query = parse_qs(urlsplit(parts.fragment).query)
            if query["templateURL"][0].endswith(f"/{template}"):
                found[parse_qs(parts.query)["region"][0]] = (query["stackName"][0], query["templateURL"][0])
        return found

    def launched(self, aws: LocalAws, region: str = "us-east-1") -> tuple[str, str]:
        """The stack's name and the template of a launch link: the same object, at the local S3."""
        stack, url = self.links("template.yaml")[region]
        parts = urlsplit(url)
        return stack, f"{aws.endpoint}/{(parts.hostname or '').split('.')[0]}{parts.path}"


def publish(
    aws: LocalAws, build: Path, *arguments: str, prefix: str = PREFIX, account: str = "test"
) -> subprocess.CompletedProcess[str]:
    """Publishes as the account, for which ministack takes an access key of twelve digits."""
    command = [ROOT / "scripts" / "publish", prefix, *arguments, "--build", build]
    environment = {**aws.caller_environment, "AWS_ACCESS_KEY_ID": account, "HOME": os.environ["HOME"]}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zips of this machine's own release build, named as those of make build."""
    folder = tmp_path_factory.mktemp("build")
    for name in BINARIES:
        (folder / f"{name}-{ARCHITECTURE}.zip").write_bytes(zip_bootstrap(binary(name)))
    return folder


@pytest.fixture(scope="module")
def buckets(aws: LocalAws) -> Iterator[dict[str, str]]:
    """From region to the bucket that publish-buckets.yaml made there."""
    template = ROOT / "publish-buckets.yaml"
    given = {"BucketPrefix": PREFIX}
    stacks = {region: f"{PREFIX}-{region}" for region in REGIONS}
    yield {region: aws.deploy(stack, template, given, region)["BucketName"] for region, stack in stacks.items()}
    for region, stack in stacks.items():
        storage = aws.client("s3", region)
        for version in storage.list_object_versions(Bucket=stack).get("Versions", []):
            storage.delete_object(Bucket=stack, Key=version["Key"], VersionId=version["VersionId"])
        aws.delete(stack, region)
        if stack in [there["Name"] for there in storage.list_buckets()["Buckets"]]:
            storage.delete_bucket(Bucket=stack)


@pytest.fixture(scope="module")
def published(aws: LocalAws, build: Path, buckets: dict[str, str]) -> Published:
    run = publish(aws, build, *REGIONS, "--version", VERSION)
    assert run.returncode == 0, run.stderr
    return Published(build, run.stdout)


def stored(aws: LocalAws, bucket: str, key: str) -> bytes:
    return aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def keys(aws: LocalAws, bucket: str) -> set[str]:
    return {there["Key"] for there in aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])}


@pytest.mark.parametrize("region", REGIONS)
def test_the_zips_and_the_templates_are_in_the_bucket_of_the_region(
    region: str, aws: LocalAws, buckets: dict[str, str], published: Published
) -> None:
    bucket = buckets[region]
    assert bucket == f"{PREFIX}-{region}"
    for name in BINARIES:
        zipped = f"{name}-{ARCHITECTURE}.zip"
        key = f"momento-eventbridge/{VERSION}/{zipped}"
        assert stored(aws, bucket, key) == (published.build / zipped).read_bytes()
    api_destinations = templates(PREFIX, sorted(REGIONS), VERSION, [ARCHITECTURE])["api-destinations.yaml"]
    assert stored(aws, bucket, f"momento-eventbridge/{VERSION}/api-destinations.yaml") == api_destinations
    latest = stored(aws, bucket, "momento-eventbridge/latest/template.yaml")
    assert latest == stored(aws, bucket, f"momento-eventbridge/{VERSION}/template.yaml")


@pytest.mark.parametrize(
    ("template", "stack"),
    [("template.yaml", "momento-eventbridge"), ("api-destinations.yaml", "momento-api-destinations")],
)
def test_there_is_a_launch_link_for_each_region_to_the_template_in_its_own_bucket(
    template: str, stack: str, published: Published
) -> None:
    assert published.links(template) == {
        region: (stack, f"https://{PREFIX}-{region}.s3.{region}.amazonaws.com/momento-eventbridge/latest/{template}")
        for region in REGIONS
    }


@pytest.mark.parametrize("region", REGIONS)
def test_what_a_launch_link_names_deploys_in_its_region_and_takes_a_signed_webhook(
    region: str, aws: LocalAws, gate: EventBridgeGate, published: Published
) -> None:
    stack, template = published.launched(aws, region)
    outputs = aws.deploy_url(stack, template, GIVEN, region)
    try:
        functions = aws.client("lambda", region).list_functions()["Functions"]
        codes = {function["CodeSha256"] for function in functions if stack in function["FunctionName"]}
        assert codes == {
            b64encode(hashlib.sha256((published.build / f"{binary}-{ARCHITECTURE}.zip").read_bytes()).digest()).decode()
            for binary in BINARIES
        }
        gate.take()
        body = captured_body()
        answer = post_signed(aws.function_url_local(outputs["FunctionUrl"]), SECRET, body)
        assert (answer.status, answer.message) == (200, "Success")
        assert [entry["Detail"] for entry in gate.take()] == [body.decode()]
    finally:
        aws.delete(stack, region)


def test_the_documented_commands_show_whether_the_function_that_runs_is_the_release(
    aws: LocalAws, published: Published, tmp_path: Path
) -> None:
    stack, template = published.launched(aws)
    outputs = aws.deploy_url(stack, template, GIVEN)
    (block,) = blocks("releasing.md", "Check what runs", "sh")
    command = block.replace("<WebhookFunctionName>", outputs["WebhookFunctionName"])
    environment = {**aws.caller_environment, "PATH": f"{programs('test')}{os.pathsep}{os.environ['PATH']}"}
    zipped = tmp_path / "webhook-arm64.zip"

    def lines() -> list[str]:
        shown = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return shown.stdout.splitlines()

    try:
        zipped.write_bytes((published.build / f"webhook-{ARCHITECTURE}.zip").read_bytes())
        running, released = lines()
        assert running == released
        aws.client("lambda").update_function_code(
            FunctionName=outputs["WebhookFunctionName"], ZipFile=zip_bootstrap(Path("/bin/true"))
        )
        running, released = lines()
        assert running != released
    finally:
        aws.delete(stack)


def test_the_templates_that_a_release_attests_are_those_that_it_publishes(tmp_path: Path) -> None:
    run = subprocess.run(
        ["make", "--silent", "publish", f"PREFIX={PREFIX}", f"REGIONS={' '.join(REGIONS)}", f"TEMPLATES_TO={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    for name in BINARIES:
        for architecture in ARCHITECTURES:
            (tmp_path / f"{name}-{architecture}.zip").touch()
    uploads = {file.key: file.content for file in release(PREFIX, sorted(REGIONS), package_version(), tmp_path)}
    for name in ("template.yaml", "api-destinations.yaml"):
        assert uploads[f"momento-eventbridge/{package_version()}/{name}"] == (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("repository", "pages"),
    [
        ("https://github.com/somebody/something.git", "https://github.com/somebody/something/blob/v1.2.3/docs/"),
        ("git@github.com:somebody/something.git", "https://github.com/somebody/something/blob/v1.2.3/docs/"),
        ("https://github.com/somebody/something", "https://github.com/somebody/something/blob/v1.2.3/docs/"),
        ("https://git.example.com/somebody/something", None),
        ("/a/folder", None),
        ("", None),
    ],
)
def test_the_pages_are_on_github_where_the_repository_is_there(repository: str, pages: str | None) -> None:
    assert pages_on_github(repository, "1.2.3") == pages


def test_a_published_template_names_each_page_by_its_address() -> None:
    text = (ROOT / "template.yaml").read_text()
    address = "https://github.com/somebody/something/blob/v1.2.3/docs/"
    linked = with_linked_pages(text, address)
    assert f"See {address}runbook.md#deadletteralarm" in linked
    assert not re.search(r"[^/]docs/\w", linked)
    assert with_linked_pages(text, f"https://{'a' * LONGEST_ADDRESS}/docs/") == text


def test_publishing_the_same_again_changes_nothing(
    aws: LocalAws, build: Path, buckets: dict[str, str], published: Published
) -> None:
    storage = aws.client("s3")

    def versions() -> set[str]:
        found = storage.list_object_versions(Bucket=buckets["us-east-1"])["Versions"]
        return {(version["Key"], version["VersionId"]) for version in found}

    before = versions()
    run = publish(aws, build, *REGIONS, "--version", VERSION)
    assert run.returncode == 0, run.stderr
    assert versions() == before
    assert Published(build, run.stdout).links("template.yaml") == published.links("template.yaml")


def test_other_bytes_never_replace_those_of_a_version(
    aws: LocalAws, build: Path, buckets: dict[str, str], published: Published, tmp_path: Path
) -> None:
    for zipped in build.iterdir():
        (tmp_path / zipped.name).write_bytes(zipped.read_bytes() + b"\0")
    run = publish(aws, tmp_path, "us-east-1", "--version", VERSION)
    assert run.returncode == 1
    assert "what is released never changes: raise the version in Cargo.toml" in run.stderr
    key = f"momento-eventbridge/{VERSION}/webhook-{ARCHITECTURE}.zip"
    assert stored(aws, buckets["us-east-1"], key) == (build / f"webhook-{ARCHITECTURE}.zip").read_bytes()


def test_a_pre_release_leaves_the_latest_release_where_it_is(
    aws: LocalAws, build: Path, buckets: dict[str, str], published: Published
) -> None:
    latest = stored(aws, buckets["us-east-1"], "momento-eventbridge/latest/template.yaml")
    run = publish(aws, build, "us-east-1", "--version", "10.0.0-rc.1")
    assert run.returncode == 0, run.stderr
    assert stored(aws, buckets["us-east-1"], "momento-eventbridge/latest/template.yaml") == latest
    _, url = Published(build, run.stdout).links("template.yaml")["us-east-1"]
    assert url.endswith("/momento-eventbridge/10.0.0-rc.1/template.yaml")


def test_a_missing_bucket_is_answered_with_the_command_that_makes_it(aws: LocalAws, build: Path) -> None:
    run = publish(aws, build, "us-west-2", prefix="nobodys")
    assert run.returncode == 1
    assert "aws cloudformation deploy --region us-west-2 --stack-name nobodys-us-west-2 " in run.stderr
    assert "--parameter-overrides BucketPrefix=nobodys" in run.stderr


def test_nothing_is_uploaded_where_one_of_the_buckets_is_a_strangers(
    aws: LocalAws, build: Path, buckets: dict[str, str], published: Published
) -> None:
    ours = buckets["eu-west-1"]
    before = keys(aws, ours)
    stranger = boto3.client(
        "s3", "us-west-2", endpoint_url=aws.endpoint, aws_access_key_id="210987654321", aws_secret_access_key="test"
    )
    name = f"{PREFIX}-us-west-2"
    stranger.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    everything = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
    }
    stranger.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
    try:
        run = publish(aws, build, "eu-west-1", "us-west-2", "--version", "7.7.7")
        assert run.returncode == 1
        assert f"The bucket {name} does not exist in us-west-2, or the account" in run.stderr
        assert "does not own it (403)" in run.stderr
        assert "Launch links" not in run.stdout
        assert "Contents" not in stranger.list_objects_v2(Bucket=name)
        assert keys(aws, ours) == before
    finally:
        stranger.delete_bucket(Bucket=name)


def test_a_region_that_it_was_not_published_to_is_refused(aws: LocalAws, published: Published) -> None:
    stack, template = published.launched(aws)
    with pytest.raises((DeploymentFailed, ClientError), match="This version is not published in this Region"):
        aws.deploy_url(stack, template, GIVEN, "ap-south-1")


def test_every_call_to_s3_names_the_owner_and_a_version_is_put_only_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, dict]] = []

    class Storage:
        def __getattr__(self, operation: str):
            return lambda **given: calls.append((operation, given)) or {"Body": io.BytesIO(b"the one before")}

    monkeypatch.setattr(boto3, "client", lambda *_, **__: Storage())
    bucket = Bucket("ours-us-east-1", "us-east-1", "123456789012")
    bucket.publish(Upload("momento-eventbridge/1.2.3/template.yaml", b"new", "application/yaml"))
    bucket.publish(Upload("momento-eventbridge/latest/template.yaml", b"new", "application/yaml", changes=True))
    assert [operation for operation, _ in calls] == ["head_bucket", "put_object", "get_object", "put_object"]
    assert {given["ExpectedBucketOwner"] for _, given in calls} == {"123456789012"}
    assert [given.get("IfNoneMatch") for operation, given in calls if operation == "put_object"] == ["*", None]


@pytest.mark.parametrize(
    ("region", "link", "template"),
    [
        ("eu-west-1", "https://console.aws.amazon.com/", "https%3A%2F%2Fb.s3.eu-west-1.amazonaws.com%2Fk"),
        (
            "us-gov-west-1",
            "https://console.amazonaws-us-gov.com/",
            "https%3A%2F%2Fb.s3.us-gov-west-1.amazonaws.com%2Fk",
        ),
        ("cn-north-1", "https://console.amazonaws.cn/", "https%3A%2F%2Fb.s3.cn-north-1.amazonaws.com.cn%2Fk"),
    ],
)
def test_a_launch_link_names_the_hosts_of_the_regions_partition(region: str, link: str, template: str) -> None:
    found = launch_link(region, "b", "k", "stack")
    assert found.startswith(link)
    assert found.endswith(template)


def test_without_zips_nothing_is_published(aws: LocalAws, buckets: dict[str, str], tmp_path: Path) -> None:
    run = publish(aws, tmp_path, "us-east-1", "--version", "8.8.8")
    assert run.returncode == 1
    assert "make them with: make build" in run.stderr
    assert not [key for key in keys(aws, buckets["us-east-1"]) if "8.8.8" in key]


@pytest.mark.parametrize("arguments", [("Not_A_Prefix",), ("prefix", "--version", "1.2")])
def test_a_prefix_or_a_version_that_cannot_be_is_refused(arguments: tuple[str, ...], aws: LocalAws) -> None:
    run = publish(aws, ROOT / "build", *arguments[1:], prefix=arguments[0])
    assert run.returncode == 2
    assert "has to be" in run.stderr


def test_a_bucket_is_encrypted_and_versioned_and_opens_only_released_objects(
    aws: LocalAws, buckets: dict[str, str]
) -> None:
    storage = aws.client("s3", "eu-west-1")
    bucket = buckets["eu-west-1"]
    assert storage.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = storage.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    tls_only, keep, read = json.loads(storage.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    arn = f"arn:aws:s3:::{bucket}"
    assert tls_only["Effect"] == "Deny"
    assert tls_only["Resource"] == [arn, f"{arn}/*"]
    assert tls_only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (keep["Effect"], keep["Action"]) == ("Deny", "s3:PutObject")
    assert keep["NotResource"] == f"{arn}/momento-eventbridge/latest/*"
    assert keep["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    assert (read["Effect"], read["Action"], read["Resource"]) == (
        "Allow",
        "s3:GetObject",
        f"{arn}/momento-eventbridge/*",
    )


@pytest.mark.parametrize(
    ("ids", "subject"),
    [
        ("", "repo:owner/name:environment:release"),
        ("123456/456789", "repo:owner@123456/name@456789:environment:release"),
    ],
)
def test_the_publishing_role_is_for_one_environment_of_one_repository_and_writes_only_releases(
    ids: str, subject: str
) -> None:
    template = read_template((ROOT / "publish-buckets.yaml").read_text(encoding="utf-8"))
    given = {"BucketPrefix": PREFIX, "GitHubRepository": "owner/name", "GitHubRepositoryIds": ids}
    role = Resolver(template, **given).properties("PublisherRole")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": subject,
        }
    }
    ((write, list_bucket),) = [policy["PolicyDocument"]["Statement"] for policy in role["Policies"]]
    own_account = {"StringEquals": {"aws:ResourceAccount": PSEUDO["AWS::AccountId"]}}
    assert write["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert write["Resource"] == f"arn:aws:s3:::{PREFIX}-*/momento-eventbridge/*"
    assert list_bucket["Action"] == "s3:ListBucket"
    assert write["Condition"] == list_bucket["Condition"] == own_account


@pytest.mark.parametrize("built", [("arm64", "x86_64"), ("arm64",), ("x86_64",)])
def test_a_packaged_template_differs_in_where_the_code_is_and_what_was_built(built: tuple[str, ...]) -> None:
    original = (ROOT / "template.yaml").read_text()
    text = packaged(original, "some-prefix", ["us-east-1", "eu-west-1"], "momento-eventbridge/1.2.3", built)
    changed = [
        line[1:].strip()
        for line in difflib.unified_diff(original.splitlines(), text.splitlines(), lineterm="", n=0)
        if line.startswith("+") and not line.startswith("+++")
    ]
    bucket = '{ S3Bucket: !Sub "some-prefix-${AWS::Region}", S3Key: !Sub "momento-eventbridge/1.2.3/'
    code = [f'Code: {bucket}{binary}-${{Architecture}}.zip" }}' for binary in BINARIES]
    choices = [f"AllowedValues: [{built[0]}]"] if len(built) == 1 else []
    default = ["Default: x86_64"] if built == ("x86_64",) else []
    rule = region_rule(["us-east-1", "eu-west-1"]).splitlines()
    assert sorted(changed) == sorted([*code, *choices, *default, *map(str.strip, rule)])
