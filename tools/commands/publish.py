"""Uploads a release to a bucket in each region and prints the launch links (scripts/publish)."""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from tools.paths import ROOT
from tools.templates.packaged import ARCHITECTURES, CannotPackage, packaged, with_linked_pages

REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1")
BINARIES = ("webhook", "redrive")
# The bucket's policy opens only this folder.
FOLDER = "momento-eventbridge"
# What the launch link proposes as the stack's name.
STACKS = {"template.yaml": "momento-eventbridge", "api-destinations.yaml": "momento-api-destinations"}
# The console and the DNS suffix of each partition, for the launch links.
HOSTS = {
    "aws": ("console.aws.amazon.com", "amazonaws.com"),
    "aws-cn": ("console.amazonaws.cn", "amazonaws.com.cn"),
    "aws-us-gov": ("console.amazonaws-us-gov.com", "amazonaws.com"),
    "aws-eusc": ("console.amazonaws-eusc.eu", "amazonaws.eu"),
}


class CannotPublish(Exception):
    """The message says what to do."""


@dataclass
class Upload:
    key: str
    content: bytes
    content_type: str
    # A file of a version never changes; the latest template does with every release.
    changes: bool = False


def release(prefix: str, regions: list[str], version: str, build: Path) -> list[Upload]:
    """The files of a release, the same for every region. The templates come last: what they name is there before."""
    architectures = [name for name in ARCHITECTURES if all((build / f"{b}-{name}.zip").is_file() for b in BINARIES)]
    if not architectures:
        raise CannotPublish(f"There are no zips in {build}; make them with: make build")
    folder = f"{FOLDER}/{version}"
    files = [
        Upload(f"{folder}/{binary}-{name}.zip", (build / f"{binary}-{name}.zip").read_bytes(), "application/zip")
        for name in architectures
        for binary in BINARIES
    ]
    folders = [folder]
    if "-" not in version:
        folders.append(f"{FOLDER}/latest")
    for place in folders:
        for name, content in templates(prefix, regions, version, architectures).items():
            files.append(Upload(f"{place}/{name}", content, "application/yaml", changes=place != folder))
    return files


def templates(prefix: str, regions: list[str], version: str, architectures: Iterable[str]) -> dict[str, bytes]:
    text = {name: (ROOT / name).read_text(encoding="utf-8") for name in STACKS}
    text["template.yaml"] = packaged(text["template.yaml"], prefix, regions, f"{FOLDER}/{version}", architectures)
    if address := pages_on_github(origin(), version):
        text = {name: with_linked_pages(content, address) for name, content in text.items()}
    return {name: content.encode() for name, content in text.items()}


def origin() -> str:
    """The repository that this is a clone of, or nothing."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return ""
    asked = subprocess.run(["git", "-C", ROOT, "remote", "get-url", "origin"], capture_output=True, text=True)
    return asked.stdout.strip()


def pages_on_github(repository: str, version: str) -> str | None:
    """The address of docs/ at the version's tag."""
    found = re.fullmatch(r"(?:https://|ssh://git@|git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?", repository)
    return f"https://github.com/{found[1]}/blob/v{version}/docs/" if found else None


