"""Studies of Keras models that train in the test process have few programs, each compiled once."""

import kept_programs  # noqa: F401 - importing it is enough
