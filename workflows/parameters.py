"""How a workflow's parameters are declared, for Argo's form and the page's, and how they reach its steps."""

import json
from typing import Any, Literal, get_args, get_origin

from hera.workflows import Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def parameters_of(model: type[BaseModel]) -> list[Parameter]:
    """Argo's parameters for a model: description, default and choices are the model's own."""
    return [_parameter(name, field) for name, field in model.model_fields.items()]


def given(*names: str) -> dict[str, str]:
    """Arguments that hand on the workflow's parameters of these names."""
    return {name: f"{{{{workflow.parameters.{name}}}}}" for name in names}


def output_of(step: str, name: str) -> str:
    """What an earlier step of the same steps has put out."""
    return f"{{{{steps.{step}.outputs.parameters.{name}}}}}"


def text_of(value: Any) -> str:
    """A value as a parameter carries it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _parameter(name: str, field: FieldInfo) -> Parameter:
    choices: list[Any] = [False, True] if field.annotation is bool else []
    if get_origin(field.annotation) is Literal:
        choices = list(get_args(field.annotation))
    enum = [text_of(choice) for choice in choices] or None
    if field.is_required():
        return Parameter(name=name, description=field.description, enum=enum)
    value = text_of(field.get_default(call_default_factory=True))
    return Parameter(name=name, description=field.description, enum=enum, value=value)
