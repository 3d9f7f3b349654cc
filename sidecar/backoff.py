"""How long to wait before the next attempt: no clock, no random source, no sleeping."""

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential back-off with equal jitter.

    Half of every wait is fixed and half is drawn: waits still grow visibly from one attempt to the next,
    and a fleet that booted in the same second does not come back in the same second.
    (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, names the variants.)
    """

    base_s: float = 0.5
    """Upper bound of the first wait, in seconds."""
    max_s: float = 10.0
    """Upper bound of every wait, in seconds."""

    def delay_s(self, failures: int, jitter: float) -> float:
        """Return the wait after ``failures`` failed attempts (1 or more).

        Args:
            failures: how many attempts have failed so far; the bound doubles with each.
            jitter: a draw from [0, 1).
        """
        exponent = min(failures - 1, 62)
        bound = min(self.max_s, self.base_s * 2.0**exponent)
        return bound / 2 + bound / 2 * jitter
