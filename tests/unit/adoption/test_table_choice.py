"""Which of a database's tables has the orders."""

from reconciler.adoption.tables import clear_choice, find_candidates
from reconciler.store.discovery import Relation

from .builders import a_relation

ORDERS = ("id", "symbol", "exchange_order_id", "status", "filled", "side", "quantity", "price")
FILLS = ("id", "order_id", "symbol", "price", "quantity", "side")


def chosen(*relations: Relation) -> list[str]:
    return [one.relation.table.name for one in find_candidates(relations)]


def test_the_table_of_orders_is_found_among_others() -> None:
    relations = [
        a_relation("fills", columns=FILLS),
        a_relation("users", columns=("id", "name", "status")),
        a_relation("orders", columns=ORDERS),
        a_relation("order_history", columns=ORDERS),
        a_relation("reconciliation_holds", columns=ORDERS),
    ]

    candidates = find_candidates(relations)

    found = clear_choice(candidates)
    assert found is not None
    assert found.relation.table.name == "orders"
    assert "reconciliation_holds" not in chosen(*relations)


def test_two_tables_that_look_alike_are_a_question() -> None:
    candidates = find_candidates(
        [a_relation("orders", columns=ORDERS), a_relation("trading_orders", columns=ORDERS)]
    )

    assert len(candidates) == 2
    assert clear_choice(candidates) is None


def test_a_table_goes_before_the_view_over_it() -> None:
    relations = [
        a_relation("all_orders", columns=ORDERS, kind="v"),
        a_relation("orders", columns=ORDERS),
    ]

    assert chosen(*relations) == ["orders", "all_orders"]


def test_a_database_without_orders_has_no_candidate() -> None:
    assert find_candidates([a_relation("fills", columns=FILLS)]) == []
