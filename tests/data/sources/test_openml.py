"""Tables of openml.org, from a server on this machine that answers as openml.org does."""

import gzip
import hashlib
import json
import socket
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.datasets import _openml

from dropstudy.data import describe
from dropstudy.data.load import load_dataset
from dropstudy.errors import DataError, DataUnavailable, InvalidArgument
from mirror_server import mirror, send

ROWS = [(f"{i / 10:.1f}", ("red", "blue", "?")[i % 3], i, ("good", "bad")[i % 2]) for i in range(40)]
"""Length, colour (a third of them missing), number of the row, class."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DROPSTUDY_CACHE", str(folder))
    monkeypatch.setattr(_openml.time, "sleep", lambda _: None)
    return folder


def arff(rows=ROWS):
    header = """% a comment
@RELATION parts
@ATTRIBUTE length REAL
@ATTRIBUTE colour {red,blue}
@ATTRIBUTE row INTEGER
@ATTRIBUTE class {good,bad}
@DATA
"""
    return header + "".join(",".join(map(str, row)) + "\n" for row in rows)


def feature(number, name, kind, **changes):
    plain = {"is_target": "false", "is_ignore": "false", "is_row_identifier": "false"}
    values = {"nominal_value": ["red", "blue"] if name == "colour" else ["good", "bad"]}
    return {
        "index": str(number),
        "name": name,
        "data_type": kind,
        "number_of_missing_values": "0",
        **plain,
        **(values if kind == "nominal" else {}),
        **changes,
    }


FEATURES = [
    feature(0, "length", "numeric"),
    feature(1, "colour", "nominal", number_of_missing_values="13"),
    feature(2, "row", "numeric", is_row_identifier="true"),
    feature(3, "class", "nominal", is_target="true"),
]
FOUND = {"did": 7, "name": "parts", "version": 2, "status": "active"}


def answers(content=None, features=FEATURES, found=(FOUND,), **description):
    """The answers of openml.org to each request for the table `parts`, number 7."""
    content = arff() if content is None else content
    about = {
        "id": "7",
        "name": "parts",
        "version": "2",
        "description": "Parts.",
        "format": "ARFF",
        "status": "active",
        "url": "{site}data/v1/download/7/parts.arff",
        "md5_checksum": hashlib.md5(content.encode(), usedforsecurity=False).hexdigest(),
        **description,
    }
    quality = [{"name": "NumberOfInstances", "value": "40.0"}]
    return {
        "/api/v1/json/data/list/data_name/parts/limit/2/status/active/": {"data": {"dataset": list(found)}},
        "/api/v1/json/data/7": {"data_set_description": about},
        "/api/v1/json/data/features/7": {"data_features": {"feature": list(features)}},
        "/api/v1/json/data/qualities/7": {"data_qualities": {"quality": quality}},
        "/data/v1/download/7/parts.arff": content,
    }


@contextmanager
def openml(monkeypatch, replies):
    """A server that gives these replies, and status 412 to all else, as openml.org does."""
    paths = []

    def answer(handler, _, server):
        paths.append(handler.path)
        reply = replies.get(handler.path)
        if callable(reply):
            reply(handler)
        elif reply is None:
            handler.send_error(412)
        else:
            text = reply if isinstance(reply, str) else json.dumps(reply)
            send(handler, text.replace("{site}", server.url).encode())

    with mirror(answer) as server:
        for constant in ("_SEARCH_NAME", "_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
            address = getattr(_openml, constant).partition("/api/")[2]
            monkeypatch.setattr(_openml, constant, f"{server.url}api/{address}")
        yield paths


@pytest.mark.parametrize("name", ["openml:parts", "openml:7", "openml:Parts"])
def test_a_table_is_fetched_by_name_or_number(monkeypatch, name):
    with openml(monkeypatch, answers()):
        found = load_dataset(name)
    assert (found.name, found.classes) == (name, ("bad", "good"))
    assert [column.name for column in found.table.columns] == ["length", "colour"]  # the row's number is none
    assert [column.missing for column in found.table.columns] == [False, True]
    assert found.source == "https://www.openml.org/d/7 (parts, version 2)"
    lengths = np.concatenate([found.x_train[:, 0], found.x_test[:, 0]])
    labels = np.concatenate([found.y_train, found.y_test])
    expected = sorted((i / 10, (i + 1) % 2) for i in range(40))
    assert sorted(zip(lengths.tolist(), labels.tolist(), strict=True)) == expected


def test_the_cache_is_used_without_a_network(monkeypatch, own_cache):
    with openml(monkeypatch, answers()) as paths:
        first = load_dataset("openml:parts")
        asked = len(paths)
        assert load_dataset("openml:parts").sha256 == first.sha256
        assert len(paths) == asked
    assert load_dataset("openml:parts").sha256 == first.sha256  # the server is gone
    assert list((own_cache / "downloads" / "openml").rglob("*.arff.gz"))
    assert str(own_cache / "downloads" / "openml") in describe.where("openml:parts")[1]


@pytest.mark.parametrize(
    "damage", [b"", b"rubbish", gzip.compress(arff(ROWS[:30]).encode()), b"\x1f\x8b\x08"]
)
def test_fault_21_a_damaged_cache_is_fetched_again(monkeypatch, own_cache, damage):
    with openml(monkeypatch, answers()):
        first = load_dataset("openml:parts")
        for stored in (own_cache / "downloads" / "openml").rglob("*.arff.gz"):
            stored.write_bytes(damage)
        assert load_dataset("openml:parts").sha256 == first.sha256


def test_another_column_may_be_the_target(monkeypatch):
    with openml(
        monkeypatch, answers(features=[*FEATURES[:1], feature(1, "colour", "nominal"), *FEATURES[2:]])
    ):
        found = load_dataset("openml:parts", target="class", drop=["colour"])
        assert [column.name for column in found.table.columns] == ["length"]
        with pytest.raises((DataError, InvalidArgument), match="nosuch"):
            load_dataset("openml:parts", target="nosuch")


@pytest.mark.parametrize("targets", [(), (1, 3)])
def test_a_table_without_one_target_asks_for_it(monkeypatch, targets):
    features = [
        {**entry, "is_target": str(number in targets).lower(), "number_of_missing_values": "0"}
        for number, entry in enumerate(FEATURES)
    ]
    with openml(monkeypatch, answers(features=features)):
        with pytest.raises((DataError, InvalidArgument), match="target"):
            load_dataset("openml:parts")
        assert load_dataset("openml:parts", target="class").classes == ("bad", "good")


def test_several_versions_and_known_problems_are_told(monkeypatch):
    older = {**FOUND, "did": 9, "version": 3}
    with openml(
        monkeypatch, answers(found=(FOUND, older), warning="two rows are wrong", status="deactivated")
    ):
        notes = " ".join(load_dataset("openml:parts").notes)
    assert "openml.org has several tables named parts: this is version 2, openml:7." in notes
    assert "two rows are wrong" in notes
    assert "Version 2 of dataset parts is inactive" in notes


@pytest.mark.parametrize("name", ["openml:nosuch", "openml:8"])
def test_a_name_that_openml_does_not_know(monkeypatch, name):
    with openml(monkeypatch, answers()), pytest.raises(DataUnavailable, match="found") as caught:
        load_dataset(name)
    assert caught.value.subject == name


@pytest.mark.parametrize("name", ["openml:", "openml:a/b", "openml:../x", "openml:a b", "openml:\u0661"])
def test_what_is_no_name_is_refused_without_a_request(monkeypatch, name):
    with openml(monkeypatch, answers()) as paths, pytest.raises(InvalidArgument, match="openml:credit-g"):
        load_dataset(name)
    assert paths == []


def status(code):
    return lambda handler: handler.send_error(code)


@pytest.mark.parametrize(
    ("path", "reply", "words"),
    [
        ("list/data_name/parts/limit/2/status/active/", status(503), "HTTP 503"),
        ("7", status(404), "HTTP 404"),
        ("features/7", status(403), "HTTP 403"),
        ("7", "<!DOCTYPE html>", "openml:parts"),
    ],
)
def test_faults_19_and_20_are_named(monkeypatch, path, reply, words):
    replies = {**answers(), f"/api/v1/json/data/{path}": reply}
    with openml(monkeypatch, replies):
        with pytest.raises(DataError) as caught:
            load_dataset("openml:parts")
        assert caught.value.subject == "openml:parts"
        assert words in str(caught.value)
        replies.update(answers())
        assert load_dataset("openml:parts").classes == ("bad", "good")  # nothing wrong was kept


def test_an_answer_that_is_no_description_is_named_with_the_cache(monkeypatch, own_cache):
    with openml(monkeypatch, {**answers(), "/api/v1/json/data/7": {}}), pytest.raises(DataError) as caught:
        load_dataset("openml:parts")
    assert "answers that cannot be read ('data_set_description')" in caught.value.received
    assert str(own_cache / "downloads" / "openml") in caught.value.next_step


@pytest.mark.parametrize("content", ["<!DOCTYPE html>", arff(ROWS[:30]), ""])
def test_fault_20_a_wrong_file_is_refused_by_its_digest(monkeypatch, content):
    replies = {**answers(), "/data/v1/download/7/parts.arff": content}
    with openml(monkeypatch, replies):
        with pytest.raises(DataError, match="openml:parts"):
            load_dataset("openml:parts")
        replies.update(answers())
        assert load_dataset("openml:parts").classes == ("bad", "good")


def test_no_network_is_named_quickly(monkeypatch):
    with openml(monkeypatch, answers()):
        pass  # its address stays, where no server listens now
    with pytest.raises(DataUnavailable, match=r"no answer .*refused") as caught:
        load_dataset("openml:parts")
    assert "CSV" in caught.value.next_step
    assert socket.getdefaulttimeout() is None


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr("dropstudy.data.sources.openml._SECONDS", 0.2)

    def silent(handler, _, server):
        server.released.wait(30)
        handler.close_connection = True

    with mirror(silent) as server:
        monkeypatch.setattr(_openml, "_DATA_INFO", f"{server.url}{{}}")
        with pytest.raises(DataUnavailable, match="timed out"):
            load_dataset("openml:7")


def test_a_sparse_table_is_refused(monkeypatch):
    sparse = (
        "@RELATION s\n@ATTRIBUTE length REAL\n@ATTRIBUTE class {good,bad}\n@DATA\n{0 1.5, 1 bad}\n{0 2}\n"
    )
    features = [feature(0, "length", "numeric"), feature(1, "class", "nominal", is_target="true")]
    replies = answers(sparse, features, format="Sparse_ARFF")
    with openml(monkeypatch, replies), pytest.raises(DataError, match="sparse ARFF"):
        load_dataset("openml:parts")
