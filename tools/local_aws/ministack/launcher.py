"""Starts ministack with what it lacks. LocalAws calls it, with an environment made for it."""

import os

from ministack.app import main

from tools.local_aws.ministack.bucket_owners import register_bucket_owners
from tools.local_aws.ministack.conditions import register_conditions
from tools.local_aws.ministack.function_logs import register_function_logs
from tools.local_aws.ministack.keys import register_keys
from tools.local_aws.ministack.labels import register_labels
from tools.local_aws.ministack.log_targets import register_log_targets
from tools.local_aws.ministack.resources import register_handlers
from tools.local_aws.ministack.transport import register_transport

if __name__ == "__main__":
    # What ministack writes beside itself goes there too.
    os.chdir(os.environ["TMPDIR"])
    register_bucket_owners()
    register_handlers()
    register_conditions()
    register_log_targets()
    register_function_logs()
    register_keys()
    register_labels()
    register_transport()
    main()
