# SPDX-License-Identifier: MIT
"""Applies a strategic merge patch to a Kubernetes object, as kubectl patch does, as far as the examples need it.

usage: strategic-merge.py FILE PATCH, prints YAML"""

import sys

import yaml

# By which of its keys an entry of such a list is known.
KEYS = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}


def merge_lists(old, new, key):
    """Entries of new change those of old, or come after them."""
    merged = {entry[key]: entry for entry in old}
    for entry in new:
        merged[entry[key]] = merge(merged.get(entry[key], {}), entry)
    return list(merged.values())


def merge(old, new):
    merged = dict(old)
    for key, value in new.items():
        if key in KEYS:
            merged[key] = merge_lists(old.get(key, []), value, KEYS[key])
        elif isinstance(value, dict):
            merged[key] = merge(old.get(key, {}), value)
        else:
            merged[key] = value
    return merged


if __name__ == "__main__":
    print(yaml.safe_dump(merge(*(yaml.safe_load(open(name)) for name in sys.argv[1:]))))
