"""Tables of public platforms next to our own: the store step, and a page among millions of rows.

compare           runs both, and holds the figures against their targets
platform_table    a platform's table with orders of the paper exchange, and the store step on it
stale_pages       a page of the stale query among three million rows, plain and as Prisma has them
"""
