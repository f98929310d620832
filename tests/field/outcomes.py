# SPDX-License-Identifier: MIT
"""Reads what other people's test suites say: for each, a function of the folder it ran in and of its output, whose result
maps the names of tests to outcomes. A name that comes again is given a number."""

import re
import xml.etree.ElementTree


def collect(pairs):
    outcomes, seen = {}, {}
    for name, outcome in pairs:
        seen[name] = seen.get(name, 0) + 1
        outcomes[name if seen[name] == 1 else f"{name} #{seen[name]}"] = outcome.lower()
    return outcomes


def junit(folder, _output):
    cases = xml.etree.ElementTree.parse(f"{folder}/results.xml").iter("testcase")
    return collect(
        (case.get("name"), next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "ok")) for case in cases
    )


def lines(pattern, output):
    found = (match.groupdict() for match in re.finditer(pattern, output, re.MULTILINE))
    return collect((match["name"] or match["failed"], match["outcome"] or "failed") for match in found)


def tcltest(_folder, output):
    return lines(r"^(?:\+\+\+\+ (?P<name>\S+) .*?(?P<outcome>PASSED|SKIPPED)|==== (?P<failed>\S+) +FAILED$)", output)


def redis(_folder, output):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    return lines(r"^\[(?P<outcome>ok|err|exception)\]: (?P<name>.+?)(?: \(\d+ ms\))?(?: in tests/.*)?$", plain)


def named(_folder, output):
    """Each line: a name, a blank, its outcome."""
    return lines(r"^(?P<name>\S+) (?P<outcome>.+)$", output)
