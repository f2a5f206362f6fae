"""Each invariant of `decide`, for any row, answer, policy and time that hypothesis finds.

Any means any: rows hold NaN, quantities have a hundred digits, times lie in the future. Only the
properties about an order's life, and about equal facts, use facts that a real order can have.
"""

from datetime import timedelta
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.domain.column_scale import (
    is_same_number,
    rounded,
)
from reconciler.domain.decide import (
    LONGEST_ANSWER_AGE,
    Change,
    Confirm,
    Decision,
    Hold,
    HoldReason,
    Leave,
    Policy,
    Rule,
    decide,
)
from reconciler.domain.order import Facts, Order, Side
from reconciler.domain.report import (
    Absent,
    Answer,
    Archived,
    OrderFault,
    Report,
)
from reconciler.domain.retention import NEVER_FORGETS, Retention
from reconciler.domain.status import OPEN, TERMINAL, Status
from reconciler.domain.value import replace

from .builders import JUST_FETCHED, NOW, POLICY, an_order, decided, written
from .test_column_scale import column_scales, quantity_scales, scales

ID, SYMBOL = "42", "BTCUSDT"

statuses = st.sampled_from(Status)
amounts = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    digits=st.integers(min_value=0, max_value=10**30),
    exponent=st.integers(min_value=-40, max_value=60) | st.just(-8),
)
row_amounts = amounts | st.sampled_from(
    [Decimal(number) for number in ("NaN", "sNaN", "Infinity", "-Infinity", "-1", "0.00")]
)
times = st.timedeltas(min_value=timedelta(days=-200), max_value=timedelta(days=1)).map(
    lambda offset: NOW + offset
)
fetch_times = st.timedeltas(min_value=timedelta(minutes=-10), max_value=timedelta(seconds=5)).map(
    lambda offset: NOW + offset
)
policies = st.builds(
    Policy,
    quantity_scale=quantity_scales,
    price_scale=scales,
    ordered_scale=column_scales,
    retention=st.sampled_from([NEVER_FORGETS, Retention(unfilled=timedelta(days=90))]),
    confirmations=st.integers(min_value=1, max_value=5),
)
orders = st.builds(
    Order,
    id=st.just(1),
    symbol=st.just(SYMBOL),
    external_order_id=st.just(ID),
    facts=st.builds(
        Facts, status=statuses, executed_qty=row_amounts, avg_price=st.none() | row_amounts
    ),
    created_at=st.none() | times,
    updated_at=st.none() | times,
    absences=st.integers(min_value=0, max_value=9),
    qty=st.none() | row_amounts,
    side=st.none() | st.sampled_from(Side),
    client_order_id=st.none() | st.sampled_from(["", "mine-1", "mine-2"]),
)
reports = st.builds(
    Report,
    symbol=st.just(SYMBOL),
    external_order_id=st.just(ID),
    word=st.text(),
    status=st.none() | statuses,
    executed_qty=amounts,
    avg_price=st.none() | amounts,
    fetched_at=fetch_times,
    quantity=st.none() | amounts,
    is_quote_sized=st.booleans(),
    side=st.none() | st.sampled_from(Side),
    client_order_id=st.none() | st.sampled_from(["", "mine-1", "mine-2"]),
    placed_at=st.none() | times,
)
absences = st.builds(
    Absent, symbol=st.just(SYMBOL), external_order_id=st.just(ID), fetched_at=fetch_times
)
unanswerables = st.builds(
    OrderFault,
    symbol=st.just(SYMBOL),
    external_order_id=st.just(ID),
    detail=st.text(),
    fetched_at=fetch_times,
)
archived = st.builds(
    Archived, symbol=st.just(SYMBOL), external_order_id=st.just(ID), fetched_at=fetch_times
)
answers = reports | absences | archived | unanswerables


