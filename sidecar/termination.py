"""Kubernetes' termination message: a file that exists already, written in place."""

import os

from sidecar.settings import DEFAULT_TERMINATION_LOG


def write_termination_log(path: str, message: bytes) -> OSError | None:
    """Write ``message`` over the file at ``path``.

    The kubelet bind-mounts the file, so it is never renamed over. It is written in one call. The default path means
    nothing outside of Kubernetes, so it is not made there; a path of one's own is.

    Args:
        path: the file, or ``off``.
        message: at most 4,096 bytes.

    Returns:
        What went wrong, or None.
    """
    if path == "off":
        return None
    is_default = path == DEFAULT_TERMINATION_LOG
    flags = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | (0 if is_default else os.O_CREAT)
    try:
        descriptor = os.open(path, flags, 0o644)
    except FileNotFoundError as error:
        return None if is_default else error
    except OSError as error:
        return error
    try:
        os.write(descriptor, message)
    except OSError as error:
        return error
    finally:
        os.close(descriptor)
    return None
