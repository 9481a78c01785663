"""What the page is to show: the newest message of each name, and the newest layers, handed from thread to thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from inr.core.text import finite_json


@dataclass(frozen=True)
class Message:
    """number: rises with every message of the feed. document: JSON."""

    number: int
    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """Bytes that the page loads by name, and their type."""

    kind: str
    data: bytes


class Feed:
    """One writer, any number of readers. A reader that is slow misses older messages of a name, never the newest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0
        self._messages: dict[str, Message] = {}
        self._layers: dict[int, dict[str, Layer]] = {}
        self._readers = 0
        self._is_closed = False

    def publish(self, name: str, document: Mapping[str, Any]) -> None:
        """Replace the message of this name. Numbers that JSON cannot hold, NaN and infinity, become null."""
        with self._changed:
            self._number += 1
            self._messages[name] = Message(self._number, name, finite_json(document))
            self._changed.notify_all()

    def publish_layers(self, layers: Mapping[str, Layer], name: str, document: Mapping[str, Any]) -> None:
        """Replace the message, which has the `number` of these layers, and forget all but the layers before them.

        Those remain for a page that has read the message before this one and comes for its layers now.
        """
        with self._changed:
            number = self._number + 1
            kept = list(self._layers.items())[-1:]
            self._layers = {**dict(kept), number: dict(layers)}
            self.publish(name, {**document, "number": number})

    def layer(self, number: int, name: str) -> Layer | None:
        """A layer that the message `number` has announced; None if there are newer ones in its place."""
        with self._changed:
            return self._layers.get(number, {}).get(name)

    def newer(self, number: int, timeout_s: float) -> list[Message]:
        """The messages after a number, oldest first; waits for one as long as `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number or self._is_closed, timeout_s)
            found = [message for message in self._messages.values() if message.number > number]
        return sorted(found, key=lambda message: message.number)

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Within the block there is one more reader."""
        with self._changed:
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1

    @property
    def has_readers(self) -> bool:
        with self._changed:
            return self._readers > 0

    def close(self) -> None:
        """No more messages come; readers stop to wait."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        with self._changed:
            return self._is_closed
