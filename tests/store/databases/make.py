"""Make a database of today's schema version beside this file: once for each version that is released.

    python tests/store/databases/make.py

tests/store/test_database.py says what is in them, and that every later dropstudy can read them.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from dropstudy.store import database
from dropstudy.store.store import DATABASE, Store

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from standin import make_run, segment_of, train, whole  # noqa: E402 - beside the tests, not installed


def main():
    runs = [make_run(name, seed=7, epochs=3, rate=0.5) for name in ("done", "running", "diverged", "failed")]
    done, running, diverged, failed = runs
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder), create=True) as store:
            store.begin({"data": "digits", "classes": ["0", "1"]}, [*runs, make_run("planned", seed=7)])
            store.commit([(done, whole(done))])
            result = train(segment_of(running, epochs=2))
            store.commit([(running, result)])
            store.commit([(diverged, replace(train(segment_of(diverged)), diverged=True))])
            store.fail(failed, "ValueError: no", "Traceback")
        target = HERE / f"v{len(database.MIGRATIONS)}.db"
        target.write_bytes((Path(folder) / DATABASE).read_bytes())
    print(target)  # noqa: T201 - for whoever made it


if __name__ == "__main__":
    main()