class Bucket:
    """The bucket of a region. Each call names the account that must own it, since anybody can own a name."""

    def __init__(self, name: str, region: str, account: str):
        self.name = name
        self.owned = {"Bucket": name, "ExpectedBucketOwner": account}
        self.storage = boto3.client("s3", region_name=region)
        try:
            self.storage.head_bucket(**self.owned)
        except ClientError as refusal:
            raise CannotPublish(
                f"The bucket {name} does not exist in {region}, or the account {account} does not own it "
                f"({refusal.response['Error']['Code']}). Create it with: "
                f"aws cloudformation deploy --region {region} --stack-name {name} --template-file publish-buckets.yaml "
                f"--parameter-overrides BucketPrefix={name.removesuffix('-' + region)}"
            ) from refusal

    def publish(self, file: Upload) -> None:
        if file.changes and self.content_of(file.key) == file.content:
            print(f"  {file.key}: is there already")
            return
        try:
            self.storage.put_object(
                **self.owned,
                Key=file.key,
                Body=file.content,
                ContentType=file.content_type,
                CacheControl="no-cache" if file.changes else "public, max-age=31536000, immutable",
                ChecksumAlgorithm="SHA256",
                **({} if file.changes else {"IfNoneMatch": "*"}),
            )
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] != "PreconditionFailed":
                raise
            if self.content_of(file.key) != file.content:
                raise CannotPublish(
                    f"{self.name}/{file.key} is there with other bytes, and what is released never changes: "
                    "raise the version in Cargo.toml, or give another one with --version. "
                    "The template names the regions that it is published to, so other regions need another version too."
                ) from refusal
            print(f"  {file.key}: is there already")
        else:
            print(f"  {file.key}: {len(file.content):,} bytes, SHA-256 {hashlib.sha256(file.content).hexdigest()}")

    def content_of(self, key: str) -> bytes | None:
        try:
            return self.storage.get_object(**self.owned, Key=key)["Body"].read()
        except ClientError as refusal:
            if refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise


def launch_link(region: str, bucket: str, key: str, stack: str) -> str:
    partition = Session().get_partition_for_region(region)
    if partition not in HOSTS:
        return f"the console of {partition} is not known here; the template is {key} in the bucket {bucket}"
    console, suffix = HOSTS[partition]
    query = urlencode({"stackName": stack, "templateURL": f"https://{bucket}.s3.{region}.{suffix}/{key}"})
    return f"https://{console}/cloudformation/home?region={region}#/stacks/create/review?{query}"


def package_version() -> str:
    return tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/publish", description=__doc__)
    parser.add_argument("prefix", help="the bucket of a region is <prefix>-<region>")
    parser.add_argument("regions", nargs="*", help=f"the regions to publish to (default: {' '.join(REGIONS)})")
    parser.add_argument(
        "--version", default=package_version(), help="the version to publish as (default: Cargo.toml's)"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the folder with the zips (default: build)")
    parser.add_argument(
        "--templates-to", type=Path, help="write the templates of both architectures to this folder, and upload nothing"
    )
    given = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,46}", given.prefix):
        parser.error(f"the prefix {given.prefix!r} has to be 2 to 47 lower-case letters, digits and hyphens")
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", given.version):
        parser.error(f"the version {given.version!r} has to be like 1.2.3 or 1.2.3-rc.1")
    given.regions = sorted(set(given.regions)) or list(REGIONS)
    if unknown := [region for region in given.regions if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d", region)]:
        parser.error(f"a Region has to be like us-east-1, not {', '.join(unknown)}")
    return given


def main() -> int:
    given = arguments()
    try:
        if given.templates_to:
            given.templates_to.mkdir(parents=True, exist_ok=True)
            for name, content in templates(given.prefix, given.regions, given.version, ARCHITECTURES).items():
                (given.templates_to / name).write_bytes(content)
            return 0
        files = release(given.prefix, given.regions, given.version, given.build)
        account = boto3.client("sts", region_name=given.regions[0]).get_caller_identity()["Account"]
        # All of them are asked for before anything is uploaded.
        for bucket in [Bucket(f"{given.prefix}-{region}", region, account) for region in given.regions]:
            print(bucket.name)
            for file in files:
                bucket.publish(file)
    except (CannotPublish, CannotPackage, ClientError, BotoCoreError) as failure:
        print(f"scripts/publish: {failure}", file=sys.stderr)
        return 1
    latest = f"{FOLDER}/{'latest' if '-' not in given.version else given.version}"
    for name, stack in STACKS.items():
        print(f"\nLaunch links of {name}:")
        for region in given.regions:
            print(f"  {region}: {launch_link(region, f'{given.prefix}-{region}', f'{latest}/{name}', stack)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
