"""Does a study survive that a machine of its cluster loses its network for a while?

Two workers in network namespaces with addresses of their own, joined to this machine by virtual links. The first link
is cut while runs train, and joined again; then the study is compared with one of local workers, to the bit. Linux, as
root, with `ip` (iproute2).

    python benchmarks/cluster_link.py --cut 60
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from common import head
from dropstudy import Study
from dropstudy.runtime.cluster import connect
from dropstudy.store.diff import compare

PORT = 18787
SETTINGS = {"data": "digits", "rates": [0, 0.5], "epochs": 60, "hidden": [512, 512], "seeds": 12}


def run(command: str) -> None:
    """Run a command of the system."""
    subprocess.run(command.split(), check=True)  # noqa: S603 - the commands of this script


def start(stack: ExitStack, command: str, **environment: str) -> None:
    """Start a process that ends with this script."""
    process = subprocess.Popen(command.split(), stderr=subprocess.DEVNULL, env={**os.environ, **environment})  # noqa: S603 - as above
    stack.callback(lambda: (process.terminate(), process.wait()))


def namespace(stack: ExitStack, number: int) -> None:
    """A network namespace with one link to this machine: 10.77.N.1 here, 10.77.N.2 there."""
    name, here, there = f"drop{number}", f"drophere{number}", f"dropthere{number}"
    run(f"ip netns add {name}")
    stack.callback(lambda: run(f"ip netns del {name}"))
    run(f"ip link add {here} type veth peer name {there} netns {name}")
    run(f"ip addr add 10.77.{number}.1/24 dev {here}")
    run(f"ip link set {here} up")
    run(f"ip -n {name} addr add 10.77.{number}.2/24 dev {there}")
    run(f"ip -n {name} link set {there} up")
    run(f"ip -n {name} link set lo up")


def cut(seconds: float) -> None:
    """Cut the first link, and join it again."""
    time.sleep(6)
    run("ip link set drophere1 down")
    print(f"the link of the first worker is cut for {seconds:.0f} s", flush=True)
    time.sleep(seconds)
    run("ip link set drophere1 up")
    print("the link is joined again", flush=True)


def main() -> None:
    """Train here and there, and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cut", type=float, default=60, help="seconds")
    options = parser.parse_args()
    head(**SETTINGS)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        python = sys.executable
        start(
            stack, f"{python} -m distributed.cli.dask_scheduler --host 0.0.0.0 --port {PORT} --no-dashboard"
        )
        for number in (1, 2):
            namespace(stack, number)
            own = folder / str(number)
            own.mkdir()
            worker = f"{python} -m distributed.cli.dask_worker tcp://10.77.{number}.1:{PORT} --nthreads 1"
            start(
                stack,
                f"ip netns exec drop{number} {worker} --no-dashboard --local-directory {own}",
                DROPSTUDY_CACHE=str(own / "cache"),
                HOME=str(own),
            )
        with connect(
            f"tcp://127.0.0.1:{PORT}", timeout=60, notify=lambda line: print(line, flush=True)
        ) as pool:
            while pool.count < 2:  # noqa: PLR2004 - both
                time.sleep(0.5)
            cutting = threading.Thread(target=cut, args=(options.cut,))
            cutting.start()
            far = Study(**SETTINGS, out=folder / "far").run(executor=pool, verbose=False)
            print("the study is finished", flush=True)
            cutting.join()
        near = Study(**SETTINGS, out=folder / "near").run(verbose=False)
        found = compare(far.folder, near.folder)
        print(f"{sum(each.same for each in found)} of {len(found)} runs are the same as here, to the bit")


if __name__ == "__main__":
    main()
