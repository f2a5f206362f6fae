"""Orders, and the decision about each: pure, without I/O and without a clock.

decide          what an exchange's answer does to a row; the invariants stand there
contradiction   is the exchange's order the row's order?
order           a row of `orders`
report          the exchange's answers
column_scale    how a column keeps a number, and when two of its numbers are the same
status          the seven statuses
status_words    a guess at the meaning of an application's own statuses
binary_float    numbers as `double precision` and `real` keep them
validation      checks on times and amounts
value           the base class of values that are made for every order
"""
