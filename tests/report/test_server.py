"""The server answers to this machine alone, reads alone, and its page follows the study: real sockets throughout."""

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

import random_results
from browsers import draw_all, real_browser, until, watched_page
from command_line import run_script
from dropstudy import Study
from dropstudy.errors import InvalidArgument, StoreError
from dropstudy.report.sections import sections
from dropstudy.report.server import connections, listen, make_app
from dropstudy.report.server import index as index_module
from dropstudy.report.server import live as live_module
from dropstudy.report.server.index import Index
from dropstudy.report.server.live import LivePage
from dropstudy.report.snapshot import read_snapshot
from expected import Report
from page_server import ADDRESSES, PAGE, TICKET, served
from sources import trained_at_once


def live_page(folder):
    """The page of a study, as `dropstudy view` reads it."""
    return LivePage(folder, lambda: read_snapshot(folder))


@contextmanager
def serving(folder):
    """The port of a server for a study whose first page is made."""
    live = live_page(folder)
    live.page()
    with serving_pages(live) as port:
        yield port


def serving_pages(live):
    """The port of a server."""
    return served(make_app(live, ADDRESSES))


def ask(port, path=PAGE, *, method="GET", host="127.0.0.1"):
    """Response to a request whose path and host are sent as they are: status, headers, body."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as channel:
        channel.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(channel, method=method)
        answer.begin()
        return answer.status, dict(answer.headers), answer.read().decode()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return trained_at_once(patch, tmp_path_factory.mktemp("view") / "study", seeds=2)


@pytest.fixture(scope="module")
def port(study):
    with serving(study.folder) as port:
        yield port


def test_the_page_and_its_state_are_served(port):
    status, headers, body = ask(port)
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert headers["cache-control"] == "no-store"
    assert 'data-live="' in body
    state = json.loads(ask(port, f"{PAGE}state", host=f"localhost:{port}")[2])
    assert f'data-live="{state["version"]}"' in body
    assert Report.ALL_ENDED.format(4) in body
    assert Report.FINISHED.format(4, 4) in body


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "localhost.evil", "", "0.0.0.0"])  # noqa: S104
def test_a_request_by_another_name_is_refused(port, host):
    status, _, body = ask(port, host=host)
    assert status == 400
    assert "dropstudy" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/state",
        "/another-token/",
        "/study.db",
        f"{PAGE}study.db",
        "/../study.db",
        "/%2e%2e/study.db",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/state/../../study.toml",
        "/figures/../study.db",
        "/..\\study.db",
    ],
)
def test_no_file_can_be_reached_by_any_path(port, study, path):
    status, _, body = ask(port, path)
    assert status == 404
    assert "SQLite" not in body
    assert "root:" not in body
    assert (study.folder / "study.db").is_file()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(port, study, method):
    before = {path: path.stat().st_mtime_ns for path in study.folder.rglob("*")}
    assert ask(port, method=method)[0] == 405
    assert ask(port, f"{PAGE}state", method=method)[0] == 405
    assert {path: path.stat().st_mtime_ns for path in study.folder.rglob("*")} == before


def test_it_listens_to_this_machine_alone_and_says_when_a_port_is_taken():
    with listen(0) as channel:
        host, port = channel.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(InvalidArgument, match=f"port: .*{port}"):
            listen(port)
    with pytest.raises(InvalidArgument, match="port: "):
        listen(70_000)


def test_a_study_that_is_gone_is_said_and_the_server_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(live_module, "WAIT", 60)
    study = trained_at_once(monkeypatch, tmp_path / "study", seeds=1)
    with serving_pages(live_page(study.folder)) as port:
        study.folder.rename(tmp_path / "elsewhere")
        status, _, body = ask(port)
        assert status == 503
        assert "study" in body
        (tmp_path / "elsewhere").rename(study.folder)
        assert ask(port)[0] == 200


def test_a_page_is_not_made_anew_more_often_than_it_is_worth(tmp_path, monkeypatch):
    study = trained_at_once(monkeypatch, tmp_path / "study", seeds=1)
    live = live_page(study.folder)
    first = live.page()
    (study.folder / "study.db").touch()
    assert live.page() is first
    monkeypatch.setattr(live_module.time, "monotonic", lambda: live._next + 1)
    assert live.page() is not first


def test_a_run_that_ends_while_the_page_is_made_is_nowhere_in_it(tmp_path, monkeypatch):
    study = trained_at_once(monkeypatch, tmp_path / "study", seeds=1)

    def meanwhile(source):
        trained_at_once(monkeypatch, study.folder, seeds=2)
        return sections(source)

    monkeypatch.setattr("dropstudy.report.sections.sections", meanwhile)
    page = live_page(study.folder).page()
    assert len(read_snapshot(study.folder).progress) == 4
    assert Report.ALL_ENDED.format(2) in page
    assert Report.FINISHED.format(2, 2) in page


def test_a_page_that_takes_long_is_announced_by_an_overview_and_comes_by_itself(study, monkeypatch):
    go_on = threading.Event()

    def read():
        go_on.wait(60)
        return read_snapshot(study.folder)

    monkeypatch.setattr(live_module, "WAIT", 0.01)
    live = LivePage(study.folder, read)
    with serving_pages(live) as port:
        for _ in range(2):
            status, headers, body = ask(port)
            assert status == 200
            assert headers["content-type"].startswith("text/html")
            assert 'http-equiv="refresh" content="1"' in body
            assert ">4/4<" in body.replace("</progress>", ">")
        go_on.set()
        assert 'id="live"' in live.begin().result(60)
        assert 'id="live"' in ask(port)[2]


def test_the_first_page_is_tried_again_after_an_error(study):
    sources = iter([StoreError("study", expected="a disk", received="none"), read_snapshot(study.folder)])

    def read():
        found = next(sources)
        if isinstance(found, Exception):
            raise found
        return found

    live = LivePage(study.folder, read)
    with pytest.raises(StoreError):
        live.begin().result(60)
    with serving_pages(live) as port:
        assert ask(port)[0] == 503
        assert ask(port)[0] == 200
        live.begin().result(60)
        assert ask(port)[0] == 200


def test_a_folder_of_studies_has_a_page_with_all_and_the_page_of_each(study, tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "REST", 0.0)
    made = Index(tmp_path, live_page)
    shutil.copytree(study.folder, tmp_path / "<one>")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.db").write_text("no database" * 99)
    with serving_pages(made) as port:
        body = ask(port)[2]
        assert 'href="0/">&lt;one&gt;</a>' in body
        assert "unreadable" in body
        assert 'href="1/"' not in body
        (tmp_path / "a").mkdir()
        shutil.copytree(study.folder, tmp_path / "a" / "late")
        body = ask(port)[2]
        assert 'href="0/">&lt;one&gt;</a>' in body  # an address stays that of its study
        assert 'href="2/">a/late</a>' in body
        made.part(0).page()
        status, _, page = ask(port, f"{PAGE}0/")
        assert status == 200
        version = json.loads(ask(port, f"{PAGE}0/state")[2])["version"]
        assert f'data-live="{version}"' in page
        assert [ask(port, f"{PAGE}{path}")[0] for path in ("3/", "-1/", "3/state", "x/", "0/study.db")] == [
            404
        ] * 5


@pytest.mark.slow
def test_the_page_in_the_browser_follows_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr(live_module, "REST", 0.0)
    study = trained_at_once(monkeypatch, tmp_path / "study", seeds=2)
    with (
        real_browser() as browser,
        serving(study.folder) as port,
        watched_page(browser, f"http://localhost:{port}/{TICKET}", offline=False) as page,
    ):
        draw_all(page)
        rows = page.locator("#runs tbody tr")
        assert rows.count() == 4
        page.locator("#figure-gap .numbers > summary").click()
        random_results.replace_workers(monkeypatch)
        settings = {"data": "digits", "hidden": [4], "epochs": 3, "rates": [0, 0.5], "validation_split": 300}
        Study("notebook", out=study.folder, seeds=3, **settings).run(verbose=False)
        until(page, f"document.getElementById('live').textContent === '{Report.ALL_ENDED.format(6)}'")
        draw_all(page)
        assert page.complaints == []
        assert page.locator("#figure-gap .numbers").get_attribute("open") is not None
        assert rows.count() == 6
        assert page.locator(".about").inner_text().endswith(Report.FINISHED.format(6, 6))


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(study):
    command = [sys.executable, "-m", "dropstudy", "view", str(study.folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        line = process.stdout.readline()
        port, token = re.match(r"http://127\.0\.0\.1:(\d+)/([\w-]{20,})/$", line).groups()
        assert "being made" in ask(port, f"/{token}/")[2]
        while "being made" in ask(port, f"/{token}/")[2]:
            time.sleep(0.2)
        assert [ask(port, path)[0] for path in ("/", "/state", f"/{token}x/", f"/x/{token}/")] == [404] * 4
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=120)
        assert process.returncode == 0
        assert said.splitlines()[-1] == "Stopped. The page is no longer served."
        assert complaints == ""


def test_a_folder_without_a_study_is_refused_before_anything_listens(tmp_path):
    with pytest.raises(StoreError, match="study"):
        live_page(tmp_path).page()


def test_the_ticket_of_the_browser_leads_to_the_page_once(study):
    with serving(study.folder) as port:
        status, headers, _ = ask(port, f"/{TICKET}")
        assert (status, headers["location"]) == (303, PAGE)
        assert ask(port, f"/{TICKET}")[0] == 404


SERVER = """
import resource, sys
from pathlib import Path
from dropstudy.report.server import Addresses, connections, listen, make_app, make_server
from dropstudy.report.server.live import LivePage
from dropstudy.report.snapshot import read_snapshot

