"""What docs/deploying.md tells a user to type, typed in a fresh clone, against the local AWS.

Not part of `make test`, because SAM compiles everything again: `make test-sam`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE
from tools.templates.resolver import PARAMETERS
from tools.testing.docs import blocks
from tools.testing.fresh_clone import FreshClone
from tools.testing.inventory import everything

SECRET = "whsec-of-sam"
STACK = "momento-eventbridge"
# Where the page tells the user to keep the answers.
OWN_FILE = "samconfig.local.toml"


def commands(heading: str) -> list[list[str]]:
    """The shell blocks of a section, each as its lines."""
    return [block.strip().splitlines() for block in blocks("deploying.md", heading, "sh")]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.mark.timeout(3600)
def test_three_commands_make_a_stack_that_delivers_and_one_more_removes_it(aws: LocalAws, tmp_path: Path):
    user = FreshClone(aws, tmp_path, "build", "sam")
    native, x86 = commands("Deploy with AWS SAM")
    validate, build, deploy = native[:1] + x86 if ARCHITECTURE == "x86_64" else native

    assert "is a valid SAM Template" in user.types(validate)
    user.types(build)

    # Stack, region, and parameters: the proposed values, except for the secret. Then six questions about the deployment
    # itself, of which only the file has another answer, and a last one that requires a yes.
    names = list(PARAMETERS)
    given = [SECRET if name == "MomentoSecretString" else "" for name in names]
    answers = ["", "", *given, "", "", "", "", OWN_FILE, "", "y", ""]
    before = everything(aws)
    said = user.types(deploy, "\n".join(answers))
    assert "Successfully created/updated stack" in said
    assert SECRET not in said
    assert SECRET not in (user.path / OWN_FILE).read_text()
    assert user.types("git status --porcelain") == ""

    described = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    url = aws.function_url_local(outputs["FunctionUrl"])
    with BusWatch(aws) as bus:
        assert post_signed(url, SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1

        [as_momento_does] = [block for block in commands("Send a test event") if "curl" in block[-1]]
        assert user.types("\n".join(as_momento_does), URL=url, SECRET=SECRET).strip() == '{"message":"Success"}'
        [event] = bus.wait(1)
        assert event["detail"]["text"] == "hello"

        [[pull, rebuild, redeploy]] = commands("Upgrade")
        user.types(pull)
        new = "Verifies in a new version"
        user.types(f"sed -i 's/Verifies the signature/{new}/' template.yaml")
        assert f"`{x86[0]}`" in (user.path / "docs" / "deploying.md").read_text().split("## Upgrade")[1]
        user.types(x86[0] if ARCHITECTURE == "x86_64" else rebuild)
        user.types(redeploy, "y\n")
        function = aws.client("lambda").get_function_configuration(FunctionName=outputs["WebhookFunctionName"])
        assert function["Description"].startswith(new)
        assert function["Architectures"] == [ARCHITECTURE]
        assert post_signed(url, SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1

    [[remove]] = commands("Remove")
    assert shlex.split(remove)[:2] == ["sam", "delete"]
    user.types(remove, "y\ny\ny\n")
    assert everything(aws) == before
