"""Name look-ups run in threads that nothing can interrupt (getaddrinfo(3)): the end of the process waits for none."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from sidecar.streams import settle

T = TypeVar("T")
P = ParamSpec("P")


class Lookups(ThreadPoolExecutor):
    """The event loop's executor, which lets go of a look-up that hangs.

    A resolver that does not answer is asked for tens of seconds, once for every search domain. A pod that is told to
    stop then would be killed at the end of its grace period, with another exit code than its own.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        super().__init__(thread_name_prefix="lookup")
        self._under_way: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run ``fn`` in a thread, and remember that it runs."""
        future = super().submit(fn, *args, **kwargs)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait only where nothing hangs."""
        super().shutdown(wait=wait and not self._under_way, cancel_futures=cancel_futures)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run ``main`` in an event loop of its own, as asyncio.run does."""

        async def inside() -> T:
            asyncio.get_running_loop().set_default_executor(self)
            return await main

        return asyncio.run(inside())

    def end(self, code: int) -> int:
        """Return the exit code; end the process with it where a look-up hangs, for the interpreter would wait."""
        for stream in (sys.stdout, sys.stderr):
            settle(stream)
        if self._under_way:
            os._exit(code)
        return code