connections.TIMEOUT = 600
folder = Path(sys.argv[1])
live = LivePage(folder, lambda: read_snapshot(folder))
with listen(0) as channel:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    print(channel.getsockname()[1], flush=True)
    make_server(make_app(live, Addresses("the-token", "the-ticket"))).run(sockets=[channel])
"""


def test_eighty_half_open_connections_and_sixty_four_descriptors_keep_nobody_out(study):
    command = [sys.executable, "-c", SERVER, str(study.folder)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,  # noqa: S603 - ours
        ExitStack() as stack,
    ):
        stack.callback(process.kill)
        port = int(process.stdout.readline())
        for _ in range(80):
            channel = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120))
            with suppress(OSError):  # closed already, for one that came later
                channel.sendall(b"GET / HTTP/1.1\r\n")
        assert ask(port, f"{PAGE}state")[0] == 200
        process.terminate()
        assert process.communicate(timeout=120)[1] == ""


def test_where_no_limit_of_open_files_is_known_the_most_connections_are_held():
    script = (
        "import sys; sys.modules['resource'] = None\n"  # as on Windows
        "from dropstudy.report.server import connections; print(connections._most() == connections.MOST)"
    )
    assert run_script(script) == "True\n"


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET"]
)
def test_a_request_that_does_not_come_whole_is_waited_for_no_longer_than_said(study, monkeypatch, sent):
    monkeypatch.setattr(connections, "TIMEOUT", 0.2)
    with serving(study.folder) as port, socket.create_connection(("127.0.0.1", port), timeout=120) as channel:
        channel.sendall(sent)
        with suppress(ConnectionResetError):  # what lay unread is thrown away
            while channel.recv(1000):
                pass
