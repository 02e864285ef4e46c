"""Studies on the workers of an executor or a Dask cluster: real processes, each with a cache of its own."""

import gc
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dask
import loky
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from distributed import Client

import fast_command
from dropstudy.core import hardware
from dropstudy.data import parcel
from dropstudy.data.arrays import map_arrays, store_arrays
from dropstudy.data.load import load_dataset
from dropstudy.engine.native.build import FOLDER as KERNELS
from dropstudy.errors import DataError, InvalidArgument
from dropstudy.runtime import remote
from dropstudy.runtime.cluster import connect, pool_of
from dropstudy.runtime.events import Callback
from dropstudy.runtime.executor import RemotePool
from dropstudy.runtime.local import train_group, worker_info
from dropstudy.runtime.run import device_here
from dropstudy.runtime.watchdog import Timeouts
from dropstudy.store.diff import compare
from dropstudy.store.directory import LEFT_OUT
from dropstudy.store.store import Store
from dropstudy.study.study import Study
from fake_training import InlineExecutor, make_run, segment_of

QUICK = {"data": "digits", "rates": [0, 0.5], "epochs": 6, "hidden": [[64]], "seeds": 6}


@contextmanager
def scheduler(folder, host="tcp://127.0.0.1", flags=()):
    """A Dask scheduler on this machine; yields its address and process."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        host,
        "--port",
        "0",
        "--dashboard-address",
        "127.0.0.1:0",
        "--scheduler-file",
        str(file),
    ]
    with started([*command, *flags]) as process:
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        yield json.loads(file.read_text())["address"], process


@contextmanager
def worker(address, folder, flags=(), **environment):
    """A worker of that scheduler, with a home and a cache of its own, and no data."""
    # To compile takes 10 s.
    shutil.copytree(Path(os.environ["DROPSTUDY_CACHE"]) / KERNELS, folder / "cache" / KERNELS)
    (folder / "cache").chmod(0o700)
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--no-dashboard",
    ]
    own = {"DROPSTUDY_CACHE": str(folder / "cache"), "HOME": str(folder)}
    with started([*command, "--local-directory", str(folder), *flags], **(own | environment)) as process:
        yield process


@contextmanager
def started(command, **environment):
    variables = {name: text for name, text in os.environ.items() if name != "DROPSTUDY_DATA"}
    process = subprocess.Popen(command, env=variables | environment, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
    try:
        yield process
    finally:
        send(signal.SIGKILL, process)
        process.wait()


def send(number, process):
    """Send a signal to a process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        for each in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)


def kill_at_work(process):
    """Stop a worker, so that it keeps what it is given, and kill it once it has been given something."""
    send(signal.SIGSTOP, process)
    threading.Timer(1.0, send, (signal.SIGKILL, process)).start()


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def same(one, other):
    return all(each.same for each in compare(one, other))


class At(Callback):
    """Does something once, after a number of epochs; keeps notices and machines.

    The first epoch is told of while nearly all work is left. Where the disk is slow, the second one may be told of when
    all is done: results that arrive meanwhile are committed together.
    """

    def __init__(self, epochs, action=lambda: None):
        self.left, self.action, self.notices, self.machines = epochs, action, [], []

    def on_epoch_end(self, _run, _row):
        self.left -= 1
        if self.left == 0:
            self.action()

    def on_notice(self, text):
        self.notices.append(text)

    def on_machines(self, machines):
        self.machines += machines


