"""The walls: what the child may not do, what it may not use up, and that its end is never the worker's."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from PIL import Image

from galleries.decode import developer as developer_module
from galleries.decode.developer import MAX_FILES_PER_CHILD, MIB, Developer, RoomLimits
from galleries.decode.floors import check_decoders
from galleries.errors import DamagedPhoto, DecoderDied, DecoderOverran
from tests import pictures

PHOTO = pictures.jpeg()
ROOT = Path(developer_module.__file__).parents[2]

# Runs in a process with the child's own walls, in place of the child's own work: argv is a port, and a file to write.
PROBE = f"""
import sys; sys.path.append({str(ROOT)!r})
import json, os, socket, threading
from galleries.decode import landlock, room, seccomp, walls

def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return "refused" if isinstance(error, PermissionError) else "failed"
    return "done"

standing = dict(network=walls.leave_the_network())
connect = outcome(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close())
walls.bound_the_process()
standing |= dict(files=landlock.read_only_beneath(room._readable_roots()), calls=seccomp.forbid_calls())
print(json.dumps(dict(
    standing=standing,
    connect=connect,
    socket=outcome(lambda: socket.socket().close()),
    read=outcome(lambda: open({str(ROOT / "pyproject.toml")!r}).close()),
    passwd=outcome(lambda: open("/etc/passwd").close()),
    write=outcome(lambda: open(sys.argv[2], "w").close()),
    list=outcome(lambda: os.listdir("/")),
    parent_environment=outcome(lambda: open(f"/proc/{{os.getppid()}}/environ").close()),
    parent_memory=outcome(lambda: open(f"/proc/{{os.getppid()}}/mem").close()),
    parent_files=outcome(lambda: os.listdir(f"/proc/{{os.getppid()}}/fd")),
    fork=outcome(lambda: os.fork() or os._exit(0)),
    run=outcome(lambda: os.execv("/bin/true", ["true"])) if standing["calls"] else "done",
    kill=outcome(lambda: os.kill(os.getppid(), 0)),
    thread=outcome(lambda: threading.Thread(target=int).start()),
    library=outcome(lambda: open(json.__file__).close()),
)))
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """What a process inside the walls can still do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = [str(server.getsockname()[1]), str(tmp_path_factory.mktemp("probe") / "written")]
        ran = subprocess.run(
            [sys.executable, "-I", "-B", "-c", PROBE, *arguments],
            capture_output=True,
            env={},
            cwd="/",
            check=True,
        )
    return json.loads(ran.stdout)


@pytest.fixture
def room():
    with Developer() as one:
        yield one


def develop(developer, photo=PHOTO, media_type="image/jpeg"):
    return developer.develop(io.BytesIO(photo), media_type=media_type)


def child_of(developer) -> psutil.Process:
    develop(developer)
    return psutil.Process(developer.pid)


def refused_where(wall_stands: bool) -> str:
    """Where a platform has no such wall the room says so, and the attempt succeeds: what is said is what is."""
    return "refused" if wall_stands else "done"


def test_a_wall_that_this_kernel_offers_is_built(probed):
    offered = {"calls": "seccomp" if Path("/proc/sys/kernel/seccomp/actions_avail").exists() else ""}
    security_modules = Path("/sys/kernel/security/lsm")
    if security_modules.exists():
        offered["files"] = "landlock" if "landlock" in security_modules.read_text() else ""

    assert [wall for wall, module in offered.items() if module and not probed["standing"][wall]] == []


def test_inside_the_walls_there_is_no_network(probed):
    assert probed["connect"] == ("failed" if probed["standing"]["network"] else "done")
    assert probed["socket"] == refused_where(probed["standing"]["calls"])


def test_inside_the_walls_no_file_but_the_interpreters_own_can_be_opened(probed):
    attempts = ("read", "passwd", "write", "list")

    assert [probed[attempt] for attempt in attempts] == [refused_where(probed["standing"]["files"])] * 4
    assert probed["library"] == "done"


def test_inside_the_walls_the_worker_is_out_of_sight(probed):
    attempts = ("parent_environment", "parent_memory", "parent_files")

    assert [probed[attempt] for attempt in attempts] == [refused_where(probed["standing"]["files"])] * 3


def test_inside_the_walls_no_program_or_process_is_started_and_none_is_signalled(probed):
    attempts = ("fork", "run", "kill")

    assert [probed[attempt] for attempt in attempts] == [refused_where(probed["standing"]["calls"])] * 3
    assert probed["thread"] == "done"


def test_the_child_stands_behind_every_wall_that_the_probe_found(room, probed):
    child = child_of(room)

    status = Path(f"/proc/{child.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert ("Seccomp:\t2" in status) == probed["standing"]["calls"]
    assert room.walls == probed["standing"]


def test_the_child_is_told_nothing_of_its_worker(monkeypatch, room):
    monkeypatch.setenv("SECRET_KEY", "told-to-nobody")
    monkeypatch.setenv("DATABASE_URL", "postgres://told-to-nobody")

    child = child_of(room)

    if os.geteuid() == 0:
        told = Path(f"/proc/{child.pid}/environ").read_bytes()
        assert b"told-to-nobody" not in told
        assert {line.split(b"=")[0].decode() for line in told.split(b"\0") if line} == set(
            developer_module._ENVIRONMENT
        )
    else:
        with pytest.raises(PermissionError):  # it is not dumpable: not even its own account may look
            Path(f"/proc/{child.pid}/environ").read_bytes()


def test_the_child_holds_no_file_of_its_worker(room, tmp_path):
    path = tmp_path / "secret"
    path.write_text("x")
    descriptor = os.open(path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        child = child_of(room)
        held = {str(each.readlink()) for each in Path(f"/proc/{child.pid}/fd").iterdir()}
    finally:
        os.close(descriptor)

    assert str(path) not in held
    assert len(held) <= 6


def test_the_original_reaches_the_child_read_only(tmp_path, room):
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)

    with (
        path.open("r+b") as file,
        developer_module._read_only(file) as descriptor,
        pytest.raises(OSError, match="Bad file"),
    ):
        os.write(descriptor, b"x")


def test_the_decoders_are_new_enough_and_the_untrusted_ones_are_blocked():
    assert check_decoders() == []


def test_too_much_memory_is_a_coded_end_and_the_next_photo_is_fine():
    """16 bits, interlaced: it has to be held whole."""
    large = pictures.interlaced_png(6000, 5000)
    with Developer(RoomLimits(address_space_bytes=300 * MIB)) as room:
        with pytest.raises(DecoderOverran) as refusal:
            develop(room, large, "image/png")

        assert refusal.value.details == {"resource": "memory"}
        assert not refusal.value.retryable
        assert develop(room).width == 240


def test_a_raw_beyond_its_memory_is_a_coded_end():
    with Developer(RoomLimits(wide_address_space_bytes=250 * MIB)) as room, pytest.raises(DecoderOverran):
        develop(room, pictures.dng(6000, 5000), "image/x-adobe-dng")


def test_too_much_time_of_the_processor_is_a_coded_end():
    busy = """
