"""Sends string messages to Momento as text. Inline in api-destinations.yaml: at most 4,096 characters."""

import http.client
import json
import logging
import os
from urllib.parse import quote, urlencode, urlsplit

import boto3
from botocore.config import Config

quick = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
secrets = boto3.client("secretsmanager", config=quick)
sqs = boto3.client("sqs", config=quick)
endpoint = urlsplit(os.environ["MOMENTO_ENDPOINT"])
connection_class = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}[endpoint.scheme]
momento = connection_class(endpoint.netloc, timeout=3)
api_key = ""


def handler(event, context):
    failures = []
    unauthorized = False
    for record in event["Records"]:
        try:
            if unauthorized or context.get_remaining_time_in_millis() < 12000:
                raise RuntimeError("not tried in this invocation")
            deliver(record["body"])
        except Exception as error:
            unauthorized |= error.args[:1] == (401,)
            logging.warning("Message %s stays in the queue: %.500r", record["messageId"], error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def deliver(body):
    try:
        request = request_for(json.loads(body))
    except Exception as error:
        refuse(body, "InvalidEvent", repr(error))
        return
    if request:
        status, text = send(*request)
        if status in (401, 408, 429) or status >= 500:
            raise RuntimeError(status, text)
        if status >= 300:
            refuse(body, str(status), text)


def request_for(event):
    """Method, URL, body and content type, or None if another rule handles the event."""
    detail = event["detail"]
    message = detail["message"]
    is_set = event["detail-type"] == "cacheSet"
    key = "key" if isinstance(detail.get("key"), str) else "key_base64"
    names = [detail["cacheName"], detail[key if is_set else "topicName"]]
    assert all(isinstance(name, str) for name in names), "names and keys must be strings"
    if "" in names or has_other_scalar(message):
        return None
    body = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    cache, topic = (quote(name, safe="") for name in names)
    if not is_set:
        return "POST", f"/topics/{cache}/{topic}", body.encode(), "text/plain"
    query = urlencode({key: names[1], "ttl_seconds": detail["ttl"]}, quote_via=quote)
    return "PUT", f"/cache/{cache}?{query}", body.encode(), "application/octet-stream"


def has_other_scalar(message):
    """An array that has one also matches the rule of the API destination, which sends it."""
    if isinstance(message, list):
        return any(map(has_other_scalar, message))
    return not isinstance(message, (str, dict))


def send(method, url, body, content_type):
    global api_key
    for _ in range(2):
        api_key = api_key or secrets.get_secret_value(SecretId=os.environ["API_KEY_SECRET"])["SecretString"].strip()
        answer = call(method, url, body, {"Authorization": api_key, "Content-Type": content_type})
        if answer[0] != 401:
            break
        api_key = ""
    return answer


def call(*request):
    is_reused = momento.sock is not None
    try:
        momento.request(*request)
        answer = momento.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        momento.close()
        if not is_reused:
            raise
    return call(*request)


def refuse(body, code, text):
    text = "".join(each if " " <= each <= "~" else "?" for each in text[:1000]) or code
    reason = {"ERROR_CODE": code, "ERROR_MESSAGE": text}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in reason.items()}
    sqs.send_message(QueueUrl=os.environ["DEAD_LETTER_QUEUE"], MessageBody=body, MessageAttributes=attributes)
