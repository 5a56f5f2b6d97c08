"""template.yaml as it is deployed from a bucket: the code of each function in its region's bucket."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tools.templates.reader import read_template

ARCHITECTURES = ("arm64", "x86_64")


class CannotPackage(Exception):
    """The template is not of the form that can be packaged; the message says what to do."""


# With a longer one, the description of an alarm could be too long for CloudWatch.
LONGEST_ADDRESS = 80


def with_linked_pages(text: str, address: str) -> str:
    """The template with an address that ends with docs/ in place of each docs/, if it is short enough."""
    return re.sub(r"(?<![\w/.-])docs/(?=[\w-]+\.md)", address, text) if len(address) <= LONGEST_ADDRESS else text


def packaged(text: str, bucket_prefix: str, regions: list[str], folder: str, architectures: Iterable[str]) -> str:
    """Rewrites `Code` of each function, and the choices of Architecture where only one of the two was built.

    A rule refuses all other regions: there, anybody could own the bucket that the code is read from.
    """
    built = [name for name in ARCHITECTURES if name in set(architectures)]
    functions = {
        name: resource["Metadata"]["BuildProperties"]["Binary"]
        for name, resource in read_template(text)["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function" and isinstance(resource["Properties"]["Code"], str)
    }
    # Edits the text instead of generating YAML, so that readers of the published template see its comments.
    for name, binary in functions.items():
        start = text.index(f"\n  {name}:\n")
        code = re.compile(r"^      Code: .*$", re.MULTILINE).search(text, start)
        if code is None:
            raise CannotPackage(f"The template's function {name} has no line `Code:` to rewrite.")
        key = f"{folder}/{binary}-${{Architecture}}.zip"
        where = f'{{ S3Bucket: !Sub "{bucket_prefix}-${{AWS::Region}}", S3Key: !Sub "{key}" }}'
        text = text[: code.start()] + f"      Code: {where}" + text[code.end() :]
    if built != list(ARCHITECTURES):
        text = re.sub(
            r"(\n  Architecture:\n(?:    .*\n)*?    Default: ).*\n    AllowedValues: .*",
            lambda match: f"{match[1]}{built[0]}\n    AllowedValues: [{', '.join(built)}]",
            text,
        )
    text = text.replace("\nRules:\n", f"\nRules:\n{region_rule(regions)}", 1)
    check(text, functions, built, regions)
    return text


def region_rule(regions: list[str]) -> str:
    return f"""  PublishedRegion:
    Assertions:
      - Assert: {{ Fn::Contains: [[{", ".join(regions)}], !Ref AWS::Region] }}
        AssertDescription: >-
          This version is not published in this Region. Publish it to a bucket of your own (docs/releasing.md), or
          deploy it in one of these Regions: {", ".join(regions)}.
"""


def check(text: str, functions: dict[str, str], built: list[str], regions: list[str]) -> None:
    template = read_template(text)
    rule = template["Rules"].get("PublishedRegion")
    if rule is None or rule["Assertions"][0]["Assert"] != {"Fn::Contains": [regions, {"Ref": "AWS::Region"}]}:
        raise CannotPackage("The template has no section Rules: to which the published regions could be added.")
    for name, binary in functions.items():
        code = template["Resources"][name]["Properties"]["Code"]
        if not isinstance(code, dict) or f"/{binary}-" not in str(code["S3Key"]):
            raise CannotPackage(f"The code of {name} could not be rewritten; is `Code:` where it was?")
    architecture = template["Parameters"]["Architecture"]
    if architecture["AllowedValues"] != built or architecture["Default"] not in built:
        raise CannotPackage(
            "The parameter Architecture could not be rewritten; are Default and AllowedValues in its order?"
        )