@st.composite
def changes(draw: st.DrawFn) -> tuple[Order, Report, Policy, Change]:
    """A row, a report that is further along, and the resulting change."""
    policy, report, before = draw(policies), draw(reports), draw(statuses)
    executed = draw(st.sampled_from([Decimal(0), report.executed_qty / 2, report.executed_qty]))
    qty = draw(st.none() | st.just(2 * report.executed_qty))
    order = replace(
        draw(orders),
        facts=Facts(
            status=before,
            executed_qty=rounded(executed, policy.quantity_scale, qty),
            avg_price=draw(st.none() | st.just(report.avg_price) | amounts),
        ),
        updated_at=draw(st.none() | st.just(report.fetched_at)),
        qty=qty,
        side=draw(st.none() | st.just(report.side)),
        client_order_id=draw(st.none() | st.just(report.client_order_id)),
        created_at=draw(st.none() | st.just(report.placed_at)),
    )
    report = replace(report, status=before if before.is_terminal else draw(statuses))
    decision = decide(order, report, NOW, policy)
    assume(isinstance(decision, Change))
    assert isinstance(decision, Change)
    return order, report, policy, decision


@st.composite
def sound_facts(draw: st.DrawFn) -> Facts:
    """Facts that a real order can have, in columns of POLICY's scale."""
    status = draw(statuses)
    executed = draw(st.decimals(min_value=0, max_value=1000, places=8))
    if status in (Status.PENDING, Status.NEW):
        executed = Decimal(0)
    elif status in (Status.PARTIAL, Status.FILLED):
        executed += 1
    average = draw(st.none() | st.decimals(min_value=1, max_value=10**6, places=8))
    return Facts(status=status, executed_qty=executed, avg_price=average if executed else None)


def report_of(facts: Facts, status: Status | None = None) -> Report:
    order = an_order()
    return Report(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        word=facts.status.value,
        status=status or facts.status,
        executed_qty=facts.executed_qty,
        avg_price=facts.avg_price,
        fetched_at=JUST_FETCHED,
    )


@st.composite
def lives(draw: st.DrawFn) -> list[Report]:
    """The reports of one order's life, in order; it may stop anywhere.

    Every quantity is one that the column holds, and comes with its average; the word for an open
    order with a fill may be any of an open order's.
    """
    reports, executed = [report_of(facts) for facts in _UNFILLED], Decimal(0)
    fills = draw(st.lists(st.integers(min_value=1, max_value=10**6), max_size=4))
    for fill in fills:
        executed += Decimal(fill).scaleb(-8)
        average = Decimal(draw(st.integers(min_value=10**6, max_value=10**16))).scaleb(-12)
        partial = Facts(status=Status.PARTIAL, executed_qty=executed, avg_price=average)
        reports.append(report_of(partial, status=draw(st.sampled_from(sorted(OPEN)))))
    ends = [Status.CANCELED, Status.EXPIRED, Status.FILLED if fills else Status.REJECTED]
    end = draw(st.none() | st.sampled_from(ends))
    if end is not None:
        reports.append(replace(reports[-1], status=end, word=end.value))
    return reports


_UNFILLED = [
    Facts(status=status, executed_qty=Decimal(0), avg_price=None)
    for status in (Status.PENDING, Status.NEW)
]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Report], list[Report]]:
    """A life, and its reports shuffled, doubled and dropped, the last delivered at least once."""
    life = draw(lives())
    others = draw(st.lists(st.sampled_from(life), max_size=8))
    return life, draw(st.permutations([*others, life[-1]]))


def after_all(delivered: list[Report]) -> Facts:
    order = an_order(Status.PENDING)
    for report in delivered:
        order = written(order, decided(order, report))
    return order.facts


def writes_nothing(decision: Decision) -> bool:
    return isinstance(decision, Hold | Leave)


def is_equal(one: Decimal | None, other: Decimal | None) -> bool:
    return str(one) == str(other) or one == other


@given(order=orders, policy=policies)
def test_property_01_no_answer_changes_nothing(order: Order, policy: Policy) -> None:
    assert decide(order, None, NOW, policy) == Leave(rule=Rule.NO_ANSWER)


@given(order=orders, answer=answers, policy=policies, symbol=st.text(), external_id=st.text())
def test_property_01_answer_about_another_order_changes_nothing(
    order: Order, answer: Answer, policy: Policy, symbol: str, external_id: str
) -> None:
    assume((symbol, external_id) != (SYMBOL, ID))
    foreign = replace(answer, symbol=symbol, external_order_id=external_id)

    assert decide(order, foreign, NOW, policy) == Leave(rule=Rule.OTHER_ORDER)


