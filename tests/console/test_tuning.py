"""The page about tuning: the curve of a saved report, the plan, and the change of a supervisor."""

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from reconciler.console.tune_report import Picture, read_tune_report
from reconciler.supervisor.sharding import Scaling

from ..cli.fake_control_server import FakeControlServer  # noqa: TID252 - tests are no package
from .processes import RunningConsole, post

REPORT = Path("docs/benchmarks/tune-300-symbols.json").resolve()


@pytest.fixture(scope="module")
def tuned(
    module_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningConsole]:
    """A console that has a report and may act; a supervisor of the test may listen."""
    options = ("--tune", str(REPORT), "--allow-actions", "--by", "ada")
    folder = tmp_path_factory.mktemp("tuned")
    with RunningConsole(*options, environment=module_environment, folder=folder) as running:
        yield running


@pytest.fixture
def tuned_client(tuned: RunningConsole) -> Iterator[httpx.Client]:
    with tuned.signed_in() as client:
        yield client


def test_the_curve_has_each_trial_and_what_to_type(tuned_client: httpx.Client) -> None:
    report = json.loads(REPORT.read_text())
    advice = report["advice"]

    page = tuned_client.get("/tuning").text

    assert page.count("<circle") == len({trial["shards"] for trial in report["trials"]})
    assert page.count("<tr><td") == len(report["trials"])
    assert page.count("recommended</span>") == 1
    assert f"reconciler scale {advice['shards']}</code>" in page
    assert f"RECONCILIATION_SHARDS={advice['shards']}</code>" in page


def test_every_dot_of_the_curve_is_within_the_picture() -> None:
    picture = Picture.of(read_tune_report(REPORT))

    assert all(0 <= dot.x <= 640 and 0 <= dot.y <= 220 for dot in picture.dots)
    assert 0 <= picture.needed_y <= 220


def test_without_a_report_the_page_says_how_to_get_one(client: httpx.Client) -> None:
    assert "reconciler tune --json &gt; tune.json" in client.get("/tuning").text


def test_the_plan_starts_from_the_settings_if_no_supervisor_answers(
    tuned_client: httpx.Client,
) -> None:
    page = tuned_client.get("/tuning", params={"shards": "9"}).text

    assert "The plan starts from RECONCILIATION_SHARDS" in page
    assert "reconciler scale 9</code>" in page
    assert "disabled" in page


@pytest.mark.parametrize("shards", ["0", "65", "-1", "x", "1e3", "9" * 5000, "\u0663", ""])
def test_a_number_of_shards_that_is_none_is_refused(
    tuned_client: httpx.Client, shards: str
) -> None:
    asked = tuned_client.get("/tuning", params={"shards": shards})
    posted = post(tuned_client, "/tuning/scale", {"shards": shards})

    assert (asked.status_code, posted.status_code) == (400, 400)


def test_scaling_says_on_the_page_what_was_planned_and_done_and_records_by_whom(
    tuned: RunningConsole,
    tuned_client: httpx.Client,
    module_environment: dict[str, str],
    ready_database_url: str,
) -> None:
    fields = {"shards": "9", "planned_from": "8"}
    with FakeControlServer(_socket(module_environment), scale=Scaling.between(8, 9)) as supervisor:
        plan = tuned_client.get("/tuning", params={"shards": "9"}).text
        answer = post(tuned_client, "/tuning/scale", fields)
        done = _words(tuned_client.get(answer.headers["Location"]).text)
        supervisor.answers["scale"] = Scaling.between(4, 9)
        late = post(tuned_client, "/tuning/scale", fields).headers["Location"]
        asked = [arguments for command, arguments in supervisor.asked if command == "scale"]
    late_page = _words(tuned_client.get(late).text)
    forged = tuned_client.get("/tuning?shards=9&scaled=99").text

    assert "From 8 to 9 shards: 28 of 256 buckets move (10.9%)." in plan
    assert 'name="planned_from" value="8"' in plan
    assert answer.status_code == 303
    assert "Done by ada at " in done
    assert "from 8 to 9 shards: 28 of 256 buckets move (10.9%). A bucket moves when" in done
    assert "The plan that you saw started from 8: somebody else had changed it" in late_page
    assert "Done by" not in forged
    assert [it for it in asked if "plan" not in it] == [{"shards": 9}, {"shards": 9}]
    assert '"by": "ada"' in tuned.log
    with psycopg.connect(ready_database_url) as connection:
        recorded = connection.execute(
            "SELECT value, changed_by FROM reconciliation_state WHERE key LIKE 'scale.last.%'"
        ).fetchall()
    host = socket.gethostname()
    assert recorded == [({"host": host, "before": 4, "after": 9}, "ada")]


def test_why_nothing_was_scaled_is_said_on_the_page(
    tuned_client: httpx.Client, module_environment: dict[str, str]
) -> None:
    gone = post(tuned_client, "/tuning/scale", {"shards": "9"})
    with FakeControlServer(_socket(module_environment)):
        refused = post(tuned_client, "/tuning/scale", {"shards": "9"})

    assert (gone.status_code, refused.status_code) == (503, 409)
    assert "Nothing was changed: no supervisor answers" in _words(gone.text)
    assert "Nothing was changed, the supervisor refuses it: no command scale" in _words(
        refused.text
    )
    for page in (gone.text, refused.text):
        assert "Change the number of shards" in page
        assert "The database does not answer" not in page


def test_a_supervisor_that_ends_before_its_answer_may_have_scaled(
    tuned_client: httpx.Client, module_environment: dict[str, str]
) -> None:
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as threads:
        listener.bind(str(_socket(module_environment)))
        listener.listen()
        threads.submit(_hang_up, listener, connections=2)
        page = _words(post(tuned_client, "/tuning/scale", {"shards": "9"}).text)
    _socket(module_environment).unlink()

    assert "It is not known whether the supervisor has taken it" in page
    assert "Nothing was changed" not in page


def _socket(environment: dict[str, str]) -> Path:
    return Path(environment["RECONCILIATION_CONTROL_SOCKET"])


def _words(page: str) -> str:
    return " ".join(re.sub("<[^>]+>", "", page).split())


def _hang_up(listener: socket.socket, *, connections: int) -> None:
    """Take a request, and close without an answer, a number of times."""
    for _ in range(connections):
        with listener.accept()[0] as accepted:
            accepted.recv(65_536)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "truncated"),
        ("{}", "missing required field"),
        ('{"trials": 1}', "Expected"),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "tune.json"
    file.write_text(content)

    with pytest.raises(ValueError, match=why):
        read_tune_report(file)
