"""Token schemes by the name that a firmware profile gives: ours, and classes of third parties."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from protocols.errors import LocalProtocolError
from protocols.tokens.gbcs import GbcsTokens
from protocols.tokens.scheme import SchemeMaker
from protocols.tokens.sts.scheme import StsEa11Tokens, StsGasEa11Tokens, StsGasTokens, StsTokens
from protocols.tokens.symmetric import SymmetricTokens

DEFAULT: Final = "s1sp-symmetric"
_NEEDED: Final = ("issue", "read", "secret_octets")

SCHEMES: Final[Mapping[str, SchemeMaker]] = MappingProxyType(
    {
        DEFAULT: SymmetricTokens,
        "gbcs": GbcsTokens,
        "sts-ea07": StsTokens,
        "sts-ea11": StsEa11Tokens,
        "sts-gas-ea07": StsGasTokens,
        "sts-gas-ea11": StsGasEa11Tokens,
    }
)


def find(name: str) -> SchemeMaker:
    """The maker of the scheme of that name; ``package.module:Class`` is a class of a third party, which is imported.

    LocalProtocolError, in one line, when there is none.
    """
    if ":" not in name:
        if name not in SCHEMES:
            raise LocalProtocolError(f"no token scheme {name!r}", expected=_allowed())
        return SCHEMES[name]
    module_name, _, class_name = name.partition(":")
    try:
        maker: object = getattr(import_module(module_name), class_name)
    except Exception as problem:  # whatever the foreign module raises while it is imported
        raise LocalProtocolError(
            f"token scheme {name!r} cannot be imported: {problem}".splitlines()[0], expected=_allowed()
        ) from problem
    if not (isinstance(maker, type) and all(hasattr(maker, name) for name in _NEEDED)):
        raise LocalProtocolError(f"token scheme {name!r} is no class with {', '.join(_NEEDED)}", expected=_allowed())
    return cast(SchemeMaker, maker)


def _allowed() -> str:
    return f"{', '.join(SCHEMES)} or package.module:Class"
