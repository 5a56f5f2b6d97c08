"""A request that names another account than the bucket's owner is refused; ministack does not look at that header."""

from ministack.services import s3

apply_bucket_scope = s3._apply_bucket_scope


def apply_expected_owner(method: str, bucket: str, key: str, headers: dict, *arguments, **named):
    expected = headers.get("x-amz-expected-bucket-owner")
    if expected and s3._bucket_owner_account(bucket) not in (None, expected):
        return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")
    return apply_bucket_scope(method, bucket, key, headers, *arguments, **named)


def register_bucket_owners() -> None:
    s3._apply_bucket_scope = apply_expected_owner
