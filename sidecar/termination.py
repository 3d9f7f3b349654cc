"""Kubernetes' termination message: a file that exists already, written in place."""

import os


def write_termination_log(path: str, message: bytes, *, create: bool) -> OSError | None:
    """Write ``message`` over the file at ``path``.

    The kubelet bind-mounts the file, so it is never renamed over. It is written in one call.

    Args:
        path: the file.
        message: at most 4,096 bytes.
        create: make the file if it is not there; the default path means nothing outside of Kubernetes.

    Returns:
        What went wrong, or None; a missing file that need not be created is not wrong.
    """
    flags = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o644)
    except FileNotFoundError as error:
        return error if create else None
    except OSError as error:
        return error
    try:
        os.write(descriptor, message)
    except OSError as error:
        return error
    finally:
        os.close(descriptor)
    return None
