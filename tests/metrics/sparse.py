"""Tar files with one sparse member, made by hand: `tarfile` reads them and does not write them."""

from __future__ import annotations

import io
import tarfile

FORMATS = ("old GNU", "pax 0.0", "pax 0.1", "pax 1.0")


def sparse_tar(name: str, size: int, kind: str) -> bytes:
    """An archive with a file of `size` bytes of which the archive holds one block at most."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        write_sparse(tar, name, size, kind)
    return out.getvalue()


def write_sparse(tar: tarfile.TarFile, name: str, size: int, kind: str) -> None:
    """Add such a member to an open archive."""
    member, data = tarfile.TarInfo(name), b""
    if kind == "old GNU":
        header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
        header[156:157] = tarfile.GNUTYPE_SPARSE
        header[386:410] = f"{size:012o}{0:012o}".encode() if size < 8**12 else _base256(size) + b"%012o" % 0
        header[483:495] = f"{size:012o}".encode() if size < 8**12 else _base256(size)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        assert tar.fileobj is not None
        tar.fileobj.write(bytes(header))
        tar.offset += len(header)
        return
    if kind == "pax 0.0":
        member.pax_headers = {
            "GNU.sparse.size": str(size), "GNU.sparse.numblocks": "1", "GNU.sparse.offset": str(size),
            "GNU.sparse.numbytes": "0",
        }  # fmt: skip
    elif kind == "pax 0.1":
        member.pax_headers = {"GNU.sparse.size": str(size), "GNU.sparse.map": f"{size},0"}
    else:
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
        data = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _base256(number: int) -> bytes:
    return b"\x80" + number.to_bytes(11, "big")
