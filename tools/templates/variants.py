"""The combinations of parameters that make other resources, for each template.

`python -m tools.templates.variants FOLDER`: checkov looks only at the resources that a template's
defaults make. This writes copies of each template with other defaults, in which every resource occurs in each of its
forms.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.paths import ROOT
from tools.templates.reader import read_template
from tools.templates.resolver import Resolver

Values = dict[str, str]

ACCOUNT = "123456789012"
ORGANIZATION: Values = {
    "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "RolePath": "/integration/",
}
KEY: Values = {"KmsKeyArn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
DOMAIN: Values = {
    "DomainName": "hooks.example.com",
    "CertificateArn": f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012",
}

# For each template a list of choices; a combination takes one from each.
CHOICES: dict[str, list[list[Values]]] = {
    "template.yaml": [
        [{"Endpoint": "FunctionUrl"}, {"Endpoint": "HttpApi"}, {"Endpoint": "HttpApi", **DOMAIN}],
        [{"MomentoSecretString": "secret"}, {"ExistingSecret": "momento"}],
        [
            {"EventBridgeBus": "default"},
            {"EventBridgeBus": "arn:aws:events:eu-west-1:210987654321:event-bus/theirs"},
            {"EventBridgeBus": f"arn:aws:events:eu-west-1:{ACCOUNT}:event-busv2/ours/abcdefghijklmnopqrstuvwxy"},
        ],
        [{"KeepDeadLetters": "no"}, {"KeepDeadLetters": "yes"}],
        [{}, {"EventLog": "yes", "AlarmEmail": "someone@example.com", "NoEventMinutes": "30", "Dashboard": "no"}],
        [{}, {**ORGANIZATION, **KEY}],
    ],
    "api-destinations.yaml": [
        [{"StringMessages": "text"}, {"StringMessages": "json"}],
        [{"MomentoApiKey": "key"}, {"ExistingApiKeySecret": "momento"}],
        [{}, {"AlarmTopicArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:alarms"}],
        [{}, {**ORGANIZATION, **KEY}],
    ],
    "publish-buckets.yaml": [
        [{}, {"OrganizationId": "o-1234567890"}],
        [{}, {"GitHubRepository": "owner/name"}],
        [{}, ORGANIZATION],
    ],
}


def combinations(template: str) -> Iterator[Values]:
    for chosen in itertools.product(*CHOICES[template]):
        yield {name: value for values in chosen for name, value in values.items()}


def resources(template: dict, values: Values) -> set[tuple[str, str]]:
    """The resources that a deployment with these values makes, each with its properties."""
    resolver = Resolver(template, **values)
    return {
        (name, json.dumps(resolver.properties(name), sort_keys=True))
        for name in template["Resources"]
        if resolver.exists(name)
    }


def covering(name: str) -> Iterator[Values]:
    """A few of the combinations, in which every resource occurs that occurs in one of them."""
    template = read_template((ROOT / name).read_text(encoding="utf-8"))
    made = [(values, resources(template, values)) for values in combinations(name)]
    left = set().union(*(found for _, found in made))
    while left:
        values, found = max(made, key=lambda each: len(each[1] & left))
        left -= found
        yield values


def with_defaults(text: str, values: Values) -> str:
    for name, value in values.items():
        block = re.search(rf"\n  {name}:\n((?:    .*\n)+)", text)
        if block is None:
            raise ValueError(f"The template has no parameter {name}.")
        others = re.sub(r"    Default: .*\n", "", block[1])
        text = text[: block.start(1)] + f'    Default: "{value}"\n' + others + text[block.end(1) :]
    return text


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for name in CHOICES:
        source = ROOT / name
        text = source.read_text(encoding="utf-8")
        for number, values in enumerate(covering(name), 1):
            variant = with_defaults(text, values)
            (folder / f"{source.stem}-{number:02}.yaml").write_text(variant, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
