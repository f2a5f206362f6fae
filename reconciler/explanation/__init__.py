"""Why an order is, or is not, being reconciled: for the command line and the console.

snapshot            the state of an order now, from the database and the supervisor
answer              one sentence about it, and the facts behind it
row_and_report      what a held row said, and what the exchange says
"""