@pytest.fixture(scope="module")
def local(cache_folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPSTUDY_CACHE", str(cache_folder))
        return Study(**QUICK, out=tmp_path_factory.mktemp("local") / "study").run(workers=1, verbose=False)


@pytest.mark.slow
def test_a_cluster_that_shares_no_files_trains_the_same_bits(local, tmp_path):
    """Workers without data are sent them once; they keep them for the next study."""
    with scheduler(tmp_path) as (address, _), ExitStack() as stack:
        for name in "ab":
            stack.enter_context(worker(address, tmp_path / name))
        with connect(address) as pool:
            wait_for(lambda: pool.count == 2)
            study = Study(**QUICK, out=tmp_path / "far").run(executor=pool, verbose=False)
            assert same(local.folder, study.folder)
            kept = list(tmp_path.glob("?/cache/arrays/*/x_train.npy"))
            assert kept
            times = [path.stat().st_mtime_ns for path in kept]
            more = Study(**QUICK | {"seeds": [7]}, out=tmp_path / "more").run(executor=pool, verbose=False)
        assert more.finished
        assert [path.stat().st_mtime_ns for path in kept] == times
    assert study.results().snapshot.finals["device"].str.contains(" on ").all()


@pytest.mark.slow
def test_a_killed_worker_costs_a_segment(local, tmp_path, monkeypatch):
    """Also where the user hands over the executor of a client of Dask's: its workers are known all the same."""
    # The rest of a small study may end sooner after the kill than the next look; the last table is of its moment.
    monkeypatch.setattr("dropstudy.runtime.cluster._LOOK_INTERVAL", 30.0)
    with scheduler(tmp_path) as (address, _), ExitStack() as stack:
        first, _second = (stack.enter_context(worker(address, tmp_path / name)) for name in "ab")
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
            executor, killing = client.get_executor(), At(1, lambda: kill_at_work(first))
            study = Study(**QUICK, out=tmp_path / "far").run(
                executor=executor, workers=2, callbacks=killing, verbose=False
            )
    assert same(local.folder, study.folder)
    assert "1 worker now, 2 before." in killing.notices
    assert any(f"{platform.node()} lost a worker while it trained '" in line for line in killing.notices)
    assert {each.workers for each in killing.machines} == {1, 2}
    last = killing.machines[-1]
    assert (last.name, last.runs) == (platform.node(), ())
    assert last.lost >= 1
    assert last.parts >= len(study.results().snapshot.finals)


@pytest.mark.slow
def test_a_study_waits_where_its_last_worker_died(local, tmp_path):
    with scheduler(tmp_path) as (address, _), ExitStack() as stack:
        only = stack.enter_context(worker(address, tmp_path / "a"))

        class Joining(At):
            def on_notice(self, text):
                super().on_notice(text)
                if "has no worker" in text:
                    stack.enter_context(worker(address, tmp_path / "b"))

        joining = Joining(1, lambda: send(signal.SIGKILL, only))
        with connect(address) as pool:
            study = Study(**QUICK, out=tmp_path / "far").run(executor=pool, callbacks=joining, verbose=False)
    assert same(local.folder, study.folder)
    assert "1 worker now, 0 before." in joining.notices


@pytest.mark.slow
def test_a_stopped_worker_is_given_up_and_gets_nothing_more(local, tmp_path, monkeypatch):
    # Of its own, since a first segment takes as long as a worker takes to start: minutes where others use the machine.
    monkeypatch.setattr(Timeouts, "limit", lambda _, segments: 10.0 if segments[0].done else 30.0)
    with scheduler(tmp_path) as (address, _), ExitStack() as stack:
        first, _second = (stack.enter_context(worker(address, tmp_path / name)) for name in "ab")
        with connect(address) as pool:
            wait_for(lambda: pool.count == 2)
            stopping = At(1, lambda: send(signal.SIGSTOP, first))
            study = Study(**QUICK, out=tmp_path / "far").run(executor=pool, callbacks=stopping, verbose=False)
            send(signal.SIGCONT, first)
    assert same(local.folder, study.folder)


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.usefixtures("local")
def test_an_interrupt_ends_the_training_on_the_workers(tmp_path):
    with scheduler(tmp_path) as (address, _), worker(address, tmp_path / "a") as process:
        study = Study(**QUICK | {"hidden": [[256, 256]], "epochs": 5000}, out=tmp_path / "far")
        stopping = At(40, interrupt)
        with pytest.raises(KeyboardInterrupt), connect(address) as pool:
            study.run(executor=pool, callbacks=stopping, verbose=False)
        assert any(run.seed == 0 for each in stopping.machines for run in each.runs)
        trains = psutil.Process(process.pid)
        wait_for(
            lambda: not [p for p in trains.children(recursive=True) if "popen_loky" in " ".join(p.cmdline())],
            15,
        )
    assert not study.finished


@pytest.mark.slow
def test_without_its_scheduler_a_study_stops_and_goes_on_with_another(local, tmp_path, monkeypatch):
    monkeypatch.setattr("dropstudy.runtime.cluster._RECONNECT_TIMEOUT", 2.0)
    study = Study(**QUICK, out=tmp_path / "far")
    with scheduler(tmp_path) as (address, process), worker(address, tmp_path / "a"):
        killing = At(1, lambda: send(signal.SIGKILL, process))
        with pytest.raises(InvalidArgument, match="the same command goes on"), connect(address) as pool:
            study.run(executor=pool, callbacks=killing, verbose=False)
    assert not study.finished
    with scheduler(tmp_path) as (address, _), worker(address, tmp_path / "b"), connect(address) as pool:
        study.run(executor=pool, verbose=False)
    assert same(local.folder, study.folder)


@pytest.mark.slow
def test_a_worker_that_would_give_other_bits_is_left_out_by_name(local, tmp_path):
    """One trains with the compiled program, the other with XLA's."""
    with scheduler(tmp_path) as (address, _), worker(address, tmp_path / "a"):
        hearing = At(0)
        with connect(address, allow_mixed=True) as pool, ExitStack() as stack:
            stack.enter_context(worker(address, tmp_path / "b", DROPSTUDY_KERNELS="off"))
            wait_for(lambda: pool.count == 2)
            mixed = Study(**QUICK, out=tmp_path / "mixed").run(executor=pool, verbose=False)
            pool._expected = pool.identity  # as without --allow-mixed
            study = Study(**QUICK, out=tmp_path / "far").run(executor=pool, callbacks=hearing, verbose=False)
    assert same(local.folder, study.folder)
    other = "program of XLA where the study has compiled"
    with Store(study.folder) as store:
        assert store.meta[LEFT_OUT] == {platform.node(): other}
    compared = compare(study.folder, mixed.folder)
    assert all(each.unlike[1] for each in compared if not each.same)
    assert all(f"({other})" in part for each in compared for part in each.unlike[1])
    assert any(each.unlike[1] for each in compared)
    assert any(f"is left out: {other}" in line for line in hearing.notices)
    assert hearing.machines[-1].refused == other


def loky_workers():
    return loky.ProcessPoolExecutor(2)


def executorlib_workers():
    reason = "executorlib is not installed: pip install executorlib"
    return pytest.importorskip("executorlib", reason=reason).SingleNodeExecutor(
        max_workers=2, block_allocation=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [loky_workers, executorlib_workers])
def test_any_executor_trains_a_study(make, local, tmp_path):
    hearing = At(0)
    with make() as executor:
        study = Study(**QUICK, out=tmp_path / "far").run(
            executor=executor, workers=2, callbacks=hearing, verbose=False
        )
    assert same(local.folder, study.folder)
    last = hearing.machines[-1]
    assert (last.name, last.workers, last.lost) == (platform.node(), None, 0)
    assert last.parts >= len(study.results().snapshot.finals)


WITH_MPI = """
import json, sys
from mpi4py.futures import MPIPoolExecutor
from dropstudy.study.study import Study

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        study = Study(**json.loads(sys.argv[1]), out=sys.argv[2])
        study.run(executor=executor, workers=executor.num_workers, verbose=False)
"""


@pytest.mark.slow
def test_the_ranks_of_mpi_train_a_study(local, tmp_path):
    """Of two ranks one is the coordinator, the other one a worker."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install mpi4py mpich")
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    mpiexec = shutil.which("mpiexec", path=places)
    if mpiexec is None:
        pytest.skip("no mpiexec: pip install mpich")
    script = tmp_path / "with_mpi.py"
    script.write_text(WITH_MPI)
    words = [sys.executable, "-m", "mpi4py.futures", str(script), json.dumps(QUICK), str(tmp_path / "far")]
    with started([mpiexec, "-n", "2", *words]) as process:
        assert process.wait(timeout=300) == 0
    assert same(local.folder, tmp_path / "far")


def certificate(folder, name, issuer=None):
    """A certificate and its key, for a day, in two files; signed by an issuer, or an authority of its own."""
    key, subject = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
    )
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(issuer[1].subject if issuer else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=12))
        .not_valid_after(now + timedelta(hours=12))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[0] if issuer else key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(secret)
    return key, signed


@pytest.mark.slow
def test_a_cluster_with_tls_takes_those_with_its_certificates_alone(local, tmp_path):
    for name in ("ours", "theirs"):
        certificate(tmp_path, name, certificate(tmp_path, f"authority-of-{name}"))

    def files(authority, name):
        parts = {"ca-file": f"authority-of-{authority}.pem", "cert": f"{name}.pem", "key": f"{name}.key"}
        return {part: str(tmp_path / file) for part, file in parts.items()}

    def client(authority, name):
        places = {"ca-file": "ca-file", "cert": "client.cert", "key": "client.key"}
        given = {
            f"distributed.comm.tls.{places[part]}": file for part, file in files(authority, name).items()
        }
        return dask.config.set(given)

    flags = [word for name, file in files("ours", "ours").items() for word in (f"--tls-{name}", file)]
    with (
        scheduler(tmp_path, host="tls://127.0.0.1", flags=flags) as (address, _),
        worker(address, tmp_path / "a", flags=flags),
    ):
        assert address.startswith("tls://")
        with client("ours", "ours"), connect(address) as pool:
            study = Study(**QUICK, out=tmp_path / "far").run(executor=pool, verbose=False)
        assert same(local.folder, study.folder)
        for whose in ("theirs", "ours"):  # the scheduler is not trusted; it does not trust
            with pytest.raises(InvalidArgument, match="certificates of the same authority"):
                refused(address, client(whose, "theirs"))
        with pytest.raises(InvalidArgument, match=r"no file for client\.cert: .*nobody\.pem, client\.key"):
            refused(address, client("ours", "nobody"))
        with pytest.raises(InvalidArgument, match="no file for ca-file: not set"):
            refused(address, nullcontext())
        with pytest.raises(InvalidArgument, match="where it uses TLS, its address begins with tls://"):
            refused(address.replace("tls:", "tcp:"), nullcontext())


def refused(address, configuration):
    with configuration, connect(address, timeout=10):
        pass


def test_nothing_answers_at_an_address():
    with (
        pytest.raises(InvalidArgument, match="the address of a running Dask scheduler"),
        connect("tcp://127.0.0.1:1", timeout=0.5),
    ):
        pass


# What is sent


@pytest.fixture
def digits(monkeypatch, tmp_path):
    """Arrays in the cache of one machine; this process then has the empty cache of another."""
    monkeypatch.setattr(parcel, "_found", {})
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "here"))
    reference = store_arrays(load_dataset("digits"))
    sent = parcel.packed(reference)
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "there"))
    return reference, sent, map_arrays_of(reference, tmp_path / "here", monkeypatch)


def map_arrays_of(reference, cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("DROPSTUDY_CACHE", str(cache))
        return map_arrays(reference)


def test_arrays_arrive_as_they_were_sent(digits):
    reference, sent, theirs = digits
    assert parcel.found(sent.digest, reference) is None
    here = parcel.unpack(sent)
    assert parcel.found(sent.digest, reference) == here
    for ours, other in zip(map_arrays(here), theirs, strict=True):
        assert ours.dtype == other.dtype
        assert (ours == other).all()


def test_arrays_that_changed_on_the_way_are_refused(digits):
    _, sent, _ = digits
    with pytest.raises(DataError, match="the examples sent to this worker"):
        parcel.unpack(sent._replace(digest="0" * 64))


def test_damaged_arrays_of_a_machine_are_not_used(digits):
    reference, sent, _ = digits
    here = parcel.unpack(sent)
    parcel._found.clear()
    path = parcel.cache_folder() / "arrays" / here.sha256 / "x_train.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert parcel.found(sent.digest, reference) is None
    assert parcel.found(sent.digest, parcel.unpack(sent)) is not None


# Tasks


class Machine(InlineExecutor):
    """Another machine, in this process: answers tasks by `reply`; keeps what it was sent."""

    def __init__(self, reply):
        super().__init__()
        self.reply, self.sent = reply, []

    def submit(self, function, /, *args, **_):
        assert function is remote.call
        called, arguments, _device, expected, data = (*args, None, None)[:5]
        self.sent.append(data)
        future = Future()
        future.set_running_or_notify_cancel()
        answer = self.reply(called, arguments, expected, data)
        if answer is not None:
            future.set_result(answer)
        return future


THERE = remote.Identity("1", "0.10.2", "3.15", "cpu", "float32", "compiled", "AVX2")


def test_a_machine_without_the_arrays_is_sent_them_once(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("DROPSTUDY_CACHE", str(tmp_path / "here"))
    reference, sent, _ = digits

    def reply(function, _args, _expected, data):
        if function is worker_info:
            return remote.Reply("node", "", THERE)
        return remote.Reply("node", "", THERE, result=(), lacks_data=not data.content)

    machine = Machine(reply)
    pool = RemotePool(machine, 1)
    segment = replace(segment_of(make_run()), data=reference)
    assert pool.submit(train_group, (segment,)).result(timeout=10) == ()
    assert [data and data.content for data in machine.sent] == [None, b"", sent.content]
    pool.close()


def test_a_call_that_is_given_up_ends_and_its_late_result_changes_nothing():
    late = []
    first = remote.Reply("node", "", THERE)
    machine = Machine(lambda function, *_: first if function is worker_info else late.append(0))
    pool = RemotePool(machine, 1)
    call = pool.submit(pow, 2, 3)
    pool.kill(call)
    with pytest.raises(pool.lost_worker_errors):
        call.result(timeout=10)
    pool.close()


def test_a_task_that_has_ended_is_let_go():
    """Else its result stays in the memory of a worker, and its key in that of the scheduler."""
    tasks = []

    class Remembering(Machine):
        def submit(self, *args, **how):
            task = super().submit(*args, **how)
            tasks.append(weakref.ref(task))
            return task

    pool = RemotePool(Remembering(lambda *_: remote.Reply("node", "", THERE, result=8)), 1)
    gc.collect()
    gc.disable()  # what waits for it waits for long
    try:
        assert pool.submit(pow, 2, 3).result(timeout=10) == 8
        pool.close()
        assert [task() for task in tasks] == [None, None]
    finally:
        gc.enable()


def test_machines_that_are_all_other_than_the_first_one_end_a_call(monkeypatch):
    monkeypatch.setattr("dropstudy.runtime.executor._MOST_REFUSALS", 3)
    other = replace(THERE, jax="0.11.0")

    def reply(_function, _args, expected, _data):
        if expected is None:
            return remote.Reply("node", "", THERE)
        return remote.Reply("else", "", other, refused=expected != other)

    notices = []
    pool = RemotePool(Machine(reply), 1, notify=notices.append)
    with pytest.raises(InvalidArgument, match=r"jax 0\.11\.0 where the study has 0\.10\.2"):
        pool.submit(pow, 2, 3).result(timeout=10)
    assert len(notices) == 1
    assert notices[0].startswith("else is left out: jax 0.11.0 where the study has 0.10.2.")
    mixed = RemotePool(Machine(lambda *_: remote.Reply("else", "", other, result=8)), 1, allow_mixed=True)
    assert mixed.submit(pow, 2, 3).result(timeout=10) == 8
    pool.close()
    mixed.close()


class Elsewhere(Executor):
    """Another machine, which has a GPU."""

    def submit(self, _function, /, *args):
        self.asked = args[2]
        future = Future()
        future.set_result(remote.Reply("node", "", replace(THERE, device="gpu")))
        return future


def test_other_machines_choose_their_device_and_this_one_needs_none(monkeypatch):
    monkeypatch.setattr(hardware, "_gpu_obstacle", lambda: "no NVIDIA GPU on this machine")
    with pytest.raises(InvalidArgument, match="no NVIDIA GPU on this machine"):
        device_here(None, "gpu")
    assert device_here(Elsewhere(), "gpu") == "cpu"
    for asked in ("gpu", "cpu"):
        with pool_of(machine := Elsewhere(), 1, device=asked) as pool:
            assert pool.identity.device == "gpu"
        assert machine.asked == asked


def test_a_finished_study_connects_to_nothing_with_any_flag(local):
    words = ("run", str(local.folder), "--scheduler", "tcp://127.0.0.1:1", "--allow-mixed")
    assert "nothing to train" in fast_command.run(*words).out
