"""What the page is to show: the newest message of each name, and the newest layers, handed from thread to thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


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
        self._layers: dict[str, Layer] = {}
        self._readers = 0
        self._is_closed = False

    def publish(self, name: str, document: Mapping[str, Any]) -> None:
        """Replace the message of this name."""
        with self._changed:
            self._number += 1
            self._messages[name] = Message(self._number, name, dict(document))
            self._changed.notify_all()

    def publish_layers(self, layers: Mapping[str, Layer], name: str, document: Mapping[str, Any]) -> None:
        """Replace all layers, and the message that announces them."""
        with self._changed:
            self._layers = dict(layers)
            self.publish(name, document)

    def layer(self, name: str) -> Layer | None:
        with self._changed:
            return self._layers.get(name)

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
