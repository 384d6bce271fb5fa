"""The clients that a device is read as: those of a file of keys, or the public one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rigs.client import ClientError
from rigs.read_options import AUTHENTICATION, ReadOptions
from rigs.system_errors import reason

PUBLIC = "public"


class _Keys(BaseModel):
    """One client as ``smets1 keys --json`` shows it; what else stands there is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    client: Annotated[int, Field(ge=1, le=127)]
    auth: str = "none"
    context: str = "plain"
    suite: Annotated[int, Field(ge=0, le=2)] | None = None
    counter_object: str | None = None
    secret: str | None = None
    encryption: str | None = None
    authentication: str | None = None
    signing_key: Path | None = None
    meter_key: Path | None = None


class _Device(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    device: str = ""
    associations: Annotated[list[_Keys], Field(min_length=1, max_length=64)]


_FILE: TypeAdapter[list[_Device]] = TypeAdapter(list[_Device])


@dataclass(frozen=True, slots=True)
class LearningClient:
    """A client by the name that its association gets, and how it is let in."""

    name: str
    ciphered: bool
    options: ReadOptions


def clients(keys: Path | None, common: ReadOptions) -> list[LearningClient]:
    """Those of a file of keys, as ``smets1 keys DEVICE --json`` writes it; without a file the public one.

    ``common`` has what holds for all of them: server SAP, line, times. Raises ClientError.
    """
    if keys is None:
        return [LearningClient(PUBLIC, False, common)]
    try:
        given = json.loads(keys.read_text(encoding="utf-8"))
        devices = _FILE.validate_python(given if isinstance(given, list) else [given])
    except OSError as error:
        raise ClientError(f"--keys {keys}: {reason(error)}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ClientError(
            f"--keys {keys}: {where}: {first['msg']}; write it as `smets1 keys DEVICE --json` does"
        ) from None
    except ValueError as error:
        raise ClientError(f"--keys {keys}: no JSON: {error}") from None
    if len(devices) != 1:
        raise ClientError(f"--keys {keys}: {len(devices)} devices; write the keys of one: `smets1 keys DEVICE --json`")
    found = [_client(keys, item, common) for item in devices[0].associations]
    every: dict[str, list[str]] = {
        "name": [item.name for item in found],
        "client": [str(item.options.client) for item in found],
    }
    for what, values in every.items():
        repeated = next((value for value in values if values.count(value) > 1), None)
        if repeated is not None:
            raise ClientError(f"--keys {keys}: {what} {repeated} is given twice")
    return found


def _client(path: Path, keys: _Keys, common: ReadOptions) -> LearningClient:
    if keys.auth not in AUTHENTICATION:
        raise ClientError(f"--keys {path}: {keys.name}: auth {keys.auth}: one of {', '.join(AUTHENTICATION)}")
    if keys.context not in ("plain", "ciphered"):
        raise ClientError(f"--keys {path}: {keys.name}: context {keys.context}: plain or ciphered")
    ciphered = keys.context == "ciphered"
    options = replace(
        common,
        client=keys.client,
        auth=keys.auth,
        password=keys.secret or "",
        key=keys.encryption or "",
        auth_key=keys.authentication or "",
        suite=keys.suite or 0,
        plain=not ciphered,
        counter_object=keys.counter_object or "",
        signing_key=keys.signing_key,
        meter_key=keys.meter_key,
    )
    options.client_options()  # what is wrong with it is said before the device is asked
    return LearningClient(keys.name, ciphered, options)
