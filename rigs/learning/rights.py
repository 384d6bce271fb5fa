"""From the rights that clients are told of to the access groups of a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rigs.learning.objects import Draft
from rigs.learning.survey import Key, View
from rigs.reader import Listed

_AUTHENTICATED = (4, 5, 6)


def access_groups(
    drafts: Mapping[Key, Draft], views: Sequence[View]
) -> tuple[dict[str, dict[str, Any]], dict[Key, str]]:
    """The groups, and which of them each object is in.

    A group is named as the base names that of such an object, with a number after it where several are.
    """
    groups: dict[str, dict[str, Any]] = {}
    names: dict[tuple[str, str], str] = {}
    members: dict[Key, str] = {}
    for key, draft in drafts.items():
        grants: dict[str, Any] = {}
        for view in views:
            listed = view.objects.get(key)
            if listed is not None and (grant := _grant(draft, listed)):
                grants[view.client.name] = grant
        pattern = draft.access, repr(grants)
        name = names.get(pattern)
        if name is None:
            number = sum(1 for group, _ in names if group == draft.access)
            name = names[pattern] = f"{draft.access}_{number + 1}" if number else draft.access
            groups[name] = grants
        members[key] = name
    return groups, members


def _grant(draft: Draft, listed: Listed) -> dict[str, Any]:
    attributes, methods = draft.compiled.attributes, draft.compiled.methods
    settable = {index for index, attribute in attributes.items() if attribute.write is not None}
    readable, writable = set(listed.readable), set(listed.writable) & settable
    grant: dict[str, Any] = {}
    if readable:
        every = readable >= set(attributes)
        grant["get"] = "*" if every else [attributes[index].name for index in sorted(readable & set(attributes))]
    if writable:
        every = writable >= settable
        grant["set"] = "*" if every else [attributes[index].name for index in sorted(writable)]
    if listed.methods:
        every = set(listed.methods) >= set(methods)
        grant["action"] = "*" if every else [methods[index].name for index in sorted(listed.methods)]
    if grant and not listed.bits and any(mode in _AUTHENTICATED for mode in listed.attributes.values()):
        grant["authenticated"] = True
    return grant
