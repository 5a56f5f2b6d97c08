"""Sends string messages to Momento as text. Inline in api-destinations.yaml, as it is here.

A message that Momento refuses goes to the dead-letter queue at once. One that can succeed later stays in the queue.
"""

import http.client
import json
import logging
import os
import re
from urllib.parse import quote, urlencode, urlsplit

import boto3
from botocore.config import Config

MOMENTO_TIMEOUT_SECONDS = 3
# A reused connection that hangs, then a new one that is slow to connect, to agree on TLS, and to respond.
LONGEST_DELIVERY_MILLISECONDS = 4 * MOMENTO_TIMEOUT_SECONDS * 1000
# Momento's keys are one line of visible ASCII characters, and never JSON.
API_KEY = re.compile(r"[\x21-\x7e]+")
JSON_STARTS = ("{", "[", '"')

aws_config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
secrets_manager = boto3.client("secretsmanager", config=aws_config)
sqs = boto3.client("sqs", config=aws_config)


class InvalidApiKey(Exception):
    """What is wrong with the stored API key, without any of it."""


class Retry(Exception):
    """Why a message stays in the queue."""


class Unauthorized(Retry):
    """Momento does not accept the API key, so no other message of the batch would succeed."""


def handler(event, context):
    failures = []
    stop = None
    for record in event["Records"]:
        try:
            if stop or context.get_remaining_time_in_millis() < LONGEST_DELIVERY_MILLISECONDS:
                raise Retry(stop or "Too little time is left in this invocation.")
            deliver(record["body"])
        except Exception as error:
            if isinstance(error, (Unauthorized, InvalidApiKey)):
                stop = "Not tried, because the API key did not work for another message."
            logging.warning(
                "Message %s stays in the queue: %s: %.500s", record["messageId"], type(error).__name__, error
            )
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def deliver(body):
    try:
        request = request_for(json.loads(body))
    except Exception as error:
        move_to_dead_letters(body, "InvalidEvent", repr(error))
        return
    if request is None:
        return
    status, text = send_authorized(*request)
    if status == 401:
        raise Unauthorized(f"Momento responded with 401: {text}")
    if status in (408, 429) or status >= 500:
        raise Retry(f"Momento responded with {status}: {text}")
    if status >= 300:
        move_to_dead_letters(body, str(status), text)


# ---- The request


def request_for(event):
    """Method, URL, body, and content type; None if another rule handles the event."""
    detail = event["detail"]
    message = detail["message"]
    is_set = event["detail-type"] == "cacheSet"
    key_parameter = "key" if isinstance(detail.get("key"), str) else "key_base64"
    names = [detail["cacheName"], detail[key_parameter if is_set else "topicName"]]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names and keys must be strings")
    if "" in names or also_matches_an_api_destination(message):
        return None
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    cache, key_or_topic = (quote(name, safe="") for name in names)
    if is_set:
        query = urlencode({key_parameter: names[1], "ttl_seconds": detail["ttl"]}, quote_via=quote)
        return "PUT", f"/cache/{cache}?{query}", text.encode(), "application/octet-stream"
    return "POST", f"/topics/{cache}/{key_or_topic}", text.encode(), "text/plain"


def also_matches_an_api_destination(message):
    """Whether an array has a value that is neither a string nor an object: the rule of the API destination sends it."""
    if isinstance(message, list):
        return any(map(also_matches_an_api_destination, message))
    return not isinstance(message, (str, dict))


# ---- The API key


class ApiKey:
    """The key in Secrets Manager, kept until Momento refuses it."""

    def __init__(self):
        self.value = None

    def get(self):
        if self.value is None:
            secret = secrets_manager.get_secret_value(SecretId=os.environ["API_KEY_SECRET"])
            self.value = checked(secret.get("SecretString", "").strip())
        return self.value

    def forget(self):
        self.value = None


def checked(key):
    """http.client would put an invalid header value, so the key, into its error."""
    if not API_KEY.fullmatch(key) or key.startswith(JSON_STARTS):
        raise InvalidApiKey(
            "The secret does not hold a Momento API key. It must hold the key alone: one line of ASCII characters"
            " without spaces, no JSON. Store the key again."
        )
    return key


api_key = ApiKey()


# ---- The connection


class Connection:
    """One connection to Momento, kept for the messages that follow."""

    def __init__(self, url):
        self.endpoint = urlsplit(url)
        self.http = self.new()

    def new(self):
        kind = http.client.HTTPSConnection if self.endpoint.scheme == "https" else http.client.HTTPConnection
        return kind(self.endpoint.netloc, timeout=MOMENTO_TIMEOUT_SECONDS)

    def send(self, method, url, body, headers):
        """Status and text. Repeats the request once if a connection that was used before is broken."""
        is_reused = self.http.sock is not None
        try:
            return self.send_once(method, url, body, headers)
        except (OSError, http.client.HTTPException):
            if not is_reused:
                raise
        return self.send_once(method, url, body, headers)

    def send_once(self, method, url, body, headers):
        try:
            self.http.request(method, url, body, headers)
            response = self.http.getresponse()
            return response.status, response.read().decode(errors="replace")
        except Exception:
            # After any error, a part of this request may be left in the connection, even if it is closed.
            self.http.close()
            self.http = self.new()
            raise


momento = Connection(os.environ["MOMENTO_ENDPOINT"])


def send_authorized(method, url, body, content_type):
    """Status and text. After a 401, reads the API key again and repeats the request."""
    for _ in range(2):
        status, text = momento.send(method, url, body, {"Authorization": api_key.get(), "Content-Type": content_type})
        if status != 401:
            break
        api_key.forget()
    return status, text


# ---- The dead-letter queue


def move_to_dead_letters(body, code, text):
    printable = "".join(each if " " <= each <= "~" else "?" for each in text[:1000]) or code
    attributes = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in (("ERROR_CODE", code), ("ERROR_MESSAGE", printable))
    }
    sqs.send_message(QueueUrl=os.environ["DEAD_LETTER_QUEUE"], MessageBody=body, MessageAttributes=attributes)
