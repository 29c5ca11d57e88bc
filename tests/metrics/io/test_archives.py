"""Sparse members in every format that tar has, and all else that is no plain file."""

from __future__ import annotations

import io
import tarfile

import pytest

from metrics.io.archives import is_plain
from tests.metrics.sparse import FORMATS, sparse_tar

SIZE = 1 << 40  # bytes: none of them is ever written


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sparse_file_is_not_plain(kind):
    archive = sparse_tar("clip.flac", SIZE, kind)
    assert len(archive) <= 10240
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        [member] = tar
        assert (member.name, member.size) == ("clip.flac", SIZE)
        assert not is_plain(member)


@pytest.mark.parametrize("kind", "0123456")
def test_only_files_are_plain(kind):
    member = tarfile.TarInfo("name")
    member.type = kind.encode()
    assert is_plain(member) == (kind == "0")
