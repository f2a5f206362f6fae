"""The only package that speaks to PostgreSQL: the application's `orders`, and our own tables.

The work on a batch:

    stale, stale_statements
                        find the stale orders: a scan, then page by page
    compare_and_set, compare_and_set_statement
                        write what was decided where the rows are still the same, in one
                        statement
    order_writer        lock, decide and write the rest; only these two write `orders`
    order_rows          the locked rows, each with its hold
    batch_writes        a batch's decisions as parameters,
    write_statement     and the statement that writes them
    sync_times          the times of the last sync, within a statement
    sql_failure         make a statement fail, so that nothing of it stays
    write_result        what became of each order

Our tables:

    activity            the audit trail of changes
    replay              decide past changes again
    holds               orders on hold
    hold_acceptance     write what a person accepts
    bulk_holds          decide on many holds at once
    side_table          our own table of the times of the last sync, if the user wants it
    cycles, first_sync  the record of cycles, and the first sync of a table
    shared_state        what all hosts share: halt, account, rate-limit pauses
    migrations/         create and upgrade our tables and the index

The application's table and server, as they are found:

    tables              the columns of `orders` that we use; the definitions of our tables
    columns             read a table's columns from the catalog
    column_requirements, similar_columns, id_uniqueness, privileges
                        what does not fit, each with a hint
    open_index          the index that `stale` reads
    confirm_cost        what a confirm costs on this table
    status_sql          a status in our own words, also from a column that ignores case
    coverage, duplicates
                        rows that look open and are not followed; rows of the same order
    explain, row_status one row, for a person: is it due, and who has it locked?
    vacuum              what keeps vacuum from removing dead rows
    sample_orders       an example of the application's table

The connection:

    database            connect, and translate the driver's errors
    database_url        parse a URL as psql does
    prepared_statement  a short way to the driver for what runs for every batch
    best_effort         queries that may fail or time out
"""
