"""docs/deploy-policy.json: what somebody may do who deploys the two templates, for each value of their parameters.

    .local/venv-lint/bin/python -m tools.templates.deploy_policy           # writes it
    .local/venv-lint/bin/python -m tools.templates.deploy_policy --check   # for make lint: fails if it is not this

The permissions of each resource type are those of AWS's own schema of it, which cfn-lint brings.
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tools.paths import ROOT
from tools.templates.reader import read_template

PATH = ROOT / "docs" / "deploy-policy.json"
TEMPLATES = ("template.yaml", "api-destinations.yaml")
ROLE_PASSED_TO = ["lambda.amazonaws.com", "events.amazonaws.com"]
# A managed policy has at most so many characters without white space.
LONGEST = 6144

# For properties that no template has: a VPC, file systems, layers, versions, code signing, replicas, and so on.
UNUSED = """
ec2:* elasticfilesystem:* s3files:* firehose:* s3:REST.PUT.OBJECT s3:getObject
lambda:*FunctionCodeSigningConfig lambda:GetCodeSigningConfig lambda:GetLayerVersion lambda:PublishVersion
lambda:AssociateRuntimeAlias lambda:PassCapacityProvider lambda:PutFunctionRecursionConfig
lambda:PutFunctionScalingConfig lambda:PutRuntimeManagementConfig
logs:Put*DataProtectionPolicy logs:Delete*DataProtectionPolicy logs:PutIndexPolicy logs:DeleteIndexPolicy
logs:PutBearerTokenAuthentication logs:PutLogGroupDeletionProtection sns:PutDataProtectionPolicy
secretsmanager:*Replic* secretsmanager:GetRandomPassword iam:AttachRolePolicy iam:DetachRolePolicy
"""
# What the schema does not list: the access log of an HTTP API.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
ACCESS_LOG = """
logs:CreateLogDelivery logs:GetLogDelivery logs:UpdateLogDelivery logs:DeleteLogDelivery logs:ListLogDeliveries
"""
CLOUDFORMATION = """
CreateChangeSet DescribeChangeSet ExecuteChangeSet DeleteChangeSet CreateStack UpdateStack DeleteStack DescribeStacks
DescribeStackEvents DescribeStackResource DescribeStackResources ListStackResources GetTemplate GetTemplateSummary
ValidateTemplate
"""
# The bucket that `sam deploy` makes for the zips.
SAM_BUCKET = """
CreateBucket DeleteBucket GetBucketLocation GetBucketPolicy PutBucketPolicy DeleteBucketPolicy PutBucketTagging
PutBucketVersioning PutEncryptionConfiguration PutBucketPublicAccessBlock ListBucket GetObject GetObjectVersion
PutObject DeleteObject
"""


def permissions(resource_type: str) -> set[str]:
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema["handlers"]
    return {
        action
        for name in ("create", "read", "update", "delete")
        for action in handlers.get(name, {}).get("permissions", [])
    }


def policy() -> dict:
    resources = [
        (name, resource["Type"])
        for template in TEMPLATES
        for name, resource in read_template((ROOT / template).read_text(encoding="utf-8"))["Resources"].items()
    ]
    needed = {
        *ACCESS_LOG.split(),
        *(action for kind in {kind for _, kind in resources} for action in permissions(kind)),
    }
    needed = {action for action in needed if not any(fnmatchcase(action, unused) for unused in UNUSED.split())}
    # CloudFormation names a secret after its logical ID.
    secrets = [f"secret:{name}-*" for name, kind in resources if kind == "AWS::SecretsManager::Secret"]
    roles = "arn:*:iam::*:role/*"

    def some(*patterns: str) -> list[str]:
        taken = {action for action in needed if any(fnmatchcase(action, pattern) for pattern in patterns)}
        needed.difference_update(taken)
        return sorted(taken)

    statements = {
        "PassTheRoles": (
            some("iam:PassRole"),
            roles,
            {"StringEquals": {"iam:PassedToService": ROLE_PASSED_TO}},
        ),
        "LinkedRoles": (some("iam:CreateServiceLinkedRole"), "arn:*:iam::*:role/aws-service-role/*", None),
        "Roles": (some("iam:*"), roles, None),
        "Secrets": (
            some("secretsmanager:*"),
            [f"arn:*:secretsmanager:*:*:{name}" for name in (*secrets, "secret:events!connection/*")],
            None,
        ),
        "OnlyWithAKeyOfYours": (some("kms:*"), "*", None),
        "Code": (some("s3:*"), "*", None),
        "Resources": (some("*"), "*", None),
        "Stacks": ([f"cloudformation:{action}" for action in sorted(CLOUDFORMATION.split())], "*", None),
        "SamBucket": (
            [f"s3:{action}" for action in sorted(SAM_BUCKET.split())],
            "arn:*:s3:::aws-sam-cli-managed-default-*",
            None,
        ),
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": on}
            | ({"Condition": condition} if condition else {})
            for sid, (actions, on, condition) in statements.items()
        ],
    }


def main() -> None:
    content = policy()
    if (length := len(json.dumps(content, separators=(",", ":")))) > LONGEST:
        sys.exit(f"The policy has {length} characters, and a managed policy has {LONGEST} at most.")
    text = json.dumps(content, indent=2) + "\n"
    if sys.argv[1:] != ["--check"]:
        PATH.write_text(text, encoding="utf-8")
    elif not PATH.exists() or PATH.read_text(encoding="utf-8") != text:
        sys.exit(
            "docs/deploy-policy.json is not what the templates need. Write it again, and review the changes: "
            ".local/venv-lint/bin/python -m tools.templates.deploy_policy"
        )


if __name__ == "__main__":
    main()
