"""The server of the page: what it answers, refuses and forgets, and how the command ends."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest

from dropstudy.report.server import listen
from dropstudy.teach.server import Trainings, make_app
from page_server import ADDRESSES, PAGE, served

COMMAND = (sys.executable, "-m", "dropstudy", "teach", "--no-browser", "--data", "digits")


def serving(lesson, trainings=None):
    """The port of a server."""
    return served(make_app(lesson, ADDRESSES, trainings or Trainings(2)))


@pytest.fixture(scope="module")
def port(lesson):
    with serving(lesson) as port:
        yield port


def ask(port, path="", *, method="GET", body=None, host="127.0.0.1"):
    channel = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    channel.request(method, f"{PAGE}{path}", body, {"Host": host})
    answer = channel.getresponse()
    text = answer.read().decode()
    channel.close()
    return answer.status, text


def events(text):
    return [(name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)]


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(port):
    status, page = ask(port)
    assert status == 200
    assert "A network of 64 pixels, 64 hidden units" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "connect-src &#39;self&#39;" in page


def test_a_test_digit_that_is_sent_back_is_read(port, lesson):
    _, text = ask(port, "example")
    ink, label = json.loads(text).values()
    side = lesson.form.side // len(ink)
    drawn = bytes(value for row in ink for _ in range(side) for value in row for _ in range(side))
    status, text = ask(port, "answer?rate=0.5", method="POST", body=drawn)
    found = json.loads(text)
    assert status == 200
    assert label in range(10)
    assert len(found["off"]) == len(found["on"]) == 10
    assert len(found["pixels"]) == 8
    empty = bytes(lesson.form.side**2)
    assert ask(port, "answer?rate=0", method="POST", body=empty) == (200, "null")


def test_training_is_told_epoch_by_epoch_and_equal_seeds_give_equal_numbers(port):
    status, text = ask(port, "train?rate=0.8&seed=4")
    assert status == 200
    told = events(text)
    assert [name for name, _ in told] == ["epoch"] * 20 + ["end"]
    assert [pair[0]["epoch"] for _, pair in told[:-1]] == list(range(1, 21))
    assert told[-1][1]["row"][:2] == ["0.8", "4"]
    assert f"prints {told[-2][1][1]['running']}% training accuracy" in told[-1][1]["words"][0]
    assert ask(port, "train?rate=0.8&seed=4")[1] == text
    assert ask(port, "train?rate=0.8&seed=5")[1] != text


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("answer?rate=1", "POST", bytes(128**2), 400),
        ("answer?rate=nan", "POST", bytes(128**2), 400),
        ("answer", "POST", bytes(128**2), 400),
        ("answer?rate=0.5", "POST", bytes(10), 400),
        ("answer?rate=0.5", "POST", bytes(128**2 + 1), 400),
        ("answer?rate=0.5", "GET", None, 405),
        ("train?rate=-0.1&seed=1", "GET", None, 400),
        ("train?rate=0.5&seed=1e3", "GET", None, 400),
        ("train?rate=0.5&seed=4294967296", "GET", None, 400),
        ("train?rate=0.5", "GET", None, 400),
        ("train?rate=0.5&seed=1", "POST", b"", 405),
        ("../", "GET", None, 404),
        ("study.db", "GET", None, 404),
    ],
)
def test_what_the_page_never_asks_is_refused_in_a_line(port, path, method, body, status):
    found, text = ask(port, path, method=method, body=body)
    assert found == status
    assert "Traceback" not in text
    assert status != 400 or re.match(r"Error: \w+: expected .+, received .+\.", text)


def test_another_host_and_another_token_are_refused(port):
    assert ask(port, host="example.com")[0] == 400
    assert ask(port, "../x/train?rate=0.5&seed=1")[0] == 404


def test_a_browser_that_finds_no_place_is_told_and_finds_one_later(held_lesson):
    with serving(held_lesson, Trainings(1, patience=0.1)) as port, ThreadPoolExecutor(2) as browsers:
        asked = [browsers.submit(ask, port, "train?rate=0.5&seed=1") for _ in range(2)]
        (told,) = wait(asked, return_when=FIRST_COMPLETED).done
        ((name, text),) = events(told.result()[1])
        assert name == "busy"
        assert "1 other browser now. Try again" in text
        held_lesson.may_begin.set()
        assert sorted(events(each.result()[1])[-1][0] for each in asked) == ["busy", "end"]
        assert events(ask(port, "train?rate=0.5&seed=1")[1])[-1][0] == "end"


def test_all_browsers_of_a_class_that_train_at_once_are_served(lesson):
    with serving(lesson, Trainings(1)) as port, ThreadPoolExecutor(8) as browsers:
        texts = browsers.map(lambda seed: ask(port, f"train?rate=0.5&seed={seed}")[1], range(8))
        assert [events(text)[-1][0] for text in texts] == ["end"] * 8


def test_a_browser_that_leaves_gives_its_place_back(lesson):
    with serving(lesson, Trainings(1)) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as channel:
                channel.sendall(
                    f"GET {PAGE}train?rate=0.5&seed=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                )
                assert b"200 OK" in channel.recv(100)
        assert events(ask(port, "train?rate=0.5&seed=1")[1])[-1][0] == "end"


def test_the_command_says_what_it_does_before_it_loads_what_takes_seconds():
    command = [sys.executable, "-X", "importtime", *COMMAND[1:-1], "wine"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 2
    assert 0 <= done.stdout.find("\nLoading handwritten digits") < done.stdout.index(" numpy\n")


def test_the_command_serves_until_it_is_interrupted_and_says_what_is_wrong():
    with listen(0) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 2
    assert re.match(
        rf"Error: --port: expected a port that no other program uses, received {port}: ", done.stderr
    )
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        address = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/$")
        assert any(address.match(line) for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.splitlines()[-1] == "Stopped. The page is no longer served."
    assert complaints == ""
