"""What the sections of the configuration have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from redclust import duration


class Section(BaseModel):
    """Keys that are not known are errors, and nothing is changed once it is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        # pydantic takes YAML's `true` for a 1.
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise ValueError("yes or no is not a value of this key")
        return value


def _length_of_time(text: str) -> str:
    if duration.seconds(text) <= 0:
        raise ValueError("must be longer than nothing")
    return text


LengthOfTime = Annotated[str, AfterValidator(_length_of_time)]
