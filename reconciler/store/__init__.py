"""The only package that speaks to PostgreSQL: the user's table of orders, and our own tables.

The user's table, called `orders` in each of our statements:

    user_table          its names and conditions as SQL, from the configuration file
    orders_table        the same as the catalog has it: what to select from and to update
    stored_values       each of our values in it, as SQL both ways
    named_type          a type by its name
    status_sql          a status in the user's words, also from a column that ignores case
    order_ids           ids: integers, uuids or texts
    symbol_names        the exchange's names of symbols
    column_scales       how a column keeps a number
    row_versions        what tells that nobody has written a row since

The work on a batch:

    stale, stale_statements
                        find the stale orders: a scan, then page by page
    stale_order         such an order, as the planner reads it and a worker gets it
    compare_and_set, compare_and_set_statement
                        write what was decided where the rows are still the same, in one
                        statement
    order_writer        lock, decide and write the rest; only these two write `orders`
    order_rows          the locked rows, each with its hold
    batch_writes        a batch's decisions as parameters,
    write_statement, hold_writes
                        and the statement that writes them
    array_parameters    many rows as parameters, one array for each column
    sync_times          the times of the last sync, within a statement
    sql_failure         make a statement fail, so that nothing of it stays
    write_result        what became of each order
    written_rows        read the rows of a view again once they are written

Our tables:

    tables              their definitions
    activity            the audit trail of changes
    activity_ids        the ids of its entries
    changes, change_feed
                        the latest changes of all orders, and each new one once
    replay              decide past changes again
    holds               orders on hold
    locked_holds        the holds on which a person decides now: of two decisions one is done
    hold_reasons        how many there are for each reason
    hold_acceptance     write what a person accepts
    bulk_holds          filter, count and decide many holds at once
    hold_decisions      a person's decision about named orders, or about all that match
    side_table          our own table of the times of the last sync, if the user wants it
    cycles, first_sync  the record of cycles, and the first sync of a table
    recent_work         the same of the last hour, by minute and by change
    shared_state        what all hosts share: halt, account, rate-limit pauses, filters
    live_state          what each running supervisor says of itself, for `health`
    shared_orders       open orders that two programs over one table both follow
    migrations/         create and upgrade our tables and the index

What does not fit, each with a hint:

    orders_requirements what the user's table must have, by the configuration file
    column_requirements, column_types
                        the types that a column may have
    value_requirements, time_capacity
                        the words, values and times that a column must be able to hold
    file_hints, similar_columns
                        the line of the configuration file that makes a column fit
    id_uniqueness, writable_columns, privileges, rules
                        ids, columns that take no value, rights, and rules that keep our
                        statements from running
    trial_read          try the SQL of the configuration file
    trial_write         lock and write a row, and undo it

The user's table and server, as they are found:

    columns             read a table's columns from the catalog
    open_index, suitable_index
                        the index that `stale` reads: ours, or one of the user's
    confirm_cost        what a confirm costs on this table
    coverage, coverage_count
                        rows that are followed, and that look open and are not
    duplicates          rows of the same order
    open_counts, open_symbols
                        the open orders by a column, and by symbol
    followed_rows       what has become of many rows
    explain, row_status one row, for a person: is it due, and who has it locked?
    vacuum              what keeps vacuum from removing dead rows
    sample_orders       an example of a table of orders

A database that is not known yet, for `init`:

    discovery           its tables, with columns and constraints
    sampling            a bounded sample of one of them
    bounded_source      what to read of a table of any size
    first_cycle         what a first cycle over it would do

The connection:

    database            connect, and translate the driver's errors
    database_url        parse a URL as psql does
    prepared_statement  a short way to the driver for what runs for every batch
    best_effort         queries that may fail or time out
    anonymous_block     SQL as a block of PL/pgSQL
"""
