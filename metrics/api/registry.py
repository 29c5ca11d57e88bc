"""Names for things that are imported only when asked for.

A registry maps a name to a lazy target `"module:object"`, or to a row of data. Other distributions add names through
an entry-point group, each loaded only when it is asked for:

    [project.entry-points."music_harness.models"]
    mine = "my_package.model:load"

A built-in name wins over a plug-in of the same name, so that installing a package cannot change what a name means; of
two plug-ins of one name the first distribution in alphabetical order whose entry point loads has it. A plug-in that is
broken is listed as broken, with its distribution and the reason, and stops nothing but what asks for it by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from metrics.api.plugins import OWN, Plugin, PluginFailure, find_plugins, own_version, reason_of, resolve, run_foreign
from metrics.errors import BrokenPlugin, HarnessError, Stopped, UsageError

T = TypeVar("T")

EMBEDDERS = "music_harness.embedders"
METRICS = "music_harness.metrics"
"""The entry-point groups of this library; those of the floors above it are in harness/core/registry.py."""

State = Literal["built in", "installed", "broken", "hidden"]
"""`installed`: a plug-in that loads; `hidden`: one whose name something else has."""


@dataclass(frozen=True)
class Origin:
    """Where a name comes from: the distribution, its version as installed, and the target; `built_in` is this
    project's own."""

    distribution: str
    version: str
    target: str
    built_in: bool


@dataclass(frozen=True)
class Listed:
    """A name as it is listed. `reason` says why it is broken, or who has the name."""

    group: str
    name: str
    distribution: str
    version: str
    target: str
    state: State
    reason: str = ""

    def as_dict(self) -> dict[str, str]:
        """JSON-able."""
        return asdict(self)


