"""Keep what XLA compiles in a test process, also from one run of the tests to the next: importing this is enough."""

from pathlib import Path

import jax

from dropstudy.core.hardware import machine_key

FOLDER = Path(__file__).parents[1] / ".pytest_cache" / f"programs-{machine_key()}"

jax.config.update("jax_compilation_cache_dir", str(FOLDER))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
