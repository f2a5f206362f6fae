import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from reconciler.telemetry.logs import LogFormat, configure_logs
from reconciler.telemetry.redact import register_secrets

SECRET = "q7Zp/x+w9=K2"
PASSWORD = "ab12"  # registered nowhere
FORMATS: list[LogFormat] = ["console", "json"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()
    register_secrets([])


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log() -> Any:
    return structlog.get_logger("reconciler.test")


def only_line(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_a_line_carries_time_level_logger_process_and_context(
    stream: io.StringIO, log: Any
) -> None:
    configure_logs("INFO", "json", context={"shard": 3}, stream=stream)

    log.info("cycle_done", scanned=200)

    line = only_line(stream)
    age = datetime.now(UTC) - datetime.fromisoformat(line.pop("timestamp"))
    assert abs(age.total_seconds()) < 60
    assert line == {
        "event": "cycle_done",
        "level": "info",
        "logger": "reconciler.test",
        "pid": os.getpid(),
        "shard": 3,
        "scanned": 200,
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "sqlalchemy", "asyncio"])
def test_standard_loggers_write_the_same_lines(
    stream: io.StringIO, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger(name)
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, logging.NullHandler()])
    configure_logs("INFO", "json", context={"shard": 3}, stream=stream)

    logging.getLogger(name).warning("%s of %d", "two", 3)

    line = only_line(stream)
    assert line["event"] == "two of 3"
    assert (line["level"], line["logger"], line["shard"]) == ("warning", name, 3)
    assert line["pid"] == os.getpid()


def test_python_warnings_become_log_lines(stream: io.StringIO) -> None:
    configure_logs("INFO", "json", stream=stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)

    line = only_line(stream)
    assert line["logger"] == "py.warnings"
    assert "old ways" in line["event"]


def test_events_below_the_level_are_not_written(stream: io.StringIO, log: Any) -> None:
    configure_logs("WARNING", "json", stream=stream)

    log.info("quiet")
    logging.getLogger("asyncio").info("quiet")

    assert stream.getvalue() == ""


def test_a_filtered_call_renders_nothing(stream: io.StringIO, log: Any) -> None:
    class Costly:
        def __repr__(self) -> str:
            pytest.fail("rendered")

    configure_logs("INFO", "json", stream=stream)

    log.debug("state %s", Costly(), value=Costly())


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
@pytest.mark.parametrize("name", ["httpx", "httpcore"])
def test_the_http_client_is_kept_at_warning_at_least(
    stream: io.StringIO, level: str, name: str
) -> None:
    configure_logs(level, "json", stream=stream)

    logging.getLogger(name).info("HTTP Request: GET ...")

    assert stream.getvalue() == ""
    assert logging.getLogger(name).isEnabledFor(logging.WARNING) is (level != "ERROR")


def test_a_later_call_replaces_the_earlier_one(stream: io.StringIO, log: Any) -> None:
    configure_logs("ERROR", "json", stream=io.StringIO())
    log.info("before")

    configure_logs("INFO", "json", stream=stream)
    log.info("after")

    assert only_line(stream)["event"] == "after"