class Registry(Generic[T]):
    """Lazy names of one kind.

    >>> codecs = Registry[type](kind="codec", entry_point_group="harness.codecs", targets={"json": "json:JSONDecoder"})
    >>> codecs.get("json").__name__
    'JSONDecoder'
    >>> codecs.get("jsn")
    Traceback (most recent call last):
    ...
    metrics.errors.UsageError: unknown codec 'jsn'. Did you mean 'json'? Known: json.
    """

    def __init__(
        self,
        kind: str,
        entry_point_group: str | None = None,
        targets: Mapping[str, str] | None = None,
        rows: Callable[[], Mapping[str, T]] | None = None,
        accept: Callable[[str, Any], T] | None = None,
    ) -> None:
        """
        Args:
            kind: what the names are of, in error messages.
            entry_point_group: the group that other distributions add names through; None for a closed registry.
            targets: built-in names, each with its "module:object" (or "module", for the module itself).
            rows: gives the built-in things that are data and need no import, by name.
            accept: (name, what a plug-in's target is) → the thing. Raises `UsageError` saying what was found and what
                was expected, which makes the plug-in a broken one.
        """
        self.kind = kind
        self.entry_point_group = entry_point_group
        self._targets = dict(targets or {})
        self._rows = rows or dict
        self._accept = accept or (lambda name, found: found)
        self._outcomes: dict[Plugin, T | PluginFailure] = {}

    def names(self) -> list[str]:
        """Every known name, sorted: built-in ones and those of installed plug-ins, which are not imported for it."""
        return sorted({*self._built_in(), *self._plugins()})

    def get(self, name: str) -> T:
        """The thing behind a name, imported now.

        Raises:
            UsageError: for an unknown name, with the nearest known one.
            BrokenPlugin: for a plug-in that does not load, or gives something else than this kind of thing.
        """
        if name in (rows := self._rows()):
            return rows[name]
        if name in self._targets:
            return cast(T, resolve(self._targets[name]))
        plugins = self._plugins().get(name)
        if not plugins:
            raise UsageError(unknown_name(self.kind, name, self.names()))
        plugin = self._chosen(plugins)
        outcome = self._outcome(plugin)
        if isinstance(outcome, PluginFailure):
            raise self._broken(plugin, str(outcome))
        return outcome

    def find(self, name: str) -> T | None:
        """The thing behind a name, or None for an unknown name or a broken plug-in."""
        try:
            return self.get(name) if name in self.names() else None
        except BrokenPlugin:
            return None

    def working(self) -> list[str]:
        """The known names without broken plug-ins, sorted. Plug-ins are loaded for it, built-in targets are not."""
        return sorted([*self._built_in(), *self._loaded()])

    def things(self) -> dict[str, T]:
        """Every thing that loads, by name: the built-in ones in their order, then plug-ins, sorted."""
        targets: dict[str, T] = {name: cast(T, resolve(target)) for name, target in self._targets.items()}
        return {**self._rows(), **targets, **self._loaded()}

    def origin(self, name: str) -> Origin:
        """Where a name comes from. Raises `UsageError` for an unknown name.

        A plug-in is loaded only where several distributions bring its name.
        """
        built_in = self._built_in()
        if name in built_in:
            return Origin(OWN, own_version(), built_in[name], True)
        plugins = self._plugins().get(name)
        if not plugins:
            raise UsageError(unknown_name(self.kind, name, self.names()))
        chosen = self._chosen(plugins)
        return Origin(chosen.distribution, chosen.version, chosen.target, chosen.built_in)

    def listed(self) -> list[Listed]:
        """Every name with where it comes from and its state, built-in names first; plug-ins are loaded for it."""
        group, built_in = self.entry_point_group or "", self._built_in()
        ours = [
            Listed(group, name, OWN, own_version(), target, "built in") for name, target in sorted(built_in.items())
        ]
        return ours + [self._row(plugin, plugins) for plugins in self._plugins().values() for plugin in plugins]

    def failed(self, name: str, why: BaseException | str) -> BrokenPlugin | None:
        """What to raise for a plug-in that turned out broken when it was used; None for a built-in name."""
        plugins = [] if name in self._built_in() else self._plugins().get(name, [])
        if not plugins or self._chosen(plugins).built_in:
            return None
        return self._broken(self._chosen(plugins), reason_of(why) if isinstance(why, BaseException) else why)

    def blamed(self, name: str) -> Blamed:
        """A context manager that says of an error in its block that the plug-in `name` is broken, and whose it is.

        Errors that a person or the machine can put right pass as they are (`HarnessError`, `OSError`, no memory), and
        so does everything under a built-in name.
        """
        return Blamed(self, name)

    def _built_in(self) -> dict[str, str]:
        """Name → target; that of a row is empty."""
        return {**dict.fromkeys(self._rows(), ""), **self._targets}

    def _plugins(self) -> dict[str, list[Plugin]]:
        """The plug-ins by name, those of one name in the order in which they are tried."""
        found: dict[str, list[Plugin]] = {}
        for plugin in find_plugins(self.entry_point_group) if self.entry_point_group else ():
            found.setdefault(plugin.name, []).append(plugin)
        return dict(sorted(found.items()))

    def _loaded(self) -> dict[str, T]:
        """The plug-ins that load, without those whose name is a built-in one."""
        built_in, loaded = self._built_in(), dict[str, T]()
        for name, plugins in self._plugins().items():
            outcome = None if name in built_in else self._outcome(self._chosen(plugins))
            if outcome is not None and not isinstance(outcome, PluginFailure):
                loaded[name] = outcome
        return loaded

    def _chosen(self, plugins: list[Plugin]) -> Plugin:
        if len(plugins) == 1 or plugins[0].built_in:
            return plugins[0]
        return next((one for one in plugins if not isinstance(self._outcome(one), PluginFailure)), plugins[0])

    def _outcome(self, plugin: Plugin) -> T | PluginFailure:
        """The plug-in's thing or why there is none, found out once."""
        if plugin not in self._outcomes:
            try:
                found = plugin.load()
                self._outcomes[plugin] = run_foreign(lambda: self._accept(plugin.name, found))
            except PluginFailure as failure:
                self._outcomes[plugin] = failure
        return self._outcomes[plugin]

    def _row(self, plugin: Plugin, plugins: list[Plugin]) -> Listed:
        state, reason = "installed", ""
        if plugin.name in self._built_in():
            state, reason = "hidden", "the built-in one of that name is used"
        elif isinstance(outcome := self._outcome(plugin), PluginFailure):
            state, reason = "broken", str(outcome)
        elif plugin is not (chosen := self._chosen(plugins)):
            state, reason = "hidden", f"that of {chosen.distribution} {chosen.version} is used"
        elif plugin.built_in:
            state = "built in"
        return Listed(
            plugin.group, plugin.name, plugin.distribution, plugin.version, plugin.target, cast(State, state), reason
        )

    def _broken(self, plugin: Plugin, reason: str) -> BrokenPlugin:
        return BrokenPlugin(
            f"the {self.kind} {plugin.name!r} of {plugin.distribution} {plugin.version} is broken: {reason}. Install "
            f"another version of {plugin.distribution}, or uninstall it; 'harness plugins' lists what is installed.",
            name=plugin.name,
            distribution=plugin.distribution,
            version=plugin.version,
            reason=reason,
        )


class Blamed:
    """What `Registry.blamed` gives. It is no generator: one that is thrown away in the middle of a Ctrl-C would take
    its own end for an error of the plug-in."""

    def __init__(self, registry: Registry[Any], name: str) -> None:
        self.registry, self.name = registry, name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        passing = HarnessError | OSError | MemoryError | KeyboardInterrupt | Stopped
        if error is None or isinstance(error, passing) or type(error).__name__ == "OutOfMemoryError":
            return
        if (broken := self.registry.failed(self.name, error)) is not None:
            raise broken from error


MOST_NAMES = 24
"""Names that a message lists; of more than these, the nearest."""


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The message for a name that is not known, with the nearest known one when there is one that is near.

    >>> unknown_name("colour", "gren", ["blue", "green"])
    "unknown colour 'gren'. Did you mean 'green'? Known: blue, green."
    """
    nearest = nearest_name(name, known)
    hint = f" Did you mean {nearest!r}?" if nearest else ""
    shown = ", ".join(known) or "none"
    if len(known) > MOST_NAMES:
        near = difflib.get_close_matches(name, known, n=MOST_NAMES // 2, cutoff=0.0)
        shown = f"{', '.join(near)} and {len(known) - len(near)} more"
    return f"unknown {kind} {name!r}.{hint} Known: {shown}."


def nearest_name(name: str, known: list[str]) -> str | None:
    """The known name that is nearest, when one is near: one of the same letters before all others."""
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.5)  # the nearest first
    swapped = [one for one in near if sorted(one) == sorted(name)]
    return next(iter([*swapped, *near]), None)
