"""Binds listening sockets, on whichever of IPv4 and IPv6 the host has."""

import errno
import socket

from sidecar.settings import ListenAddress

BACKLOG = 128


class ListenError(Exception):
    """A listener that cannot be bound. The message names the address and the reason."""


def bind(address: ListenAddress) -> socket.socket:
    """Return a listening socket.

    Without a host it takes all interfaces: one IPv6 socket that takes IPv4 too, or, where the host has no IPv6, an
    IPv4 socket.

    Raises:
        ListenError: the address is in use, not this host's, or not allowed.
    """
    try:
        if address.host is not None:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            return _bound(family, address.host, address.port)
        try:
            return _bound(socket.AF_INET6, "::", address.port)
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT):
                raise
            return _bound(socket.AF_INET, "0.0.0.0", address.port)  # noqa: S104 - the kubelet dials the pod's address
    except OSError as error:
        words = {
            errno.EADDRINUSE: "the port is already in use",
            errno.EADDRNOTAVAIL: "this host does not have that address",
            errno.EACCES: "this user may not bind that port",
        }
        raise ListenError(f"{address}: {words.get(error.errno or 0, error.strerror or str(error))}") from error


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # An address of its own is bound alone; all interfaces means IPv4 as well.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def shown(listener: socket.socket) -> str:
    """Return the address that a socket is bound to, as text."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
