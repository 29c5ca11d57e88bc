"""Options of the command line, made from settings classes, and those that several verbs share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer

from harness.core.option import DEFAULT_MODEL, MODEL, QUIET, RESULTS, SEED, Option

if TYPE_CHECKING:
    from harness.core.settings import OptionField

__all__ = ["DEFAULT_MODEL", "Model", "Quiet", "Results", "Seed", "parameters_of", "per_level", "taken", "with_options"]

T = TypeVar("T")


def typer_option(option: Option, flags: tuple[str, ...], help: str = "", show: bool | str = True) -> Any:
    """An `Option` as Typer takes it."""
    short = (f"-{option.short}",) if option.short else ()
    more: dict[str, Any] = {"rich_help_panel": option.panel or None, "envvar": option.env or None}
    more["metavar"] = option.metavar or None
    return typer.Option(*flags, *short, help=help or option.help, show_default=option.default or show, **more)


Model = Annotated[str, typer_option(MODEL, ("--model",))]
Results = Annotated[Path, typer_option(RESULTS, ("--results",), show=True)]
Quiet = Annotated[bool, typer_option(QUIET, ("--quiet",))]
Seed = Annotated[int, typer_option(SEED, ("--seed",))]


def parameters_of(kind: type) -> Iterator[inspect.Parameter]:
    """The options of a settings class as parameters of a command, by the names of the fields."""
    from harness.core.settings import options_of

    for field in options_of(kind).values():
        yield _parameter(field)


def taken(kind: Callable[..., T], values: Mapping[str, Any]) -> T:
    """A settings class made from a command's values; what was not given has its default. Raises `UsageError`."""
    from harness.core.settings import options_of

    named = {name: values[name] for name in options_of(kind) if values.get(name) is not None}  # type: ignore[arg-type]
    return kind(**named)


def with_options(
    command: Callable[..., None], settings: Sequence[type], changed: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[..., None]:
    """A command that has the options of settings classes in place of its `**values`.

    Args:
        command: a function with parameters for Typer, and `**values`.
        settings: the settings classes.
        changed: for each option that differs from its field, what of its parameter is replaced.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    options = {parameter.name: parameter for kind in settings for parameter in parameters_of(kind)}
    for name, change in (changed or {}).items():
        options[name] = options[name].replace(**change)
    parameters = [*(one for one in own if one.kind is not inspect.Parameter.VAR_KEYWORD), *options.values()]

    @wraps(command)
    def derived(**values: Any) -> None:
        command(**values)

    derived.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    derived.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return derived


def _parameter(field: OptionField) -> inspect.Parameter:
    annotation, metavar = _plain(field.annotation)
    default = list(field.default) or None if isinstance(field.default, tuple) else field.default
    option = field.option if field.option.metavar or not metavar else replace(field.option, metavar=metavar)
    words = option.help
    if get_origin(annotation) is list and not option.metavar:
        words = f"{words.removesuffix('.')}; repeat for more."
    if limits := _limits(field.metadata):
        words = f"{words} {limits}"
    made = typer_option(option, _flags(field), words, default is not False and default is not None)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[_optional(annotation, default), made],
    )


def _optional(annotation: Any, default: Any) -> Any:
    """The type with None, where that is the default."""
    return annotation | None if default is None and NoneType not in get_args(annotation) else annotation


def _flags(field: OptionField) -> tuple[str, ...]:
    """A truth value that a study may set, or that is set by default, can be unset."""
    unset = field.annotation is bool and (field.option.declarable or field.default is True)
    return (f"--{field.flag}/--no-{field.flag}",) if unset else (f"--{field.flag}",)


def _plain(annotation: Any) -> tuple[Any, str]:
    """A field's type as Typer knows it, and the choices where it has some."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _plain(arguments[0])
    if origin is Literal:
        return str, "|".join(map(str, arguments))
    if origin in (Union, UnionType):
        [inner] = [one for one in arguments if one is not NoneType]
        plain, metavar = _plain(inner)
        return plain | None, metavar
    if origin is tuple:
        return list[_plain(arguments[0])[0]], ""
    return annotation, ""


def _limits(metadata: tuple[Any, ...]) -> str:
    """The range of a number in words, empty without one.

    >>> from annotated_types import Ge, Gt, Le
    >>> _limits((Ge(1), Le(1_000_000))), _limits((Gt(0),)), _limits((Ge(0),))
    ('(1 to 1,000,000)', '(above 0)', '(from 0)')
    """
    bounds = {name: getattr(one, name) for one in metadata for name in ("ge", "gt", "le") if hasattr(one, name)}
    if "ge" in bounds and "le" in bounds:
        return f"({bounds['ge']:,} to {bounds['le']:,})"
    if "ge" in bounds:
        return f"(from {bounds['ge']:,})"
    return f"(above {bounds['gt']:,})" if "gt" in bounds else ""


def per_level(number: Callable[[str], Any], option: Option) -> Any:
    """An option of one value, or of one value for each level of a model, the finest first: 0.98,0.99."""

    def read(text: str) -> Any:
        try:
            values = tuple(number(part) for part in text.split(","))
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} was given; one number was expected, or one for each level, the finest first: 0.98,0.99"
            ) from None
        return values[0] if len(values) == 1 else values

    shown = option.default or False
    return typer.Option(
        parser=read, rich_help_panel=option.panel, help=option.help, show_default=shown, metavar="X[,X…]"
    )
