# SPDX-License-Identifier: MIT
"""Prints examples/retrofit/README.md with its recipes made anew from servers.table, so that they are what is tested.

usage: recipes.py README"""

import sys
import textwrap

import table

BEGIN, END = "<!-- Made by `make recipes`. -->\n", "<!-- The end of what `make recipes` makes. -->\n"
# What is said of all with a result, and of each.
RESULTS = {
    "shares": ("Share; unaided, the second copy is refused", ""),
    "taken": ("Share; unaided, the second copy starts and takes every datagram", "Unaided, a second copy starts and **takes every datagram**."),
    "itself": ("Share, and do so unaided: they set SO_REUSEPORT themselves", "Sets SO_REUSEPORT itself."),
    "cannot": ("Cannot share: a second copy does not start", "**Cannot share**: a second copy does not start."),
    "breaks": ("Cannot share: both copies start, but clients fail", "**Cannot share**: both copies start, but clients fail."),
}


def wrapped(text):
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def code(text):
    return textwrap.indent(text.rstrip("\n"), "    ") + "\n"


def result(row):
    return row.expect.partition(" ")[0]


def sentence(text):
    return text.rstrip(".") + "."


def shell_lines(row):
    """What makes the copies' files, then what starts them."""
    for line in row.before:
        line = line.replace("\n", " \\\n    ")
        yield f"for copy in 0 1; do {line.replace('{}', '$copy')}; done" if "{}" in line else line
    yield row.supervised()


def recipe(row):
    packages = ", ".join(dict.fromkeys(pair.partition(":")[2] for pair in row.needs.split()))
    yield f"### {row.server}\n"
    about = [f"Debian's {packages}; port {row.port}.", RESULTS[result(row)][1]]
    if row.differ != "nothing":
        about.append(sentence(f"Must differ: {row.differ}"))
    if row.note:
        about.append(sentence(row.note))
    yield wrapped(" ".join(" ".join(about).split()))
    for name, text in row.files:
        yield f"`{name}`:\n"
        yield code(text)
    if row.files:
        yield "Then:\n"
    if result(row) not in ("cannot", "breaks"):
        yield code("\n".join(shell_lines(row)))


def recipes(rows):
    for key, (words, _) in RESULTS.items():
        names = [row.server for row in rows if result(row) == key]
        yield wrapped(f"**{words}** ({len(names)}): {', '.join(names)}.")
    for row in rows:
        yield from recipe(row)


def main(readme):
    with open(readme, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    print(before, BEGIN, "\n", "\n".join(recipes(table.read())), "\n", END, rest.partition(END)[2], sep="", end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
