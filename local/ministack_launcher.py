"""Starts ministack with what it lacks: each ministack_….py beside this file says what.

Not called by hand: local_aws.py starts it, in a process group of its own and with an environment made for it. The group
ends itself when the process that started it is gone, however that one ended.
"""

import os
import signal
import threading
import time

from ministack.app import main
from ministack_conditions import register_conditions
from ministack_log_targets import register_log_targets
from ministack_resources import register_handlers
from ministack_transport import register_transport


def end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    register_handlers()
    register_conditions()
    register_log_targets()
    register_transport()
    main()
