"""Find the column that the application may have under another name: pure."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

MIN_SIMILARITY = 0.8
"""`average_price` is similar enough to `avg_price`; `price`, a limit price, is not."""

_SYNONYMS = {
    "id": "order_id orderid oid uuid order_uuid",
    "symbol": "market pair instrument ticker trading_pair currency_pair product product_id"
    " market_id instrument_id coin",
    "external_order_id": "exchange_order_id external_id exchange_id venue_order_id venue_id"
    " broker_order_id broker_id ext_id ext_order_id remote_id remote_order_id ex_order_id",
    "status": "state order_status order_state stage",
    "executed_qty": "filled_qty filled filled_quantity executed_quantity executed cum_qty"
    " cumulative_qty cumulative_quantity filled_amount executed_amount amount_filled filled_size"
    " executed_size executed_volume vol_exec filled_base qty_done",
    "avg_price": "average_price average avg_fill_price average_fill_price fill_price avg_px"
    " price_avg executed_price avg avg_fill",
    "last_synced_at": "synced_at last_sync last_sync_at last_checked_at checked_at last_synced"
    " sync_time last_reconciled_at reconciled_at",
    "created_at": "created inserted_at creation_time create_time placed_at",
    "updated_at": "updated modified_at update_time",
}


def similar_columns(name: str, columns: Iterable[str]) -> list[str]:
    """Return the columns of a table that may be what we call `name`, as they are spelled there.

    A column with another of our names is not among them.
    """
    return [one for one in columns if one not in _SYNONYMS and _is_similar(name, one)]


def _is_similar(name: str, column: str) -> bool:
    ours, theirs = _parts(name), _parts(column)
    if "_".join(theirs) in _SYNONYMS.get(name, "").split() or sorted(ours) == sorted(theirs):
        return True
    similarity = SequenceMatcher(None, "".join(ours), "".join(theirs)).ratio()
    return similarity >= MIN_SIMILARITY


def _parts(name: str) -> list[str]:
    """Split a name into words: `avgPrice`, `avg_price` and `AVG PRICE` give the same."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [part for part in re.split(r"[\W_]+", spaced.lower()) if part]
