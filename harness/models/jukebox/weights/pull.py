"""Bring a released model to the user's cache: fetched, compared with its checksum, converted, the download removed.

The files come from where they were published, from a mirror, or from a folder (a mounted disk, the cache of the
original code). The lists of artists and genres belong to the original repository and come from the user's copy of it.
An interrupted pull resumes where it stopped; a second pull at the same time ends at once with an error.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ModelError
from harness.core.progress import Progress, Quiet
from harness.models.files import Pulled, PullOptions
from harness.models.jukebox.conditioning.labels import read_ids
from harness.models.jukebox.weights.checkpoint import ModelFolder
from harness.models.jukebox.weights.convert import ExpectedCheckpoint, PickleRefused, convert
from harness.models.jukebox.weights.download import NotServed, discard, download
from harness.models.jukebox.weights.inventory import pullable
from harness.models.jukebox.weights.pins import Pin, Pins
from metrics.io.files import write_bytes
from metrics.io.web import without_user_info

PUBLISHED = "https://openaipublic.azureedge.net/jukebox/models"
REPOSITORY = "https://github.com/openai/jukebox"
IDS_IN_REPOSITORY = "jukebox/data/ids"

MARGIN = 100_000_000  # bytes left free on the disk


@dataclass(frozen=True)
class ReleaseSource:
    """Where to pull from. `source` is the address or the folder below which the files lie as they were published
    (5b/vqvae.pth.tar, …); `ids` a folder with the lists of artists and genres, or a copy of the original repository."""

    source: str = PUBLISHED
    ids: Path | None = None
    trust_pickle: bool = False

    @property
    def shown(self) -> str:
        """The source without a user and a password."""
        return self.source if self.folder else without_user_info(self.source)

    @property
    def folder(self) -> Path | None:
        """The source where it is a folder."""
        return None if self.source.startswith(("http://", "https://")) else Path(self.source).expanduser()


def pull_released(name: str, options: PullOptions, progress: Progress) -> Pulled:
    """Bring what is missing of the released model `name`.

    Raises:
        UsageError: a model that is not pulled.
        ModelError: as `pull` does.
    """
    chosen = ReleaseSource(options.source or PUBLISHED, options.ids, options.trust_pickle)
    return pull(pullable(name), chosen, progress)


def pull(folder: ModelFolder, options: ReleaseSource | None = None, progress: Progress | None = None) -> Pulled:
    """Bring what is missing of a model; does nothing when nothing is missing.

    Raises `ModelError` for a file that is not available, damaged, of another shape or not the one that was pinned, for
    missing label lists and for a disk that is too small. Whatever is complete by then stays.
    """
    from filelock import FileLock, Timeout

    options, progress = options or ReleaseSource(), progress or Quiet()
    if options.folder is not None and not options.folder.is_dir():
        raise ModelError(f"{options.source} is neither a folder nor an address that begins with http:// or https://.")
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.path / ".lock", timeout=0):
            return _pull(folder, options, progress)
    except Timeout as error:
        raise ModelError(f"another pull into {folder.path} is running. Wait for it, or stop it.") from error


def _pull(folder: ModelFolder, options: ReleaseSource, progress: Progress) -> Pulled:
    for left_by_a_kill in folder.path.rglob(".*.part"):
        left_by_a_kill.unlink()
    done = Pulled()
    missing = []
    for module in folder.modules:
        if is_here(folder, module):
            done.kept.append(folder.file(module))
        else:
            missing.append(module)
    _check_space(folder, missing, options)
    for id_list in folder.id_lists:
        if (folder.path / id_list).is_file():
            done.kept.append(id_list)
        else:
            _pull_id_list(folder, id_list, options, progress)
            done.fetched.append(id_list)
    for module in missing:
        _pull_module(folder, module, options, progress)
        done.fetched.append(folder.file(module))
    return done


def is_here(folder: ModelFolder, module: str) -> bool:
    """Whether the weights of a module exist and fit its shapes."""
    try:
        folder.check(module)
    except ModelError:
        return False
    return True


def _check_space(folder: ModelFolder, missing: list[str], options: ReleaseSource) -> None:
    """The converted weights stay, and the largest checkpoint lies beside them until it is converted."""
    manifests = [folder.manifest(module) for module in missing]
    need = sum(manifest.unique_bytes for manifest in manifests)
    if options.folder is None:
        largest = max((manifest.bytes for manifest in manifests), default=0)
        arrived = sum(path.stat().st_size for path in _downloads(folder).rglob("*") if path.is_file())
        need += max(0, largest - arrived)
    free = shutil.disk_usage(folder.path).free
    if missing and need + MARGIN > free:
        raise ModelError(
            f"{folder.name} needs {need / 1e9:.1f} GB in {folder.path}, and {free / 1e9:.1f} GB are free. Free some "
            "space there, or set HARNESS_CACHE to a folder on a larger disk."
        )


def _pull_module(folder: ModelFolder, module: str, options: ReleaseSource, progress: Progress) -> None:
    file, pins = folder.file(module), Pins(folder.path)
    name = f"{file}.pth.tar"
    manifest = folder.manifest(module)

    def check_size(size: int) -> None:
        pinned = pins.get(name)
        if pinned is not None and pinned.bytes != size:
            raise ModelError(
                f"{options.shown} has {name} with {size:,} bytes: the one fetched before had {pinned.bytes:,}. "
                "Nothing was fetched. Use the source of the first one with --from; or, if you trust this one, delete "
                f"the entry {name!r} from {pins.path} and pull again."
            )
        if size < manifest.unique_bytes:
            raise ModelError(
                f"{options.shown} has {name} with {size:,} bytes: the weights alone have {manifest.unique_bytes:,}. "
                "It is cut short or another file. Use another source with --from."
            )

    brought = _obtain(folder, name, options, check_size, progress)
    try:
        found = Pin.of(brought)
        pins.check(name, found, str(brought))
        with progress.stage(f"{name} to safetensors (MB)", round(manifest.unique_bytes / 1e6)) as stage:
            weights = convert(
                brought,
                folder.weights(module),
                ExpectedCheckpoint(file, manifest, folder.hps(module)),
                options.trust_pickle,
                stage,
            )
        pins.add({name: found, f"{file}.safetensors": weights})
    except PickleRefused:
        raise  # the download stays: the user may decide to trust it
    except ModelError:
        if options.folder is None:
            discard(brought)
        raise
    if options.folder is None:
        discard(brought)


def _obtain(
    folder: ModelFolder, name: str, options: ReleaseSource, check_size: Callable[[int], None], progress: Progress
) -> Path:
    """The published file `name`: in the source folder, or downloaded."""
    if options.folder is not None:
        path = options.folder / name
        if not path.is_file():
            names = ", ".join(f"{folder.file(module)}.pth.tar" for module in folder.modules)
            raise ModelError(f"{path} is missing: {names} were expected below the folder given with --from.")
        check_size(path.stat().st_size)
        return path
    try:
        return download(f"{options.source.rstrip('/')}/{name}", _downloads(folder) / name, check_size, progress)
    except NotServed as error:
        gone = " It is where the files were published, and may be gone for good." if options.source == PUBLISHED else ""
        raise ModelError(
            f"{error}{gone} Name a mirror, or a folder that holds {name} (the original code stores its files in "
            f"~/.cache/jukebox/models): harness models pull {folder.name} --from URL or DIR."
        ) from error


def _pull_id_list(folder: ModelFolder, id_list: str, options: ReleaseSource, progress: Progress) -> None:
    """Copy a list of artists or genres, once it is seen to fit the model."""
    name = Path(id_list).name
    brought = _find_id_list(folder, name, options, progress)
    try:
        highest, rows = max(read_ids(brought).values(), default=-1), folder.rows(id_list)
        if not 0 < highest < rows:
            raise ModelError(
                f"{brought} has ids up to {highest:,}: {folder.name} has room for {rows:,} there. It is not the {name} "
                "of the original repository."
            )
        pins, found = Pins(folder.path), Pin.of(brought)
        pins.check(id_list, found, str(brought))
        write_bytes(folder.path / id_list, brought.read_bytes())
        pins.add({id_list: found})
    finally:
        if _downloads(folder) in brought.parents:
            discard(brought)


def _find_id_list(folder: ModelFolder, name: str, options: ReleaseSource, progress: Progress) -> Path:
    for root in filter(None, (options.ids, options.folder)):
        for place in (".", "ids", IDS_IN_REPOSITORY):
            if (root / place / name).is_file():
                return root / place / name
    if options.ids is None and options.folder is None and options.source != PUBLISHED:
        try:
            url = f"{options.source.rstrip('/')}/ids/{name}"
            return download(url, _downloads(folder) / "ids" / name, lambda size: None, progress)
        except NotServed:
            pass
    looked = options.ids or options.shown
    raise ModelError(
        f"the label list {name} is not in {looked}. It says which artist or genre has which number, and belongs to the "
        f"original repository, in {IDS_IN_REPOSITORY}/: git clone {REPOSITORY}, then harness models pull {folder.name} "
        "--ids jukebox, with whatever --from you gave."
    )


def _downloads(folder: ModelFolder) -> Path:
    return folder.path / "downloads"
