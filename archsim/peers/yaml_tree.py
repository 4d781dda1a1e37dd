"""YAML as a tree whose every table is checked for unknown and repeated keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from archsim.errors import InputError, nearest
from archsim.peers.ini import read_text
from archsim.spec_errors import short


def read_yaml(path: Path) -> Node:
    """Read a YAML file.

    Raises
    ------
    InputError
        When PyYAML is not installed, the file cannot be read, is not YAML (with line and column), or gives a key twice.
    """
    try:
        import yaml
    except ImportError:
        raise InputError(
            f"{path}: reading YAML needs PyYAML, which is not installed: pip install 'archsim[peers]'"
        ) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        """Refuses what PyYAML would silently overwrite."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else None
                if name is None or name in seen:
                    what = "a key must be a name" if name is None else f"key {name!r} is given twice"
                    raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
                seen.add(name)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    try:
        return Node(path, "", yaml.load(read_text(path), Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError(f"{path}: {place}{error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())[:100]}") from None


class Node:
    """A value of the tree and its place, such as ``memory_system.controllers[0].dram``."""

    def __init__(self, path: Path, place: str, value: Any) -> None:
        self.path, self.place, self.value = path, place, value

    def error(self, rule: str) -> InputError:
        """Return the error that names the place, the value and the rule that it breaks."""
        plain = not isinstance(self.value, dict | list)
        value = f" = {short(self.value)}" if plain else ""
        return InputError(f"{self.path}: {self.place or 'the file'}{value}: {rule}")

    def table(self, keys: Iterable[str], *, optional: Iterable[str] = ()) -> dict[str, Node]:
        """Return the entries of a table that must have ``keys``, may have ``optional`` ones and no others."""
        if not isinstance(self.value, dict):
            raise self.error("must be a table")
        keys, known = list(keys), [*keys, *optional]
        for key in self.value:
            if key not in known:
                raise InputError(f"{self.path}: {self._below(key)}: unknown key{nearest(str(key), known)}")
        for key in keys:
            if key not in self.value:
                raise InputError(f"{self.path}: {self._below(key)}: missing")
        return {key: Node(self.path, self._below(key), value) for key, value in self.value.items()}

    def _below(self, key: Any) -> str:
        return f"{self.place}.{key}" if self.place else str(key)

    def items(self, length: int | None = None) -> list[Node]:
        """Return the items of a list, which must have ``length`` of them where that is given."""
        if not isinstance(self.value, list):
            raise self.error("must be a list")
        if length is not None and len(self.value) != length:
            raise self.error(f"must have {length} items, has {len(self.value)}")
        return [Node(self.path, f"{self.place}[{i}]", value) for i, value in enumerate(self.value)]

    def integer(self, least: int = 0, most: int = 2_000_000_000) -> int:
        """Return a whole number within limits."""
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.error(f"must be a whole number from {least} to {most}")
        return self.value

    def real(self) -> float:
        """Return a number from 0 to 1."""
        if type(self.value) not in (int, float) or not 0 <= self.value <= 1:
            raise self.error("must be a number from 0 to 1")
        return float(self.value)

    def boolean(self) -> bool:
        """Return a switch."""
        if not isinstance(self.value, bool):
            raise self.error("must be true or false")
        return self.value

    def choice(self, choices: Iterable[str], what: str) -> str:
        """Return one of a few names."""
        choices = list(choices)
        if self.value not in choices:
            raise self.error(f"no such {what} is modelled{nearest(str(self.value), choices)}")
        return str(self.value)

    def component(
        self, what: str, keys: Mapping[str, Iterable[str]], required: Iterable[str] = ()
    ) -> tuple[str, dict[str, Node]]:
        """Return name and other entries of a table that names its ``impl``.

        ``keys`` are the optional entries of each name, ``required`` those that all must have.
        """
        if not isinstance(self.value, dict) or "impl" not in self.value:
            raise self.error(f"must be a table with impl, the name of a {what}")
        impl = Node(self.path, self._below("impl"), self.value["impl"]).choice(keys, what)
        table = self.table(["impl", *required], optional=keys[impl])
        del table["impl"]
        return impl, table
