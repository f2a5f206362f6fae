"""What a venue offers to a plan: its look-ups and lists with their prices, as data.

A price is what one request takes from the limit that ends first in a long search. Where every
request takes the same, it is 1.

    QUERIES = VenueQueries(
        places=(Place(one_order=1), Place(one_order=1)),                 realtime, then history
        open_list=PagedList(page_size=50, of_symbol=1, of_all=1),
        ended_list=PagedList(page_size=50, of_symbol=1, of_all=1),
    )
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place in which orders are looked up by their ids.

    Attributes:
        one_order: The price of `GetOrder`; None if only `ManyOrders` looks here.
        many_orders: The price of `ManyOrders`; None if the venue has no such request.
        batch: The most orders of one `ManyOrders`.
        is_of_symbol: True if the orders of one `ManyOrders` must be of one symbol.
    """

    one_order: int | None = None
    many_orders: int | None = None
    batch: int = 1
    is_of_symbol: bool = False

    def __post_init__(self) -> None:
        if self.one_order is None and self.many_orders is None:
            raise ValueError("a place needs the price of one order or of many")
        if self.batch < 1:
            raise ValueError("a batch has one order at least")


@dataclass(frozen=True, kw_only=True, slots=True)
class PagedList:
    """A list of orders that comes in pages, each found by the cursor of the page before.

    Attributes:
        page_size: The most orders of a page; None if the list comes as a whole.
        of_symbol: The price of a page for one symbol; None if the venue does not filter by symbol.
        of_all: The price of a page for all symbols; None if the venue wants a symbol.
    """

    page_size: int | None
    of_symbol: int | None = None
    of_all: int | None = None

    def __post_init__(self) -> None:
        if self.of_symbol is None and self.of_all is None:
            raise ValueError("a list needs the price of a page")
        if self.page_size is not None and self.page_size < 1:
            raise ValueError("a page has one order at least")


@dataclass(frozen=True, kw_only=True, slots=True)
class VenueQueries:
    """Everything that a venue can be asked about orders.

    Attributes:
        places: Where orders are looked up by id, in this order. Orders move from an earlier place
            to a later one, never back; one that is in none of them does not exist.
        open_list: The list of open orders, if there is one.
        ended_list: The list of ended orders, the newest first, if there is one.
    """

    places: tuple[Place, ...]
    open_list: PagedList | None = None
    ended_list: PagedList | None = None

    def __post_init__(self) -> None:
        if not self.places:
            raise ValueError("a venue needs a place in which orders are looked up")
