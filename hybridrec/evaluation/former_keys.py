"""Names of JSON keys that were renamed in 0.2; the former ones are kept for one release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_former_keys(value: Any, former: Mapping[str, str]) -> Any:
    """Repeat the values of renamed keys under their former names, at any depth.

    Args:
        value: what JSON knows.
        former: former names by present names.
    """
    if isinstance(value, list | tuple):
        return [with_former_keys(each, former) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: with_former_keys(each, former) for key, each in value.items()}
    return found | {former[key]: each for key, each in found.items() if key in former}


def with_present_keys(value: Any, former: Mapping[str, str]) -> Any:
    """Replace former names by the present ones, at any depth; `former` as above."""
    present = {old: new for new, old in former.items()}
    if isinstance(value, list | tuple):
        return [with_present_keys(each, former) for each in value]
    if not isinstance(value, dict):
        return value
    return {present.get(key, key): with_present_keys(each, former) for key, each in value.items()}
