"""What replay says where it cannot tell."""

from __future__ import annotations


class Undecided(Exception):
    """The bounds of a number do not decide a question. `place` says which row in which layer; the caller fills it in."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.message, self.place = message, place


class TooLong(Undecided):
    """More items or calls than replay follows. That is a limit of ours and no fault of what is replayed."""
