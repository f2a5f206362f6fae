"""Choose the cheapest requests that report every wanted order. Pure: it sends nothing.

queries         what an exchange can be asked, in words that every venue shares
protocol        what `reconciler.exchanges.order_search` needs of a plan
ascending_ids   the plan of a venue that lists a symbol's orders from an id on: Binance
offer           what a venue of the second kind offers, as data
any_ids         the plan of every other venue: `AnyIds(queries=QUERIES)`, QUERIES as in `offer`
"""
