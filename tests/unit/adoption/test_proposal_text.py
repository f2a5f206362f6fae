"""The text of a proposal says what was proposed, whatever the names are."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.adoption.config_text import read_orders_text, without_orders
from reconciler.adoption.draft import Place
from reconciler.adoption.proposal import propose
from reconciler.adoption.toml_text import WIDTH, write_proposal
from reconciler.config_file.orders import Columns, OrdersConfig
from reconciler.config_file.sql_text import TableName
from reconciler.errors import ConfigurationError

from .builders import a_sample, a_table, proposal_for

HOSTILE = (
    'a"b',
    "a.b",
    "a;b--",
    "a:b%s",
    "select",
    "замовлення",
    "注文",
    "x" * 63,
    "a\nb",
    "a\\b",
    "it's",
    "'\"\\",
    "{braces} [brackets] #",
    "a\u2028b",
)
NAMES = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15),
).filter(str.strip)
"""A file cannot name a column that is all blanks."""

OTHER_COLUMNS = {"filled": "numeric", "is_open": "boolean", "venue": "text"}
COLUMN_NAMES = NAMES.filter(lambda name: name.casefold() not in OTHER_COLUMNS)


def read(text: str) -> OrdersConfig:
    config, problems = read_orders_text(text, name="reconciler.toml")
    assert problems == []
    assert config is not None
    return config


def same_columns(config: OrdersConfig) -> OrdersConfig:
    """Return what a file says itself: what it does not name depends on the table."""
    named = config.columns.named
    columns = Columns(**{key: getattr(config.columns, key) for key in named}, named=named)
    return replace(config, columns=columns)


@settings(max_examples=150)
@given(
    names=st.lists(COLUMN_NAMES, min_size=5, max_size=5, unique_by=str.casefold),
    schema=st.none() | NAMES,
    words=st.lists(NAMES | st.sampled_from(["", " ", "0"]), min_size=2, max_size=4, unique=True),
    symbol=NAMES,
    exchange=NAMES,
)
@example(
    names=["id", "symbol", "ext", "volume", "orders"],
    schema=None,
    words=["a", "b"],
    symbol="x",
    exchange="y",
)
@example(
    names=["id", "client_oid", "ext", "created", "orders"],
    schema=None,
    words=["a", "b"],
    symbol="x",
    exchange="y",
)
def test_a_text_is_read_as_what_was_proposed_whatever_the_names_are(
    *, names: list[str], schema: str | None, words: list[str], symbol: str, exchange: str
) -> None:
    keys = ("id", "symbol", "external_order_id", "status")
    table = a_table(dict.fromkeys(names[:4], "text") | OTHER_COLUMNS)
    table = replace(
        table, relation=replace(table.relation, table=TableName(schema=schema, name=names[4]))
    )
    answers: dict[Place, str] = {
        **{("columns", key): name for key, name in zip(keys, names, strict=False)},
        **{("statuses", word): "filled" for word in words},
        ("statuses", words[0]): "open",
        ("statuses", "write", "filled"): words[-1],
        ("where",): exchange,
    }
    rows = [
        {names[1]: symbol, names[3]: word, "is_open": str(word == words[0]).lower(), "venue": venue}
        for word in [*words, "write"]
        for venue in (exchange, "another")
    ]

    proposal = propose(
        table, a_sample(table, rows, answers=answers), exchange="binance", answers=answers
    )
    config = read(write_proposal(proposal))

    assert same_columns(config) == same_columns(proposal.config)


def test_each_reason_is_a_comment_and_no_line_is_wide() -> None:
    text = write_proposal(proposal_for({"created_at": "timestamp without time zone"}))

    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert 'FILLED = "filled"  # 1 row' in lines
    assert any(line.startswith("# created_at has no time zone") for line in lines)


def test_what_must_be_filled_in_is_a_line_that_no_command_accepts() -> None:
    proposal = proposal_for({"filled": "bigint"})

    config, problems = read_orders_text(write_proposal(proposal), name="reconciler.toml")

    assert config is None
    assert len(problems) == 1
    assert "executed_qty.scale" in problems[0].what


EXISTING = """\
# Ours.
[settings]
interval_ms = 30000   # slow

[orders]
table = "old"

[orders.columns]
id = "x"

[ "orders" . statuses ]
A = "open"

[other]
x = 1
"""


def test_only_the_orders_of_an_existing_file_are_replaced() -> None:
    kept = without_orders(EXISTING, name="reconciler.toml")

    assert kept == "# Ours.\n[settings]\ninterval_ms = 30000   # slow\n\n[other]\nx = 1"


@pytest.mark.parametrize(
    "text",
    ['orders = { table = "x" }', 'note = """\n[orders]\n"""\n', "this is no TOML"],
    ids=["inline", "in a text", "no TOML"],
)
def test_a_file_whose_orders_cannot_be_told_from_the_rest_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigurationError):
        without_orders(text, name="reconciler.toml")
