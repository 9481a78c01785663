"""Files are written whole or not at all. They replace files only with `force`, and never a device, pipe or link."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import shutil
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import inr.core.files as files
from inr.core.errors import InrError, UnavailableError, UsageError
from inr.core.files import check_folder, check_writable, descriptor_of, whole_file, write_file

NEW = b"new" * 5000


@contextlib.contextmanager
def room_for(n_bytes: int) -> Iterator[None]:
    """No file can grow beyond this number of bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["unnamed", "named", "without hard links"], autouse=True)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a file system has: files without a name, hard links, or neither."""
    if request.param != "unnamed":
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY, raising=False)  # a folder cannot be opened for writing
    if request.param == "without hard links":

        def link(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        def link_or_taken(source: Path, place: Path, **options: object) -> None:
            if os.path.lexists(place):
                raise FileExistsError(17, "File exists")
            link()

        monkeypatch.setattr(os, "link", link_or_taken)
    return str(request.param)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_after(meanwhile: Callable[[], object], path: Path, data: bytes, *, force: bool) -> None:
    """Write a file, while something else happens at its place."""
    with whole_file(path, force=force) as file:
        meanwhile()
        file.write(data)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")

    def fail_half_way() -> None:
        with whole_file(path, force=True) as file:
            file.write(b"half")
            (tmp_path / "missing").read_bytes()

    with pytest.raises(FileNotFoundError):
        fail_half_way()
    assert names(tmp_path) == ["out.bin"]
    assert path.read_bytes() == b"old"
    with whole_file(path, force=True) as file:
        file.write(b"new.")
        file.seek(0)
        assert file.read(3) == b"new"
    assert names(tmp_path) == ["out.bin"]
    assert path.read_bytes() == b"new."


def test_outputs_are_checked_before_work(tmp_path: Path) -> None:
    existing = tmp_path / "a"
    existing.touch()
    check_writable(existing, force=True)
    check_writable(tmp_path / "b", force=False)
    with pytest.raises(UsageError, match="exists"):
        check_writable(existing, force=False)
    with pytest.raises(UsageError, match="is a directory"):
        check_writable(tmp_path, force=True)
    with pytest.raises(UsageError, match="does not exist") as missing:
        check_writable(tmp_path / "no" / "b", force=True)
    assert missing.value.hint == f"mkdir -p {tmp_path}/no"
    for write in (check_writable, lambda path, force: write_file(path, b"", force=force)):
        with pytest.raises(UsageError, match=r"'.*/a' is a file") as below:
            write(existing / "below" / "a-file", force=True)
        assert "mkdir" not in str(below.value.hint)
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["n" * 300, "d/" * 3000 + "f", "nul\0byte", "é" * 128])
def test_impossible_names_are_found_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        check_writable(tmp_path / name, force=False)


@pytest.mark.parametrize("length", [240, 243, 244, 250, 255])
@pytest.mark.parametrize("suffix", [".safetensors", ".png", "." + "s" * 150])
def test_every_name_that_the_system_takes_is_written(tmp_path: Path, length: int, suffix: str) -> None:
    path = tmp_path / ("x" * (length - len(suffix)) + suffix)
    check_writable(path, force=False)
    write_file(path, NEW, force=False)
    with pytest.raises(UsageError, match="appeared"):
        write_file(path, b"later", force=False)
    write_file(path, NEW + b"!", force=True)
    assert path.read_bytes() == NEW + b"!"
    kept = [other for other in tmp_path.iterdir() if other != path]
    assert [other.read_bytes() for other in kept] == [b"later"]


def test_a_file_created_during_the_work_stays_and_the_result_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    for n in (1, 2, 3):
        with pytest.raises(UsageError, match=r"out\.bin' appeared while") as taken:
            write_after(lambda: path.write_bytes(b"another's"), path, b"result %d" % n, force=False)
        assert str(tmp_path / f"out-{n}.bin") in str(taken.value.hint)
        assert (tmp_path / f"out-{n}.bin").read_bytes() == b"result %d" % n
        assert path.read_bytes() == b"another's"
    assert names(tmp_path) == ["out-1.bin", "out-2.bin", "out-3.bin", "out.bin"]


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_lost_when_several_processes_write_one_file(tmp_path: Path, force: bool) -> None:
    path, printed = tmp_path / "out.bin", []

    def write(n: int) -> None:
        try:
            write_file(path, b"%d" % n * 9000, force=force)
        except UsageError as error:
            printed.append(str(error.hint))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = {other.read_bytes() for other in tmp_path.iterdir()}
    whole = {b"%d" % n * 9000 for n in range(8)}
    assert results <= whole
    assert len(results) == len(names(tmp_path)) == (1 if force else 8)
    assert len(set(printed)) == (0 if force else 7)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_anything_created_during_the_work_stays(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "out.bin", tmp_path / "other"
    if kind == "link":
        other.write_bytes(b"another's")
    makers: dict[str, Callable[[], object]] = {
        "link": functools.partial(path.symlink_to, other),
        "dangling link": functools.partial(path.symlink_to, other),
        "pipe": functools.partial(os.mkfifo, path),
        "folder": path.mkdir,
    }
    with pytest.raises(UsageError, match="appeared"):
        write_after(makers[kind], path, NEW, force=False)
    assert (tmp_path / "out-1.bin").read_bytes() == NEW
    assert not path.is_file() or path.read_bytes() == b"another's"
    assert path.is_symlink() == ("link" in kind)


def test_with_force_a_pipe_or_folder_created_during_the_work_stays(tmp_path: Path) -> None:
    for make in (os.mkfifo, os.mkdir):
        path = tmp_path / f"{make.__name__}.bin"
        with pytest.raises(UsageError, match="appeared"):
            write_after(functools.partial(make, path), path, NEW, force=True)
        assert not path.is_file()
        assert (tmp_path / f"{make.__name__}-1.bin").read_bytes() == NEW


def test_the_mode_and_owner_of_what_is_replaced_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "private"
    for mode in (0o600, 0o640, 0o444, 0o755):
        path.write_bytes(b"old")
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, 1234, 4321)
        write_file(path, NEW, force=True)
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == mode
        assert os.geteuid() != 0 or (found.st_uid, found.st_gid) == (1234, 4321)
        path.chmod(0o600)
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_files_have_the_mode_that_the_user_set(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_file(tmp_path / "new", NEW, force=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask


def test_links_are_followed_when_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    real, link, second = tmp_path / "below" / "real", tmp_path / "link", tmp_path / "second"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to("below/real")
    second.symlink_to(link)
    with pytest.raises(UsageError, match="exists"):
        check_writable(second, force=False)
    write_file(second, NEW, force=True)
    assert link.is_symlink()
    assert second.is_symlink()
    assert real.read_bytes() == NEW
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert names(real.parent) == ["real"]


def test_broken_links_are_refused_without_force(tmp_path: Path) -> None:
    link, lost, loop = tmp_path / "link", tmp_path / "lost", tmp_path / "loop"
    link.symlink_to("there")
    lost.symlink_to("nowhere/there")
    loop.symlink_to(loop)
    for path in (link, lost):
        with pytest.raises(UsageError, match="exists, as a link"):
            check_writable(path, force=False)
    for force in (False, True):
        with pytest.raises(UsageError):
            check_writable(loop, force=force)
    with pytest.raises(UsageError, match="does not exist"):
        check_writable(lost, force=True)
    check_writable(link, force=True)
    write_file(link, NEW, force=True)
    assert link.is_symlink()
    assert (tmp_path / "there").read_bytes() == NEW


def test_pipes_are_written_to(tmp_path: Path) -> None:
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    for force in (False, True):
        check_writable(path, force=force)
        reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
        reader.start()
        with whole_file(path, force=force) as file:
            file.write(NEW)
            file.seek(0)
            file.write(b"N")
        reader.join(10)
    assert got == [b"N" + NEW[1:]] * 2
    assert path.is_fifo()


def test_devices_are_written_to(tmp_path: Path) -> None:
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.open("wb").close()
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    for force in (False, True):
        check_writable(path, force=force)
        write_file(path, NEW, force=force)
        assert path.is_char_device()


def test_devices_that_hold_something_need_force(tmp_path: Path) -> None:
    """Memory, flash, tapes and disks need `force`; /dev/null and terminals do not."""
    made: list[Path] = []
    try:
        for sort, number in ((stat.S_IFCHR, os.makedev(90, 0)), (stat.S_IFCHR, os.makedev(9, 0)), (stat.S_IFBLK, 0)):
            made.append(tmp_path / f"device-{len(made)}")
            os.mknod(made[-1], 0o666 | sort, number)
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    for path in made:
        with pytest.raises(UsageError, match="exists"):
            check_writable(path, force=False)
        check_writable(path, force=True)
    check_writable(Path("/dev/null"), force=False)
    ends = os.openpty()
    check_writable(Path(os.ttyname(ends[1])), force=False)
    for end in ends:
        os.close(end)


def test_a_full_device_is_one_clear_error() -> None:
    check_writable(Path("/dev/full"), force=False)
    with pytest.raises(UnavailableError, match="cannot write '/dev/full': no space left on device"):
        write_file(Path("/dev/full"), NEW, force=True)
    assert Path("/dev/full").is_char_device()


def test_sockets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket")
        with pytest.raises(UsageError, match="is a socket"):
            check_writable(Path("socket"), force=True)


def test_open_files_are_written_at_their_position(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as log:
        log.write(b"before ")
        log.flush()
        place = Path(f"/dev/fd/{log.fileno()}")
        assert descriptor_of(place) == log.fileno()
        check_writable(place, force=False)
        write_file(place, NEW, force=True)
    assert path.read_bytes() == b"before " + NEW
    assert [descriptor_of(Path(f"/dev/std{name}")) for name in ("in", "out", "err")] == [0, 1, 2]
    assert descriptor_of(Path("/dev/null")) is None
    with pytest.raises(UsageError, match="is not an open file"):
        check_writable(Path("/dev/fd/9999"), force=True)
    with path.open("rb") as read_only, pytest.raises(UsageError, match="cannot be written to"):
        check_writable(Path(f"/dev/fd/{read_only.fileno()}"), force=True)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("n_bytes", [0, 1, 4095, 4096, 8192, len(NEW) - 1])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path, n_bytes: int, force: bool) -> None:
    path = tmp_path / "out.bin"
    if force:
        path.write_bytes(b"old")
    with room_for(n_bytes), pytest.raises(UnavailableError, match=r"cannot write '.*out\.bin': file too large"):
        write_file(path, NEW, force=force)
    assert names(tmp_path) == (["out.bin"] if force else [])
    assert not force or path.read_bytes() == b"old"
    with room_for(len(NEW)):
        write_file(path, NEW, force=force)
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("step", ["fsync", "replace", "link", "open", "chmod"])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("force", [False, True])
def test_a_disk_that_fails_at_any_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, at: int, force: bool
) -> None:
    """The n-th call of the system fails, for every n."""
    path, calls, own = tmp_path / "out.bin", [0], getattr(os, step)
    if force:
        path.write_bytes(b"old")
    check_writable(path, force=force)

    def failing(*given: object, **options: object) -> object:
        calls[0] += 1
        if calls[0] > at:
            raise OSError(28, "No space left on device")
        return own(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(files, "check_writable", lambda *_, **__: None)
        patch.setattr(os, step, failing)
        expected: bytes | None = NEW
        try:
            write_file(path, NEW, force=force)
        except UnavailableError as error:
            assert "no space left on device" in error.message  # noqa: PT017
            expected = b"old" if force else None
    assert names(tmp_path) == ([] if expected is None else ["out.bin"])
    assert expected is None or path.read_bytes() == expected


def test_an_expensive_result_is_kept_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spare, path = tmp_path / "spare", tmp_path / "out folder" / "out.bin"
    spare.mkdir()
    path.parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))

    def full(*_: object, **__: object) -> Iterator[None]:
        raise UnavailableError("cannot write 'out.bin': no space left on device", "make room")

    monkeypatch.setattr(files, "whole_file", full)
    with pytest.raises(UnavailableError, match="no space left") as cheap:
        write_file(path, NEW, force=False)
    assert (names(spare), cheap.value.hint) == ([], "make room")
    with pytest.raises(UnavailableError, match="no space left") as kept:
        write_file(path, NEW, force=False, keep=True)
    [copy] = spare.rglob("out.bin")
    assert copy.read_bytes() == NEW
    assert str(kept.value.hint).endswith(f"mv {copy} '{path}'")
    with room_for(100), pytest.raises(UnavailableError, match="no space left") as lost:
        write_file(path, NEW, force=False, keep=True)
    assert lost.value.hint == "make room"
    assert len(names(spare)) == 1


def test_an_expensive_result_is_kept_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of temporary files may be on the disk that is full: then here, then at home."""
    temporary, here, home = (tmp_path / name for name in ("temporary", "here", "home"))
    for folder in (temporary, here, home):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    own = Path.write_bytes
    for full in ([], [temporary], [temporary, here], [temporary, here, home]):

        def write(path: Path, data: bytes, full: list[Path] = full) -> int:
            if path.resolve().parent.parent in full:
                own(path, data[:10])
                raise OSError(28, "No space left on device")
            return own(path, data)

        monkeypatch.setattr(Path, "write_bytes", write)
        kept = files.save_elsewhere("out.bin", NEW)
        places = [folder for folder in (temporary, here, home) if folder not in full]
        assert (kept is None) == (not places)
        assert kept is None or (kept.resolve().parent.parent, kept.read_bytes()) == (places[0], NEW)
        left = [path for folder in (temporary, here, home) for path in folder.iterdir()]
        assert len(left) == (kept is not None)
        for path in left:
            shutil.rmtree(path)


def test_an_expensive_result_is_kept_although_its_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InrError, match="does not exist"):
        write_file(tmp_path / "gone" / "out.bin", NEW, force=False, keep=True)
    assert [path.read_bytes() for path in tmp_path.rglob("out.bin")] == [NEW]


def test_folders_that_take_no_files_are_refused(tmp_path: Path) -> None:
    check_folder(tmp_path)
    with pytest.raises(UsageError, match=r"checkpoint folder '.*none' does not exist"):
        check_folder(tmp_path / "none", "checkpoint folder")
    with pytest.raises(UsageError, match="is not writable"):
        check_folder(Path("/proc/self"))
