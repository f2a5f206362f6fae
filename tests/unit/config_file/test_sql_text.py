"""SQL in the file is refused where it would mean something else inside a statement of ours."""

import pytest

from reconciler.config_file.sql_text import condition_flaws, query_flaws

PAIRS = "SELECT name FROM pairs WHERE id = :value"


@pytest.mark.parametrize(
    "condition",
    [
        "deleted_at IS NULL",
        "name = 'a;b--c' AND note LIKE '100%%' AND NOT is_paper",
        "name = 'it''s' OR name = E'it\\'s; $1'",
        '"odd;name" = 1 AND "a""b" = $tag$ ; -- $tag$ AND c = $$(:x$$',
        "created_at > now() - interval '1 day' AND tags[1] = 'a'::text",
        "meta->>'venue' = 'binance' AND meta ? 'id' AND a - -1 > 0",
        "(a OR (b AND c))",
    ],
)
def test_a_condition_may_have_what_is_inside_of_texts_and_names(condition: str) -> None:
    assert condition_flaws(condition) == []


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ("true; DROP TABLE orders", "semicolon"),
        ("true -- ", "comment"),
        ("true /* ", "comment"),
        ("id = $1", "parameter"),
        ("id = :id", "parameter"),
        ("true) OR (true", "brackets"),
        ("(true", "brackets"),
        ("(a[1)]", "brackets"),
        ("name = 'a", "quote"),
        ('"name = 1', "quote"),
        ("name = E'a\\'", "quote"),
        ("name = $a$ b $c$", "quote"),
        ("name = $$ b", "quote"),
    ],
)
def test_a_condition_that_leaves_its_place_is_refused(condition: str, what: str) -> None:
    assert what in "".join(flaw.what for flaw in condition_flaws(condition))


@pytest.mark.parametrize(
    "query",
    [
        PAIRS,
        f"\n  {PAIRS.lower()}\n",
        "SELECT (SELECT code FROM coins WHERE id = base) || ':x' FROM pairs WHERE id = :value::int",
    ],
)
def test_a_query_may_be_any_select_with_the_key(query: str) -> None:
    assert query_flaws(query) == []


@pytest.mark.parametrize(
    ("query", "whats"),
    [
        ("SELECT name FROM pairs", ["no :value"]),
        ("SELECT ':value'", ["no :value"]),
        (f"{PAIRS};", ["semicolon"]),
        (f"{PAIRS}; COMMIT", ["semicolon"]),
        (f"{PAIRS} FOR UPDATE", ["more than read"]),
        (f"{PAIRS} FOR NO KEY UPDATE", ["more than read"]),
        ("SELECT name INTO x FROM pairs WHERE id = :value", ["more than read"]),
        ("UPDATE pairs SET a = 1 WHERE id = :value RETURNING name", ["no SELECT"]),
        ("WITH x AS (DELETE FROM a) SELECT 1 FROM x WHERE id = :value", ["no SELECT"]),
        ("SELECT name FROM pairs WHERE id = :value AND kind = :kind", ["parameter"]),
        ('"select" :value', ["no SELECT"]),
        ("", ["no SELECT", "no :value"]),
    ],
)
def test_a_query_that_is_not_one_select_is_refused(query: str, whats: list[str]) -> None:
    found = [flaw.what for flaw in query_flaws(query)]

    assert len(found) == len(whats)
    assert all(what in one for what, one in zip(whats, found, strict=True))
