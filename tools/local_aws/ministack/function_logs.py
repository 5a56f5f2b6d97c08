"""The log group of a function, as in a real account: a role that may not create it writes nothing once it is deleted.

Else an invocation that ends after its stack was deleted makes the group again.
"""

from typing import Any

from ministack.services import cloudwatch_logs, lambda_svc

emit = lambda_svc._emit_lambda_logs


def emit_lambda_logs(function: dict, *given: Any, **named: Any) -> None:
    config = function.get("config") or function
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    if group is None or group in cloudwatch_logs._log_groups:
        emit(function, *given, **named)


def register_function_logs() -> None:
    lambda_svc._emit_lambda_logs = emit_lambda_logs
