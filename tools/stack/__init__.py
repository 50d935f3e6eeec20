"""The local stack: real components as plain processes on 127.0.0.1.

`tools.stack.running(stack_dir)` gives the settings of a started stack. Only the standard library is imported here,
because the set-up runs before any environment exists.
"""

from tools.stack.layout import running

__all__ = ["running"]