@given(facts=sound_facts())
def test_property_02_same_facts_are_only_confirmed(facts: Facts) -> None:
    order = replace(an_order(), facts=facts)

    assert decided(order, report_of(facts)) == Confirm()


@given(changed=changes())
def test_property_02_change_changes_something_and_is_named_after_it(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, _, _, change = changed
    before, to = order.facts, change.to

    if to.status is not before.status:
        assert change.rule is (Rule.ENDED if to.status.is_terminal else Rule.STATUS_ADVANCED)
    elif to.executed_qty != before.executed_qty:
        assert change.rule is Rule.QUANTITY_GREW
    else:
        assert to.avg_price != before.avg_price
        assert change.rule is Rule.PRICE_CORRECTED


@given(order=orders, answer=answers, policy=policies)
def test_property_03_no_row_goes_back_and_no_end_changes(
    order: Order, answer: Answer, policy: Policy
) -> None:
    after = written(order, decide(order, answer, NOW, policy)).facts

    assert after.status.progress >= order.facts.status.progress
    assert not order.facts.status.is_terminal or after.status is order.facts.status


@given(changed=changes())
def test_property_03_and_05_change_goes_forward_and_changes_no_end(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, report, _, change = changed

    assert change.to.status.progress >= order.facts.status.progress
    assert not order.facts.status.is_terminal or change.to.status is order.facts.status
    assert not change.to.status.is_terminal or change.to.status is report.status


@given(order=orders, answer=answers, policy=policies)
def test_property_04_no_quantity_shrinks(order: Order, answer: Answer, policy: Policy) -> None:
    before = order.facts.executed_qty
    after = written(order, decide(order, answer, NOW, policy)).facts.executed_qty

    assert is_equal(before, after) or after > before


@given(changed=changes())
def test_property_04_quantity_comes_from_the_report(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, report, policy, change = changed

    kept = rounded(report.executed_qty, policy.quantity_scale, order.qty)
    assert is_same_number(change.to.executed_qty, kept, policy.quantity_scale, order.qty)
    assert change.to.executed_qty in {kept, order.facts.executed_qty}
    assert change.to.executed_qty >= order.facts.executed_qty


@given(changed=changes())
def test_property_06_no_change_loses_a_fill_or_an_average(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, _, _, change = changed

    assert change.to.executed_qty >= order.facts.executed_qty
    assert change.to.avg_price is not None or order.facts.avg_price is None


@given(changed=changes())
def test_property_07_open_order_is_partial_exactly_if_it_has_a_fill(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, report, _, change = changed
    before, to = order.facts, change.to

    if report.executed_qty > 0:
        assert to.status in TERMINAL | {Status.PARTIAL}
    elif to.status is not before.status:
        assert to.status not in {Status.PARTIAL, Status.FILLED}


@given(changed=changes())
def test_property_08_average_is_the_reports_or_the_rows(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, report, policy, change = changed
    average = change.to.avg_price

    if is_equal(average, order.facts.avg_price):
        return
    assert report.avg_price is not None
    assert average == rounded(report.avg_price, policy.price_scale)
    assert average > 0
    assert report.executed_qty > 0


@given(order=orders, absence=absences, policy=policies)
def test_property_09_absence_writes_nothing(order: Order, absence: Absent, policy: Policy) -> None:
    decision = decide(order, absence, NOW, policy)

    assert writes_nothing(decision)
    assert not isinstance(decision, Hold) or decision.reason is HoldReason.NOT_FOUND


@given(order=orders, unanswerable=unanswerables, policy=policies)
def test_property_09_order_fault_writes_nothing(
    order: Order, unanswerable: OrderFault, policy: Policy
) -> None:
    assert writes_nothing(decide(order, unanswerable, NOW, policy))


@given(order=orders, report=reports, policy=policies)
def test_property_10_unknown_word_writes_nothing(
    order: Order, report: Report, policy: Policy
) -> None:
    decision = decide(order, replace(report, status=None), NOW, policy)

    assert writes_nothing(decision)
    assert not isinstance(decision, Hold) or decision.reason in {
        HoldReason.UNKNOWN_STATUS,
        HoldReason.CONFLICT,
    }


@given(
    order=orders,
    answer=answers,
    policy=policies,
    late_by=st.timedeltas(timedelta(0), max_value=timedelta(days=300)),
)
def test_property_11_answer_older_than_the_latest_write_is_stale(
    order: Order, answer: Answer, policy: Policy, late_by: timedelta
) -> None:
    assume(late_by)
    stale = replace(answer, fetched_at=NOW - late_by)

    decision = decide(replace(order, updated_at=NOW), stale, NOW, policy)

    assert decision == Leave(rule=Rule.STALE_REPORT)


@given(order=orders, archived=archived, policy=policies)
def test_property_09_archive_ends_only_an_old_order_without_a_fill(
    order: Order, archived: Archived, policy: Policy
) -> None:
    decision = decide(order, archived, NOW, policy)

    if writes_nothing(decision):
        return
    assert decision == Change(to=replace(order.facts, status=Status.CANCELED), rule=Rule.ARCHIVED)
    assert is_same_number(order.facts.executed_qty, Decimal(0), policy.quantity_scale, order.qty)
    assert order.created_at is not None
    assert NOW - order.created_at > timedelta(days=89)


@given(
    order=orders,
    answer=answers,
    policy=policies,
    late_by=st.timedeltas(LONGEST_ANSWER_AGE, max_value=timedelta(days=300)),
)
def test_property_11_answer_that_waited_too_long_writes_nothing(
    order: Order, answer: Answer, policy: Policy, late_by: timedelta
) -> None:
    assume(late_by > LONGEST_ANSWER_AGE)
    old = replace(answer, fetched_at=NOW - late_by)

    assert decide(order, old, NOW, policy) == Leave(rule=Rule.STALE_REPORT)


@given(order=orders, report=reports, policy=policies)
def test_property_13_report_of_another_order_writes_nothing(
    order: Order, report: Report, policy: Policy
) -> None:
    is_known = order.qty is not None and order.qty.is_finite() and order.qty > 0
    more_executed = (
        is_known
        and not report.is_quote_sized
        and rounded(report.executed_qty, policy.ordered_scale) > (order.qty or 0)
        and report.executed_qty > (order.qty or 0)
        and not is_same_number(
            rounded(report.executed_qty, policy.ordered_scale),
            order.qty or Decimal(0),
            policy.ordered_scale,
        )
    )
    other_side = None is not order.side is not report.side is not None
    far_apart = (
        order.created_at is not None
        and report.placed_at is not None
        and report.placed_at - order.created_at > timedelta(days=1)
    )
    assume(more_executed or other_side or far_apart)

    decision = decide(order, report, NOW, policy)

    assert writes_nothing(decision)
    assert not isinstance(decision, Hold) or decision.reason is HoldReason.CONFLICT


@given(order=orders, report=reports, policy=policies)
def test_property_13_what_one_side_lacks_contradicts_nothing(
    order: Order, report: Report, policy: Policy
) -> None:
    knows_nothing = replace(order, qty=None, side=None, client_order_id=None, created_at=None)
    says_nothing = replace(report, side=None, client_order_id=None, placed_at=None)

    assert decide(knows_nothing, report, NOW, policy) == decide(
        knows_nothing, says_nothing, NOW, policy
    )


@given(changed=changes())
def test_property_12_second_decision_on_the_same_report_only_confirms(
    changed: tuple[Order, Report, Policy, Change],
) -> None:
    order, report, policy, change = changed

    assert decide(written(order, change), report, NOW, policy) == Confirm()


@given(life_and_delivered=deliveries())
def test_property_12_shuffled_and_dropped_reports_end_the_same(
    life_and_delivered: tuple[list[Report], list[Report]],
) -> None:
    life, delivered = life_and_delivered

    assert after_all(delivered) == after_all(life)


@given(life=lives())
def test_property_12_reports_in_order_end_in_the_exchanges_truth(life: list[Report]) -> None:
    last = life[-1]

    facts = after_all(life)

    assert facts.executed_qty == last.executed_qty
    assert is_equal(facts.avg_price, last.avg_price and rounded(last.avg_price, POLICY.price_scale))
    assert facts.status is last.status or facts.status is Status.PARTIAL is not last.status
