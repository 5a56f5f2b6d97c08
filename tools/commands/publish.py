"""Uploads a release to a bucket in each region and prints the launch links (scripts/publish)."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.paths import ROOT
from tools.templates.packaged import ARCHITECTURES, CannotPackage, packaged

REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1")
BINARIES = ("webhook", "redrive")
# The bucket's policy opens this folder alone.
FOLDER = "momento-eventbridge"
# What the launch link proposes as the stack's name.
STACKS = {"template.yaml": "momento-eventbridge", "api-destinations.yaml": "momento-api-destinations"}


class CannotPublish(Exception):
    """The message says what to do."""


@dataclass
class Upload:
    key: str
    content: bytes
    content_type: str
    # A file of a version never changes; the latest template does with every release.
    changes: bool = False


def release(prefix: str, version: str, build: Path) -> list[Upload]:
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
    templates = {
        "template.yaml": packaged((ROOT / "template.yaml").read_text(encoding="utf-8"), prefix, folder, architectures),
        "api-destinations.yaml": (ROOT / "api-destinations.yaml").read_text(encoding="utf-8"),
    }
    folders = [folder]
    if "-" not in version:
        folders.append(f"{FOLDER}/latest")
    for place in folders:
        for name, text in templates.items():
            files.append(Upload(f"{place}/{name}", text.encode(), "application/yaml", changes=place != folder))
    return files


def publish_to(region: str, bucket: str, files: list[Upload]) -> None:
    storage = boto3.client("s3", region_name=region)
    try:
        storage.head_bucket(Bucket=bucket)
    except ClientError as refusal:
        raise CannotPublish(
            f"The bucket {bucket} is not there, or not yours ({refusal.response['Error']['Code']}). Make it with: "
            f"aws cloudformation deploy --region {region} --stack-name {bucket} --template-file publish-buckets.yaml "
            f"--parameter-overrides BucketPrefix={bucket.removesuffix('-' + region)}"
        ) from refusal
    for file in files:
        there = content_of(storage, bucket, file.key)
        if there == file.content:
            print(f"  {file.key}: is there already")
            continue
        if there is not None and not file.changes:
            raise CannotPublish(
                f"{bucket}/{file.key} is there with other bytes, and what is released never changes: "
                "raise the version in Cargo.toml, or give another one with --version."
            )
        storage.put_object(
            Bucket=bucket,
            Key=file.key,
            Body=file.content,
            ContentType=file.content_type,
            CacheControl="no-cache" if file.changes else "public, max-age=31536000, immutable",
            ChecksumAlgorithm="SHA256",
        )
        print(f"  {file.key}: {len(file.content):,} bytes, SHA-256 {hashlib.sha256(file.content).hexdigest()}")


def content_of(storage, bucket: str, key: str) -> bytes | None:
    try:
        return storage.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as refusal:
        if refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def launch_link(region: str, bucket: str, key: str, stack: str) -> str:
    template = f"https://{bucket}.s3.{region}.amazonaws.com/{key}"
    query = urlencode({"stackName": stack, "templateURL": template})
    return f"https://console.aws.amazon.com/cloudformation/home?region={region}#/stacks/create/review?{query}"


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
    given = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,46}", given.prefix):
        parser.error(f"the prefix {given.prefix!r} has to be 2 to 47 lower-case letters, digits and hyphens")
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", given.version):
        parser.error(f"the version {given.version!r} has to be like 1.2.3 or 1.2.3-rc.1")
    given.regions = given.regions or list(REGIONS)
    return given


def main() -> int:
    given = arguments()
    try:
        files = release(given.prefix, given.version, given.build)
        for region in given.regions:
            print(f"{given.prefix}-{region}")
            publish_to(region, f"{given.prefix}-{region}", files)
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
