"""What docs/terraform-and-cdk.md tells a user of CDK to type, typed in a fresh clone, against the local AWS."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tools.functions.binaries import binary
from tools.functions.zip_bootstrap import zip_bootstrap
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT, programs
from tools.templates.packaged import ARCHITECTURES, packaged
from tools.templates.reader import read_template
from tools.templates.resolver import PARAMETERS, TEMPLATE
from tools.testing.docs import blocks
from tools.testing.fresh_clone import FreshClone

APP = "examples/cdk"
PREFIX, FOLDER = "releases", "momento-eventbridge/1.0.0"
SECRET = "whsec-of-cdk"
STACK = "MomentoEventBridge"
INSTALL, SYNTH, DEPLOY = (block.strip().splitlines() for block in blocks("terraform-and-cdk.md", "CDK", "sh"))
# Warnings that follow from values in place of parameters: a substitution without a variable, a label without its
# parameter, a condition that is always the same.
EXPECTED = ["W1020", "W4001", "W8003"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture(scope="module")
def released(aws: LocalAws) -> str:
    """Publishes the code to a bucket in the local AWS, and returns the template of the release."""
    storage = aws.client("s3")
    bucket = f"{PREFIX}-{aws.region}"
    storage.create_bucket(Bucket=bucket)
    for name in ("webhook", "redrive"):
        key = f"{FOLDER}/{name}-{ARCHITECTURE}.zip"
        storage.put_object(Bucket=bucket, Key=key, Body=zip_bootstrap(binary(name)))
    return packaged((ROOT / "template.yaml").read_text(encoding="utf-8"), PREFIX, [aws.region], FOLDER, ARCHITECTURES)


@pytest.fixture(scope="module")
def user(aws: LocalAws, released: str, tmp_path_factory: pytest.TempPathFactory) -> FreshClone:
    """A clone in which the packages are installed and the template is in its place."""
    user = FreshClone(aws, tmp_path_factory.mktemp("cdk"), "iac")
    enter, install, *download = INSTALL
    assert enter == f"cd {APP}"
    assert download[0].startswith("curl --fail --output template.yaml")
    user.types(f"{enter}\n{install}")
    (user.path / APP / "template.yaml").write_text(released, encoding="utf-8")
    return user


def set_properties(user: FreshClone, **properties: str) -> None:
    """Edits the stack's properties in app.ts, as a user does."""
    file = user.path / APP / "app.ts"
    original = subprocess.run(["git", "show", f"HEAD:{APP}/app.ts"], cwd=user.path, check=True, stdout=subprocess.PIPE)
    lines = "".join(f"  {name}: {json.dumps(value)},\n" for name, value in properties.items())
    edited, count = re.subn(r"  existingSecret: .*\n", lines, original.stdout.decode())
    assert count == 1
    file.write_text(edited, encoding="utf-8")


def synthesized(user: FreshClone) -> dict:
    return json.loads((user.path / APP / "cdk.out" / f"{STACK}.template.json").read_text(encoding="utf-8"))


@pytest.mark.timeout(600)
def test_the_app_has_no_type_errors_and_its_template_is_the_released_one(user: FreshClone, released: str):
    for command in SYNTH:
        user.types(command, folder=APP)
    template, given = synthesized(user), {"ExistingSecret", "EventLog"}
    assert template["Parameters"].keys() == PARAMETERS.keys() - given | {"BootstrapVersion"}
    assert template["Rules"].keys() == TEMPLATE["Rules"].keys() | {"PublishedRegion", "CheckBootstrapVersion"}
    assert template["Conditions"].keys() == TEMPLATE["Conditions"].keys()
    assert template["Outputs"].keys() == TEMPLATE["Outputs"].keys()
    original = read_template(released)["Resources"]
    assert template["Resources"].keys() == original.keys()
    for name, resource in template["Resources"].items():
        assert resource["Type"] == original[name]["Type"]
        assert resource.get("Condition") == original[name].get("Condition")
        assert resource.get("DeletionPolicy") == original[name].get("DeletionPolicy")


def test_the_synthesized_template_passes_cfn_lint(user: FreshClone):
    file = user.path / APP / "cdk.out" / f"{STACK}.template.json"
    command = [programs("lint") / "cfn-lint", "--ignore-checks", *EXPECTED, "--", file]
    linted = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.timeout(600)
def test_the_commands_of_the_page_deploy_a_stack_that_delivers_and_remove_it(aws: LocalAws, user: FreshClone):
    vault = aws.client("secretsmanager")
    secret = vault.create_secret(Name="momento/signing-secret", SecretString=SECRET)["ARN"]
    set_properties(user, existingSecret=secret, endpoint="HttpApi", architecture=ARCHITECTURE)
    bootstrap, deploy = DEPLOY
    user.types(bootstrap, folder=APP)
    # The question about new permissions is answered with yes.
    said = user.types(f"{deploy} --require-approval never", folder=APP, CI="true")
    stacks = aws.client("cloudformation")
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for output in stacks.describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    }
    assert outputs["FunctionUrl"] in said
    with BusWatch(aws) as bus:
        assert post_signed(aws.function_url_local(outputs["FunctionUrl"]), SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1
    user.types("npx cdk destroy --force", folder=APP, CI="true")
    remaining = [stack["StackName"] for stack in stacks.describe_stacks()["Stacks"]]
    assert STACK not in remaining


def test_an_attribute_of_another_resource_is_refused_with_the_reason(user: FreshClone):
    (user.path / APP / "with-token.ts").write_text(
        'import { App, Lazy } from "aws-cdk-lib";\n'
        'import { MomentoEventBridgeStack } from "./momento-eventbridge.ts";\n'
        'const existingSecret = Lazy.string({ produce: () => "x" });\n'
        'new MomentoEventBridgeStack(new App(), "Token", { templateFile: "template.yaml", existingSecret });\n'
    )
    with pytest.raises(AssertionError, match="ExistingSecret must be a literal value"):
        user.types("node with-token.ts", folder=APP)