import sys; sys.path.append(sys.argv[1])
import galleries.decode.develop as d
def spin(*_):
    while True:
        pass
d.develop = spin
"""
    with replaced_boot(busy), Developer(RoomLimits(cpu_s=0, wall_s=60)) as room:
        with pytest.raises(DecoderOverran) as refusal:
            develop(room)

        assert refusal.value.details == {"resource": "cpu"}


def test_too_long_a_wait_is_a_coded_end_and_leaves_no_child():
    asleep = """
import sys; sys.path.append(sys.argv[1])
import galleries.decode.develop as d, threading
d.develop = lambda *_: threading.Event().wait()
"""
    with replaced_boot(asleep), Developer(RoomLimits(wall_s=0.5)) as room:
        with pytest.raises(DecoderOverran) as refusal:
            develop(room)

        assert refusal.value.details == {"resource": "wall"}
        assert room.pid is None


CRASH = """
import sys; sys.path.append(sys.argv[1])
import galleries.decode.develop as d, ctypes
well, count = d.develop, [0]
def develop(*given):
    count[0] += 1
    return well(*given) if count[0] < {from_the_nth} else ctypes.string_at(0)
d.develop = develop
"""


def test_a_photo_that_crashes_every_decoder_is_damaged_and_not_tried_again():
    with replaced_boot(CRASH.format(from_the_nth=1)), Developer() as room:
        with pytest.raises(DamagedPhoto) as refusal:
            develop(room)

        assert refusal.value.details == {"reason": "decoder"}
        assert room.pid is None


def test_a_crash_is_no_fault_of_a_photo_that_a_fresh_child_can_show():
    """What came before it may have harmed the child."""
    with replaced_boot(CRASH.format(from_the_nth=2)), Developer() as room:
        first = child_of(room)

        assert develop(room).width == 240
        assert room.pid != first.pid


class replaced_boot:  # noqa: N801 - reads as a sentence
    """The child begins with other words, as if it had been taken over."""

    def __init__(self, words: str) -> None:
        self.patch = pytest.MonkeyPatch()
        self.words = words + developer_module._BOOT

    def __enter__(self):
        self.patch.setattr(developer_module, "_BOOT", self.words)

    def __exit__(self, *_):
        self.patch.undo()


LIES = {
    "no length": b"\x00",
    "a frame without end": b"\xff\xff\xff\xff",
    "no JSON": b"\x00\x00\x00\x03abc",
    "no object": b"\x00\x00\x00\x02[]",
    "an empty object": b"\x00\x00\x00\x02{}",
    "an unknown code": b'\x00\x00\x00\x43{"refused":{"code":"you_are_hacked","reason":"","width":0,"height":0}}'[
        :71
    ],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_child_that_was_taken_over_is_believed_nothing(lie):
    lying = (
        "import sys; sys.path.append(sys.argv[1])\nimport galleries.decode.room as r\n"
        f"def lie(worker):\n  if r._receive(worker): worker.sendall({lie!r})\n  return False\nr._serve = lie\n"
    )
    with (
        replaced_boot(lying),
        Developer(RoomLimits(wall_s=5)) as room,
        pytest.raises((DamagedPhoto, DecoderDied)),
    ):
        develop(room)


def test_a_child_killed_in_the_middle_is_a_passing_fault_and_the_next_photo_is_fine(room):
    large = pictures.jpeg(pictures.noise(5000, 4000))
    child = child_of(room)
    killer = threading.Thread(target=kill_once_busy, args=(child,))
    killer.start()

    with pytest.raises(DecoderDied) as fault:
        develop(room, large)

    killer.join()
    assert fault.value.retryable
    assert fault.value.details == {"ended_by": "SIGKILL"}
    assert develop(room, large).width == 5000


def kill_once_busy(child: psutil.Process) -> None:
    before = child.cpu_times().user
    while child.cpu_times().user < before + 0.05:
        pass
    child.kill()


def test_a_child_that_died_while_idle_is_replaced_unnoticed(room):
    child = child_of(room)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert develop(room).width == 240
    assert room.pid != child.pid


def test_a_refused_file_ends_its_child(room):
    child = child_of(room)

    with pytest.raises(DamagedPhoto):
        develop(room, b"no photo")

    assert not psutil.pid_exists(child.pid)
    assert develop(room).width == 240


def test_a_child_is_warm_for_fifty_photos_and_no_more(room):
    pids = set()
    for _ in range(MAX_FILES_PER_CHILD):
        develop(room)
        pids.add(room.pid)
    assert room.pid is None
    assert len(pids - {None}) == 1

    develop(room)

    assert room.pid not in pids


def test_closing_ends_the_child_and_may_be_done_twice():
    room = Developer()
    child = child_of(room)

    room.close()
    room.close()

    assert not psutil.pid_exists(child.pid)


def test_a_worker_that_is_killed_takes_its_child_along():
    code = (
        f"import sys, io; sys.path.append({str(ROOT)!r})\n"
        "from galleries.decode.developer import Developer\n"
        f"room = Developer(); room.develop(io.BytesIO({PHOTO!r}), media_type='image/jpeg')\n"
        "print(room.pid, flush=True); sys.stdin.read()"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child = psutil.Process(int(worker.stdout.readline()))

    worker.send_signal(signal.SIGKILL)
    worker.communicate()

    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_child_outlives_the_thread_that_was_first_to_need_it(room):
    first = threading.Thread(target=develop, args=(room,))
    first.start()
    first.join()
    child = psutil.Process(room.pid)

    develop(room)

    assert room.pid == child.pid


# Newer Pythons warn of a fork beside threads; that is what is tried here.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_gets_a_child_of_its_own_and_leaves_the_other_alone(room):
    child = child_of(room)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        develop(room)
        theirs.sendall(str(room.pid).encode())
        room.close()
        os._exit(0)
    os.waitpid(pid, 0)
    other = int(ours.recv(20))
    ours.close()
    theirs.close()

    assert other != child.pid
    assert develop(room).width == 240
    assert room.pid == child.pid


def test_two_rooms_stand_side_by_side():
    with Developer() as one, Developer() as other:
        assert child_of(one).pid != child_of(other).pid


def test_a_gigapixel_of_nothing_costs_no_more_than_a_photo(room):
    child = child_of(room)
    before = child.memory_info().rss

    with pytest.raises(Exception, match="too_many_pixels"):
        develop(room, pictures.png_that_claims(29_000, 29_000), "image/png")

    develop(room)
    assert psutil.Process(room.pid).memory_info().rss < before + 100 * MIB


def test_the_largest_photo_is_developed_within_its_limits(room):
    """110 megapixels, progressive: the decoder holds all of them."""
    photo = pictures.jpeg(Image.new("RGB", (13_750, 8_000), pictures.GREEN), progressive=True, quality=30)

    assert develop(room, photo).width == 13_750


def test_an_interpreter_that_cannot_be_started_is_a_passing_fault(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with Developer() as room, pytest.raises(DecoderDied) as fault:
        develop(room)

    assert fault.value.details == {"ended_by": "start"}
    assert room.pid is None


def test_a_child_that_fails_to_start_is_a_passing_fault():
    with replaced_boot("raise SystemExit('no decoders here')\n"), Developer() as room:
        with pytest.raises(DecoderDied) as fault:
            develop(room)

        assert fault.value.details == {"ended_by": "start"}