@pytest.mark.parametrize(
    ("no_color", "is_coloured"),
    [(None, True), ("", True), ("1", False)],
    ids=["as it is", "with an empty NO_COLOR", "with NO_COLOR"],
)
def test_without_a_format_a_terminal_gets_console_lines(
    monkeypatch: pytest.MonkeyPatch, log: Any, no_color: str | None, *, is_coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    terminal = Terminal()
    configure_logs("INFO", None, stream=terminal)

    log.info("cycle_done")

    assert "cycle_done" in terminal.getvalue()
    assert ("\x1b[" in terminal.getvalue()) is is_coloured


def test_without_a_format_a_file_gets_json(stream: io.StringIO, log: Any) -> None:
    configure_logs("INFO", None, stream=stream)

    log.info("cycle_done")

    assert only_line(stream)["event"] == "cycle_done"


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("make_stream", [io.StringIO, Terminal], ids=["file", "terminal"])
def test_no_planted_secret_reaches_the_log(
    log_format: LogFormat, make_stream: type[io.StringIO], log: Any
) -> None:
    stream = make_stream()
    configure_logs("DEBUG", log_format, secrets=[SecretStr(SECRET)], stream=stream)

    log.info("in the message " + SECRET)  # noqa: G003 - a mistake that will be made
    log.info("as an argument %s", SECRET)
    log.info("value", detail=SECRET, nested={"a": [{"b": (SECRET,)}]}, raw=SECRET.encode())
    log.info("named", api_key="ab12", nested=[{"token": "ab12"}])
    log.info("bound", context=structlog.get_logger().bind(detail=SECRET))
    logging.getLogger("httpx").warning("GET %s", "https://h/x?a=1&signature=ab12&b=2")
    logging.getLogger("uvicorn.error").error("headers: %r", {"X-MBX-APIKEY": "ab12"})

    written = stream.getvalue()
    assert written.count("***") >= 7
    assert "q7Zp" not in written
    assert "ab12" not in written


def refuse(detail: object) -> None:
    raise LookupError(detail)


def refuse_because_of_a_refusal() -> None:
    try:
        refuse(SECRET)
    except LookupError as error:
        error.add_note("asked https://h/x?q=q7Zp%2Fx%2bw9%3DK2&signature=ab12")
        raise RuntimeError({"password": PASSWORD}) from ExceptionGroup("all of them", [error])


@pytest.mark.parametrize("log_format", FORMATS)
def test_no_planted_secret_reaches_a_traceback(
    log_format: LogFormat, stream: io.StringIO, log: Any
) -> None:
    configure_logs("INFO", log_format, secrets=[SecretStr(SECRET)], stream=stream)

    try:
        refuse_because_of_a_refusal()
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("asyncio").exception("failed too")

    written = stream.getvalue()
    assert written.count("RuntimeError") >= 2
    assert written.count("LookupError") >= 2
    assert written.count("signature=***") == 2
    assert "q7Zp" not in written
    assert "ab12" not in written


@pytest.mark.parametrize("log_format", FORMATS)
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    secret=st.text(
        # No digits: a number that is part of each line may hold them, and be right to.
        st.characters(codec="utf-8", exclude_categories=("C", "Z", "N"), exclude_characters="*"),
        min_size=6,
    ).filter(lambda text: text not in "warning reconciler.test timestamp logger"),
)
def test_no_secret_whatever_reaches_the_log(log_format: LogFormat, secret: str, log: Any) -> None:
    stream = io.StringIO()
    configure_logs("INFO", log_format, secrets=[SecretStr(secret)], stream=stream)

    log.warning("it is %s", secret, nested=[secret])
    try:
        refuse(secret)
    except LookupError:
        log.exception("failed")

    written = stream.getvalue()
    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    assert repr(secret)[1:-1] not in written


def test_json_stays_json_when_something_is_masked(stream: io.StringIO, log: Any) -> None:
    configure_logs("INFO", "json", secrets=[SecretStr('a"b\\c+d')], stream=stream)

    log.info('body {"api_key": "x\\"y"}', detail='a"b\\c+d', header={"Authorization": "Basic x"})

    line = only_line(stream)
    assert line["detail"] == "***"
    assert line["header"] == {"Authorization": "***"}


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_call_with_wrong_arguments_loses_its_line_and_no_secret(
    log_format: LogFormat, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", log_format, secrets=[SecretStr(SECRET)], stream=stream)

    logging.getLogger("uvicorn.error").error("%s %s", SECRET)  # noqa: PLE1206 - the mistake itself

    assert "was lost" in stream.getvalue()
    assert SECRET not in stream.getvalue()
    assert capsys.readouterr().err == ""
