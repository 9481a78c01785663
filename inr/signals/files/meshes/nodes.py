"""The node tree of a glTF document: which meshes its scene shows, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from inr.signals.files.meshes.accessors import Accessors, entry

_INSTANCING = "EXT_mesh_gpu_instancing"

Matrix = np.ndarray[Any, np.dtype[np.float64]]


class Nodes:
    """world: node number -> matrix [4, 4] from the node's coordinates to the scene's. notes: for the user."""

    def __init__(self, document: Mapping[str, Any], accessors: Accessors) -> None:
        self._document, self._accessors = document, accessors
        self._nodes = document.get("nodes", [])
        self.world: dict[int, Matrix] = {}
        self.notes: tuple[str, ...] = ()
        self._place_all()

    def _place_all(self) -> None:
        is_child: set[int] = set()
        for node in self._nodes:
            for child in node.get("children", []):
                entry(self._document, "nodes", child)
                if child in is_child:
                    raise ValueError(f"its node {child} has two parents")
                is_child.add(child)
        self._roots = [i for i in range(len(self._nodes)) if i not in is_child]
        todo = [(root, np.eye(4)) for root in self._roots]
        while todo:
            i, parent = todo.pop()
            self.world[i] = parent @ _matrix(self._nodes[i])
            todo += [(child, self.world[i]) for child in self._nodes[i].get("children", [])]
        if len(self.world) < len(self._nodes):
            raise ValueError("its nodes are children of each other in a circle")

    def with_meshes(self) -> Iterator[tuple[dict[str, Any], Matrix]]:
        """(node, places [K, 4, 4] of its mesh) for the nodes of the default scene that have a mesh."""
        if not self._nodes:
            for i in range(len(self._document.get("meshes", []))):
                yield {"mesh": i}, np.eye(4)[None]
        todo = self._of_scene()[::-1]
        seen: set[int] = set()
        while todo:
            i = todo.pop()
            node = entry(self._document, "nodes", i)
            if i in seen:
                raise ValueError(f"its scene shows node {i} twice")
            seen.add(i)
            if "mesh" in node:
                yield node, self.world[i] @ self._instances(node)
            todo += node.get("children", [])[::-1]

    def _of_scene(self) -> list[int]:
        scenes = self._document.get("scenes", [])
        if not scenes:
            return list(self._roots)
        chosen = self._document.get("scene", 0)
        if len(scenes) > 1:
            which = "default" if "scene" in self._document else "first"
            n = len(scenes) - 1
            self.notes += (f"its {which} scene was read, {n} other scene{'s were' if n > 1 else ' was'} left out",)
        return list(entry(self._document, "scenes", chosen).get("nodes", []))

    def _instances(self, node: Mapping[str, Any]) -> Matrix:
        extension = node.get("extensions", {}).get(_INSTANCING)
        if extension is None:
            return np.eye(4)[None]
        named = extension.get("attributes", {})
        found = {
            key: self._accessors.floats(named[key], width)
            for key, width in (("TRANSLATION", 3), ("ROTATION", 4), ("SCALE", 3))
            if key in named
        }
        counts = {len(values) for values in found.values()}
        if len(counts) > 1:
            raise ValueError(f"its {_INSTANCING} has attributes of {sorted(counts)} instances")
        n = counts.pop() if counts else 1
        return _matrices(
            found.get("TRANSLATION", np.zeros((n, 3))),
            found.get("ROTATION", np.tile([0.0, 0, 0, 1], (n, 1))),
            found.get("SCALE", np.ones((n, 3))),
        )

    def bones(self, skin: Any) -> Matrix:
        """The matrices [J, 4, 4] that a skin's joints apply to vertices."""
        row = entry(self._document, "skins", skin)
        joints = row["joints"]
        for joint in joints:
            entry(self._document, "nodes", joint)
        world = np.stack([self.world[joint] for joint in joints])
        if "inverseBindMatrices" not in row:
            return world
        inverse = self._accessors.floats(row["inverseBindMatrices"], 16)
        if len(inverse) < len(joints):
            raise ValueError(f"a skin has {len(inverse)} matrices for {len(joints)} joints")
        return world @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)


def _matrix(node: Mapping[str, Any]) -> Matrix:
    if "matrix" in node:
        return _numbers(node["matrix"], 16).reshape(4, 4).T
    parts = (("translation", [0, 0, 0]), ("rotation", [0, 0, 0, 1]), ("scale", [1, 1, 1]))
    found: Matrix = _matrices(*(_numbers(node.get(key, rest), len(rest))[None] for key, rest in parts))[0]
    return found


def _numbers(values: Any, n: int) -> Matrix:
    found = np.array(values, np.float64)
    if found.shape != (n,):
        raise ValueError(f"a node has a transform of {found.size} numbers, expected {n}")
    return found


def _matrices(translation: Matrix, rotation: Matrix, scale: Matrix) -> Matrix:
    """Matrices [K, 4, 4] of translations [K, 3], quaternions x y z w [K, 4] and scales [K, 3]."""
    length = np.linalg.norm(rotation, axis=1, keepdims=True)
    x, y, z, w = (rotation / np.where(length > 0, length, 1)).T
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    ).transpose(2, 0, 1)
    found: Matrix = np.tile(np.eye(4), (len(x), 1, 1))
    found[:, :3, :3] = turn * scale[:, None]
    found[:, :3, 3] = translation
    return found
