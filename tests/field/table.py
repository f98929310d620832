# SPDX-License-Identifier: MIT
"""Reads servers.table, whose head explains its form."""

import dataclasses
import os
import shlex

TABLE = f"{os.path.dirname(os.path.abspath(__file__))}/servers.table"
ONCE = ("server", "needs", "port", "ask", "start", "expect", "refusal", "options", "differ", "note", "slice")
DEFAULTS = {"expect": "shares", "refusal": "in use|EADDRINUSE", "options": "", "differ": "nothing", "note": "", "slice": ""}


@dataclasses.dataclass
class Row:
    """A server of the table."""

    values: dict  # of the keys that a row has once
    files: list  # of pairs: name, text
    before: list  # shell lines

    def __getattr__(self, key):
        return self.values[key]

    @property
    def commands(self):
        return [pair.partition(":")[0] for pair in self.needs.split()]

    @property
    def number(self):
        return int(self.port.partition("/")[0])

    @property
    def protocols(self):
        return self.port.partition("/")[2].split("+")

    def supervised(self):
        """The shell line that has two copies share, as somebody would type it."""
        words = ["reuseport run -n 2 -I {} -p", str(self.number), self.options, self.start]
        return " \\\n    ".join(" ".join(word for word in words if word).split("\n"))

    def by_itself(self, ports=None):
        """The shell line of one copy, without the library or with a list."""
        words = ["reuseport run -p", ports, self.options, self.start] if ports else [self.start]
        return " ".join(word for word in words if word).replace("\n", " ")


def read_entries(lines):
    """Yields (key, value); a value goes on in the lines indented below it."""
    key, value = None, []
    for line in lines:
        line = line.rstrip("\n")
        if key and line.startswith("    "):
            value.append(line[4:])
        elif key == "file" and not line:
            value.append("")
        elif line and not line.startswith("#"):
            if key:
                yield key, "\n".join(value)
            key, _, rest = line.partition(" ")
            value = [rest.strip()]
    yield key, "\n".join(value)


def read(path=TABLE):
    rows = []
    with open(path, encoding="utf-8") as lines:
        for key, value in read_entries(lines):
            if key == "server":
                rows.append(Row(dict(DEFAULTS), [], []))
            if key == "file":
                name, _, text = value.partition("\n")
                rows[-1].files.append((name, text.rstrip("\n") + "\n"))
            elif key == "before":
                rows[-1].before.append(value)
            elif key in ONCE:
                rows[-1].values[key] = value
            else:
                raise ValueError(f"{path}: {key}: no such key")
    for row in rows:
        if absent := [key for key in ONCE if key not in row.values]:
            raise ValueError(f"{path}: {row.values.get('server')}: lacks {' '.join(absent)}")
        shlex.split(row.start)
    return rows
