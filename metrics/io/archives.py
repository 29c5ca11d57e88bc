"""Members of archives that others made: what counts as a file, so that a small archive cannot fill the disk."""

from __future__ import annotations

import tarfile

PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


def is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a tar's member is a file whose bytes are all in the archive.

    Links, devices and pipes are not; nor is a sparse file, in any of its four formats: some hundred bytes of it stand
    for as many gigabytes of zeros as its header likes.
    """
    return member.type in PLAIN and not member.issparse()
