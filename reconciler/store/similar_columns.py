"""Find the column that the application may have under another name: pure."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

MIN_SIMILARITY = 0.8
"""`average_price` is similar enough to `avg_price`; `price`, a limit price, is not."""

_SYNONYMS = {
    "id": "order_id orderid oid uuid order_uuid gid pk",
    "symbol": "trading_pair currency_pair trading_symbol market_symbol pair instrument ticker"
    " market product instrument_id product_id market_id pair_id symbol_id trading_pair_id"
    " currency_pair_id market_name pair_name instrument_name symbol_name coin",
    "external_order_id": "exchange_order_id external_id venue_order_id exchange_id venue_id"
    " broker_order_id broker_id ext_id ext_order_id remote_id remote_order_id ex_order_id"
    " exch_order_id exchange_oid exchange_order_no exchange_ref external_ref vendor_order_id",
    "status": "state order_status order_state last_status current_status stage",
    "executed_qty": "filled_qty filled filled_quantity executed_quantity executed cum_qty"
    " cumulative_qty cumulative_quantity filled_amount executed_amount amount_filled filled_size"
    " executed_size executed_volume filled_volume vol_exec filled_base qty_done qty_filled"
    " quantity_filled cum_exec_qty cum_filled_qty size_filled",
    "avg_price": "average_price average avg_fill_price average_fill_price fill_price avg_px"
    " price_avg executed_price avg avg_fill average_px vwap average_filled_price avg_filled_price"
    " filled_avg_price avg_executed_price average_executed_price avg_exec_price",
    "last_synced_at": "synced_at last_sync last_sync_at last_checked_at checked_at last_synced"
    " sync_time last_reconciled_at reconciled_at",
    "created_at": "created inserted_at creation_time create_time placed_at created_time"
    " creation_timestamp created_on date_created order_date order_time ts_init submitted_at",
    "updated_at": "updated modified_at update_time updated_time changed_at last_updated"
    " last_updated_at last_update_timestamp updated_on date_updated order_update_date",
    "qty": "quantity order_qty order_quantity orig_qty original_qty original_quantity origin_volume"
    " original_volume original_amount amount size order_size volume base_amount initial_quantity",
    "side": "order_side trade_type direction trade_side",
    "client_order_id": "client_oid cl_ord_id client_order_ref custom_order_id",
}


def rank_as(name: str, column: str, *, parts: Sequence[str] = ()) -> int | None:
    """Return how well a column's name says that it is `name`, 0 for the same; None if it does not.

    `parts` are the words of the column's name, if they are not those that it is spelled with.
    """
    theirs = "_".join(parts or split_name(column))
    if theirs == name:
        return 0
    synonyms = _SYNONYMS.get(name, "").split()
    return synonyms.index(theirs) + 1 if theirs in synonyms else None


def similar_columns(name: str, columns: Iterable[str]) -> list[str]:
    """Return the columns of a table that may be what we call `name`, as they are spelled there.

    A column with another of our names is not among them.
    """
    return [one for one in columns if one not in _SYNONYMS and _is_similar(name, one)]


def _is_similar(name: str, column: str) -> bool:
    ours, theirs = split_name(name), split_name(column)
    if "_".join(theirs) in _SYNONYMS.get(name, "").split() or sorted(ours) == sorted(theirs):
        return True
    similarity = SequenceMatcher(None, "".join(ours), "".join(theirs)).ratio()
    return similarity >= MIN_SIMILARITY


def split_name(name: str) -> list[str]:
    """Split a name into words: `avgPrice`, `avg_price` and `AVG PRICE` give the same."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [part for part in re.split(r"[\W_]+", spaced.lower()) if part]
