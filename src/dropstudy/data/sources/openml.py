"""Tables of openml.org: fetched by scikit-learn, and kept in the cache."""

from __future__ import annotations

import re
import socket
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.error import HTTPError, URLError

from dropstudy.data.cache import download_folders, no_space
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument
from dropstudy.spec.data_names import OPENML

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropstudy.core.dataset import Dataset
    from dropstudy.data.source import DataOptions, Scale

__all__ = ["OpenMLTable"]

"""How names of these tables begin; a name or a number of openml.org follows."""

_NAME = re.compile(r"[\w.,()-]+", re.ASCII)  # the names that openml.org allows
_SECONDS = 20.0  # without an answer
_RETRIES = 1
_TOLD = ("Version ", "OpenML ")  # scikit-learn's warnings of problems that openml.org knows


@dataclass(frozen=True)
class OpenMLTable:
    """A table of openml.org.

    scikit-learn compares it with the digest (MD5) that openml.org gives, whenever it is read.

    Args:
        name: `openml:` and a name, or a number.
        options: target, where openml.org names none or another; and what else is asked for.
    """

    name: str
    options: DataOptions
    accepts: ClassVar[frozenset[str]] = frozenset({"target", "test_size", "group", "drop"})

    @property
    def _wanted(self) -> str:
        return self.name.removeprefix(OPENML)

    def describe(self) -> list[str]:
        """List the cache and the site."""
        return [f"cache: {download_folders('openml')[-1]}", f"https://www.openml.org: {self._wanted}"]

    def load(self, scale: Scale, *, progress: bool = False) -> Dataset:  # noqa: ARG002 - scikit-learn shows none
        """Fetch the table, unless the cache has it, and set rows aside for the test."""
        if not _NAME.fullmatch(self._wanted):
            raise InvalidArgument(
                "data",
                expected="openml: and a name or number of openml.org, such as openml:credit-g or openml:31",
                received=repr(self.name),
                next_step="Search for it on https://www.openml.org.",
            )
        from dropstudy.data.table import table_dataset  # noqa: PLC0415 - pandas is slow to import

        bunch, notes = self._fetch()
        targets = bunch.target_names
        return table_dataset(
            bunch.frame,
            name=self.name,
            target=self.options.target or (targets[0] if len(targets) == 1 else None),
            test_size=self.options.test_size,
            group=self.options.group,
            drop=self.options.drop,
            source=f"{bunch.url} ({bunch.details['name']}, version {bunch.details['version']})",
            scale=scale,
            notes=notes,
        )

    def _fetch(self) -> tuple[Any, list[str]]:
        """Return scikit-learn's bunch, and sentences on the dataset."""
        from sklearn.datasets import fetch_openml  # noqa: PLC0415 - scikit-learn is slow to import

        which = {"data_id": int(self._wanted)} if self._wanted.isdecimal() else {"name": self._wanted}
        folder = download_folders("openml")[-1]
        with warnings.catch_warnings(record=True) as caught, self._explaining(), _limited_wait():
            warnings.simplefilter("always")
            bunch = fetch_openml(
                **which,
                # The table names its labels itself, unless others are asked for.
                target_column="default-target" if self.options.target is None else None,
                as_frame=True,
                data_home=str(folder.parent),
                n_retries=_RETRIES,
            )
        said = [" ".join(str(warning.message).split()) for warning in caught]
        notes = [f"{line.rstrip('.')}." for line in said if line.startswith(_TOLD)]
        if any(line.startswith("Multiple active versions") for line in said):
            details = bunch.details
            notes.append(
                f"openml.org has several tables named {details['name']}: this is version {details['version']}, "
                f"openml:{details['id']}."
            )
        return bunch, notes

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn what scikit-learn raises into errors that name the table."""
        from sklearn.datasets._openml import OpenMLError  # noqa: PLC0415 - no public name

        folder = download_folders("openml")[-1]
        try:
            yield
        except OpenMLError as error:
            raise DataUnavailable(
                self.name,
                expected="the name or number of a table of openml.org",
                received=str(error).rstrip("."),
                next_step="Search for it on https://www.openml.org.",
            ) from error
        except (URLError, TimeoutError) as error:
            raise DataUnavailable(
                self.name,
                expected=f"the table in {folder}, or an answer of openml.org",
                received=_reason(error),
                next_step="Try again later, or save the table as CSV and name that file.",
            ) from error
        except OSError as error:
            raise no_space(folder, 0, error) from error
        except Exception as error:
            # scikit-learn raises many kinds of exception at answers that it does not expect.
            reason = " ".join(str(error).split()) or type(error).__name__
            if reason.startswith("Sparse ARFF"):
                raise DataError(
                    self.name,
                    expected="a table that stores every cell",
                    received="one that stores only cells other than 0 (sparse ARFF)",
                    next_step="Name another version of it by its number, such as openml:31.",
                ) from error
            raise DataError(
                self.name,
                expected="a table of openml.org",
                received=f"answers that cannot be read ({reason})",
                next_step=f"Try again. If that does not help, remove {folder}: it holds earlier answers.",
            ) from error


def _reason(error: URLError | TimeoutError) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"HTTP {error.code} {error.reason}"
    return f"no answer ({getattr(error, 'reason', error)})"


@contextmanager
def _limited_wait() -> Iterator[None]:
    """Let connections that are opened here end after some seconds of silence: scikit-learn sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
