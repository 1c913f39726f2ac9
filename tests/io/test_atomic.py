import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.atomic import atomic_write

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


def write(path, data=b"new"):
    with atomic_write(path) as file:
        file.write(data)


def entries(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "kept.bin"
    path.write_bytes(b"old")
    return path


def test_a_file_is_written_whole_and_nothing_else_stays(tmp_path):
    write(tmp_path / "new.bin", b"x" * 100_000)
    assert (tmp_path / "new.bin").read_bytes() == b"x" * 100_000
    assert entries(tmp_path) == ["new.bin"]


def test_a_file_is_replaced(old):
    write(old)
    assert old.read_bytes() == b"new"
    assert entries(old.parent) == ["kept.bin"]


def test_missing_folders_are_made(tmp_path):
    write(tmp_path / "a" / "b" / "new.bin")
    assert (tmp_path / "a" / "b" / "new.bin").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["plain.bin", "ä ß 日本.bin", "n" * 250 + ".bin"])
def test_any_name_that_the_disk_takes_is_written(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(path)
    assert entries(tmp_path) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, ZeroDivisionError])
def test_a_failing_block_leaves_the_old_file_and_its_own_error(old, error):
    def fail_half_way():
        with atomic_write(old) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail_half_way()
    assert old.read_bytes() == b"old"
    assert entries(old.parent) == ["kept.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.ENOSPC, "No space left on device"), (errno.EIO, "Input/output error")],
)
def test_a_full_or_failing_disk_leaves_the_old_file(
    old, monkeypatch, call, code, reason
):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(
        *{"fsync": (os, "fsync"), "replace": (Path, "replace")}[call], fail
    )
    with pytest.raises(StorageError, match=f"{reason}. Nothing was changed"):
        write(old)
    assert old.read_bytes() == b"old"
    assert entries(old.parent) == ["kept.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_writing_leaves_the_old_file(old, monkeypatch):
    import tempfile

    create = tempfile.NamedTemporaryFile

    def on_a_full_disk(*args, **kwargs):
        file = create(*args, **kwargs)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, file.fileno())
        os.close(full)
        return file

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", on_a_full_disk)
    with pytest.raises(StorageError, match="has space left"):
        write(old, b"x" * 1_000_000)
    assert old.read_bytes() == b"old"
    assert entries(old.parent) == ["kept.bin"]


def test_a_path_under_a_file_is_refused(old):
    with pytest.raises(StorageError, match="could not be written"):
        write(old / "below.bin")
    assert old.read_bytes() == b"old"


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(StorageError, match="could not be written"):
        write(tmp_path / "folder")
    assert entries(tmp_path) == ["folder"]
    assert entries(tmp_path / "folder") == ["inner"]


@posix
@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_forbidden_folder_is_refused(tmp_path):
    folder = tmp_path / "forbidden"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            write(folder / "new.bin")
    finally:
        folder.chmod(0o700)


@posix
def test_a_folder_where_nothing_can_be_made_is_refused(monkeypatch, tmp_path):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    with pytest.raises(StorageError, match=r"Permission denied.*writable"):
        write(tmp_path / "new.bin")


def test_a_disk_that_knows_no_permissions_is_written(old, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "chmod", refuse)
    write(old)
    assert old.read_bytes() == b"new"
    assert entries(old.parent) == ["kept.bin"]


@posix
def test_a_new_file_has_the_permissions_that_the_user_gives_new_files(tmp_path):
    plain, careful = tmp_path / "plain.bin", tmp_path / "careful.bin"
    plain.touch()
    write(careful)
    assert stat.S_IMODE(careful.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
