"""What must not get through is refused by the gate, on every route, by a real server."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from reconciler.console.gate import Gate
from reconciler.console.options import ConsoleOptions
from reconciler.console.pages import PAGES
from reconciler.console.server import new_console
from reconciler.console.sessions import MOST_WRONG_KEYS
from reconciler.console.static_files import StaticFiles
from reconciler.settings import Settings

from .conftest import StartConsole
from .processes import RunningConsole, post, sign_in, token_of

KEY = "the-key-of-these-tests"


def _paths(method: str) -> list[str]:
    """Return the paths of all pages for a method, with a value for each parameter."""
    routes = [route for page in PAGES for route in page.routes]
    found = [route.path for route in routes if method in (route.methods or ())]
    return [re.sub(r"{[^}]*}", "1", path) for path in found]


def _post_paths() -> list[str]:
    return [*_paths("POST"), "/what-a-later-page-may-have"]


@pytest.mark.parametrize("path", _paths("GET"))
def test_each_page_needs_a_session_and_answers_with_one(
    console: RunningConsole, client: httpx.Client, path: str
) -> None:
    with console.client() as stranger:
        refused = stranger.get(path)

    assert refused.status_code == 401
    assert "Sign in" in refused.text
    if path != "/events":
        assert client.get(path).status_code < 500


@pytest.mark.parametrize("path", _post_paths())
def test_each_post_is_refused_while_the_console_is_read_only(
    client: httpx.Client, path: str
) -> None:
    answer = post(client, path)

    assert answer.status_code == 403
    assert "read-only" in answer.text
    assert "reconciler console --allow-actions --by NAME" in answer.text


@pytest.mark.parametrize("path", [*_post_paths(), "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_each_post_of_a_foreign_page_is_refused(
    acting_client: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    answer = post(acting_client, path, headers=headers)

    assert answer.status_code == 403
    assert "Another site sent this" in answer.text


@pytest.mark.parametrize("path", [*_post_paths(), "/sign-out"])
@pytest.mark.parametrize("token", ["", "0" * 64], ids=["none", "wrong"])
def test_each_post_without_the_token_of_its_session_is_refused(
    acting_client: httpx.Client, path: str, token: str
) -> None:
    fields = {"token": token} if token else {"reason": "x"}

    answer = post(acting_client, path, fields, token="")

    assert answer.status_code == 403
    assert "does not belong to this session" in answer.text


@pytest.mark.parametrize("path", _post_paths())
def test_each_post_needs_a_session(acting_console: RunningConsole, path: str) -> None:
    with acting_console.client() as stranger:
        assert post(stranger, path, token="").status_code == 401


def test_the_token_of_another_session_is_refused(acting_console: RunningConsole) -> None:
    with acting_console.signed_in() as one, acting_console.signed_in() as other:
        answer = post(one, "/sign-out", token=token_of(other))

    assert answer.status_code == 403


def test_a_post_without_a_browsers_headers_counts_only_with_our_own_origin(
    acting_console: RunningConsole, acting_client: httpx.Client
) -> None:
    origin = acting_console.url.rstrip("/")
    form = {"token": token_of(acting_client)}

    nothing = acting_client.post("/sign-out", data=form)
    foreign = acting_client.post("/sign-out", data=form, headers={"Origin": "http://127.0.0.1:1"})
    ours = acting_client.post("/sign-out", data=form, headers={"Origin": origin})

    assert (nothing.status_code, foreign.status_code, ours.status_code) == (403, 403, 303)


def test_a_form_that_is_too_large_or_none_is_refused(acting_client: httpx.Client) -> None:
    token = token_of(acting_client)

    large = post(acting_client, "/sign-out", {"x": "x" * 300_000}, token=token)
    json = acting_client.post(
        "/sign-out", json={"token": token}, headers={"Sec-Fetch-Site": "same-origin"}
    )

    assert (large.status_code, json.status_code) == (413, 415)


def test_a_host_that_is_not_ours_is_refused(console: RunningConsole, client: httpx.Client) -> None:
    port = urlsplit(console.url).port
    ours = [f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"]
    foreign = [f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil.example:{port}"]

    answers = {host: client.get("/", headers={"Host": host}) for host in [*ours, *foreign]}

    assert [answers[host].status_code for host in ours] == [200] * len(ours)
    assert [answers[host].status_code for host in foreign] == [403] * len(foreign)
    assert "does not answer under this name" in answers[foreign[0]].text


def test_other_methods_and_long_addresses_are_refused(client: httpx.Client) -> None:
    assert client.put("/").status_code == 405
    assert client.get("/", params={"q": "x" * 9000}).status_code == 414


def test_an_address_without_a_page_is_answered_with_a_page_that_says_so(
    client: httpx.Client,
) -> None:
    unknown = client.get("/no/such/page")

    assert unknown.status_code == 404
    assert "The console has no page at this address." in unknown.text


def test_every_answer_forbids_what_no_page_needs(client: httpx.Client) -> None:
    for answer in (client.get("/"), client.get("/nowhere"), client.put("/")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in answer.headers


def test_the_printed_key_signs_in_once_and_leaves_the_address_bar(
    console: RunningConsole,
) -> None:
    address = console.new_sign_in_url()
    with console.client() as one, console.client() as other:
        first = sign_in(one, address)
        second = sign_in(other, address)

        assert (first.status_code, first.headers["Location"]) == (303, "/")
        cookie = first.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert one.get("/").status_code == 200
        assert second.status_code == 403
        assert "used already" in second.text
        assert "Set-Cookie" not in second.headers or "sign-in" in second.headers["Set-Cookie"]


def test_no_other_site_can_keep_a_person_from_signing_in(start_console: StartConsole) -> None:
    console = start_console(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", RECONCILIATION_CONSOLE_KEY=KEY
    )
    with console.client() as client:
        for _ in range(2 * MOST_WRONG_KEYS):
            image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
            assert client.get("/sign-in?key=x", headers=image).status_code == 403

        token, _ = _form(client.get("/").text)
        assert post(client, "/sign-in", {"key": KEY}, token=token).status_code == 303
        assert sign_in(client, console.new_sign_in_url()).status_code == 303


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_what_only_asks_for_the_printed_address_does_not_use_its_key_up(
    console: RunningConsole, method: str
) -> None:
    address = console.new_sign_in_url()
    with console.client() as preview, console.client() as person:
        previewed = preview.request(method, address)

        assert previewed.status_code == 200
        assert preview.get("/").status_code == 401
        assert sign_in(person, address).status_code == 303
        assert person.get("/").status_code == 200


def test_a_newer_key_makes_the_former_one_void(console: RunningConsole) -> None:
    former, newer = console.new_sign_in_url(), console.new_sign_in_url()

    with console.client() as client:
        assert [sign_in(client, it).status_code for it in (former, newer)] == [403, 303]


def test_signing_out_ends_the_session(console: RunningConsole) -> None:
    with console.signed_in() as client:
        cookies = dict(client.cookies)
        assert post(client, "/sign-out").status_code == 303

        client.cookies.update(cookies)
        assert client.get("/").status_code == 401


def test_the_configured_key_signs_in_and_leads_on_to_the_page_that_was_asked_for(
    acting_console: RunningConsole,
) -> None:
    with acting_console.client() as client:
        asked = client.get("/?reason=x")
        token, path = _form(asked.text)
        wrong = post(client, "/sign-in", {"key": "wrong", "next": path}, token=token)
        right = post(client, "/sign-in", {"key": KEY, "next": path}, token=token)

        assert (asked.status_code, wrong.status_code, right.status_code) == (401, 403, 303)
        assert right.headers["Location"] == "/?reason=x"
        assert client.get("/").status_code == 200
        assert KEY not in acting_console.log


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", ""]
)
def test_signing_in_never_leads_to_another_site(acting_console: RunningConsole, path: str) -> None:
    with acting_console.client() as client:
        token, _ = _form(client.get("/").text)
        answer = post(client, "/sign-in", {"key": KEY, "next": path}, token=token)

        assert answer.headers["Location"] == "/"


def test_many_wrong_keys_make_everybody_wait(start_console: StartConsole) -> None:
    console = start_console(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", RECONCILIATION_CONSOLE_KEY=KEY
    )
    with console.client() as client:
        token, _ = _form(client.get("/").text)
        tries = [post(client, "/sign-in", {"key": "x"}, token=token) for _ in range(10)]
        then = post(client, "/sign-in", {"key": KEY}, token=token)

    assert {answer.status_code for answer in tries} == {403}
    assert then.status_code == 429


@pytest.fixture(scope="module")
def proxied(
    module_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningConsole]:
    options = ("--base-path", "/ops/x/", "--public-origin", "https://ops.example.com")
    folder = tmp_path_factory.mktemp("proxied")
    with RunningConsole(*options, environment=module_environment, folder=folder) as running:
        yield running


def test_behind_a_proxy_addresses_have_its_path_and_cookies_are_secure(
    proxied: RunningConsole,
) -> None:
    address = urlsplit(proxied.new_sign_in_url())
    host = {"Host": "ops.example.com"}
    with httpx.Client(base_url=_local_url(proxied), trust_env=False) as client:
        asked = client.get(f"{address.path}?{address.query}", headers=host)
        token, once = (it.partition('"')[0] for it in asked.text.split(' value="')[1:])
        nonce = {"Cookie": asked.headers["Set-Cookie"].partition(";")[0]}
        signed_in = post(
            client, address.path, {"once": once}, token=token, headers={**host, **nonce}
        )
        cookie = signed_in.headers["Set-Cookie"]
        session = {"Cookie": cookie.partition(";")[0], **host}
        page = client.get("/ops/x/", headers=session)
        stripped = client.get("/", headers=session)

    assert address.netloc == "ops.example.com"
    assert address.path == "/ops/x/sign-in"
    assert signed_in.headers["Location"] == "/ops/x/"
    assert "Secure" in cookie
    assert "Path=/ops/x" in cookie
    assert page.status_code == stripped.status_code == 200
    addresses = re.findall(r'(?:href|src|action|data-events)="([^"#]*)"', page.text)
    assert addresses
    assert [it for it in addresses if not it.startswith("/ops/x/")] == []


async def test_a_bug_of_a_page_is_shown_without_its_traceback(database_url: str) -> None:
    settings = Settings.load(database_url=database_url)
    options = ConsoleOptions(host="127.0.0.1", port=0)
    console = new_console(settings, options, 80, StaticFiles())

    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("the-secret-of-the-page")

    transport = httpx.ASGITransport(Gate(fail, console=console))
    cookie = {"Cookie": f"{console.cookie_name}={console.sessions.begin()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/", headers=cookie)

    assert answer.status_code == 500
    assert "This page has failed" in answer.text
    assert "the-secret-of-the-page" not in answer.text
    assert "Traceback" not in answer.text


def _local_url(console: RunningConsole) -> str:
    """Return where a console behind a proxy really listens."""
    return f"http://127.0.0.1:{console.announced['port']}"


def _form(text: str) -> tuple[str, str]:
    """Return the token and the next path of the sign-in form."""
    token = re.search(r'name="token" value="([^"]+)"', text)
    path = re.search(r'name="next" value="([^"]*)"', text)
    assert token
    assert path
    return token[1], path[1]
