"""Staging labels, as in a real account: a label is on one version, so that a new version takes it from the old one."""

import json

from ministack.services import secretsmanager

put = secretsmanager._put_secret_value


def put_secret_value(data: dict) -> tuple:
    answer = put(data)
    if answer[0] == 200:
        _, secret = secretsmanager._resolve(data["SecretId"])
        for label in data.get("VersionStages", []):
            secretsmanager._remove_stage_everywhere(secret, label, json.loads(answer[2])["VersionId"])
    return answer


def register_labels() -> None:
    secretsmanager._put_secret_value = put_secret_value
