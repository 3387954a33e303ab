"""What all settings classes share: validation by pydantic, with errors that a user can act on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import wraps
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic.fields import FieldInfo

from hybridrec.errors import InvalidInput

T = TypeVar("T", bound="Settings")


class Settings:
    """Base of all settings: built from and turned into plain dictionaries.

    Attributes:
        RENAMED: old name to present name, for keys of files that earlier releases wrote.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the settings from a mapping; keys of earlier releases are understood.

        Raises:
            InvalidInput: for an unknown key, or a value out of range.
        """
        return cls(**{cls.RENAMED.get(name, name): value for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` takes them back."""
        return dataclasses.asdict(self)


@dataclass_transform(frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make a frozen dataclass whose values are checked by pydantic as it is built.

    Constraints stand at the fields (`Field(ge=0, le=1)`); what concerns several fields is
    checked by `require` in `__post_init__`. Every failure is an `InvalidInput`.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    made: Any = validated_dataclass(frozen=True, config=config)(cls)
    init = made.__init__
    # Wrapped, because pydantic raises its own error, which is not one of ours.

    @wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except ValidationError as error:
            raise _invalid_input(made, error) from None

    made.__init__ = checked
    return cast(type[T], made)


def require(condition: bool, what: str, got: object) -> None:
    """Check what concerns more than one field.

    Raises:
        InvalidInput: saying `what`, unless the condition holds.
    """
    if not condition:
        raise InvalidInput(what, got=got, fix="choose a value in that range")


def _invalid_input(cls: type[Settings], error: ValidationError) -> InvalidInput:
    """The first failure of a validation, in the project's form."""
    first = error.errors(include_url=False)[0]
    if isinstance(cause := first.get("ctx", {}).get("error"), InvalidInput):
        return cause  # from `require`
    fields: dict[str, FieldInfo] = cls.__pydantic_fields__  # type: ignore[attr-defined]
    name = _name_of(first["loc"], list(fields))
    if name not in fields:
        known = ", ".join(sorted(fields))
        return InvalidInput(
            f"unknown setting for {cls.__name__}", got=name, fix=f"use one of {known}"
        )
    allowed = _allowed(fields[name]) or first["msg"].replace("Input should be ", "")
    got = first["input"]
    return InvalidInput(f"{name} must be {allowed}", got=got, fix="choose a value in that range")


def _name_of(location: tuple[int | str, ...], fields: list[str]) -> str:
    """The field that a failure concerns; pydantic counts positional arguments."""
    where = location[0]
    return fields[where] if isinstance(where, int) and where < len(fields) else str(where)


def _allowed(field: FieldInfo) -> str:
    """The range of a numeric field in words, or nothing where it has no bounds."""
    bounds = {
        bound: getattr(constraint, bound)
        for constraint in field.metadata
        for bound in ("ge", "gt", "le", "lt")
        if hasattr(constraint, bound)
    }
    low = (
        f"{bounds['ge']:g}"
        if "ge" in bounds
        else f"above {bounds['gt']:g}"
        if "gt" in bounds
        else ""
    )
    high = (
        f"{bounds['le']:g}"
        if "le" in bounds
        else f"below {bounds['lt']:g}"
        if "lt" in bounds
        else ""
    )
    if not high:
        return f"{low} or more" if "ge" in bounds else low
    return f"{low} to {high}" if low else high
