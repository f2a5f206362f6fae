"""A search for a sequence of late, doubled, lost or wrong answers that makes a row wrong.

Orders change at an exchange, the application writes the events that it receives, and the answers
that we fetch arrive at any time and in any order.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from reconciler.domain.column_scale import DecimalPlaces, rounded
from reconciler.domain.decide import (
    LONGEST_ANSWER_AGE,
    Change,
    Confirm,
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
    Report,
    average_price,
)
from reconciler.domain.retention import Retention
from reconciler.domain.status import OPEN, TERMINAL, Status
from reconciler.domain.value import replace

from .builders import NOW

MAX_ORDERS = 2
COLUMN_SCALE = DecimalPlaces(4)
POLICY = Policy(
    quantity_scale=COLUMN_SCALE,
    price_scale=COLUMN_SCALE,
    placement_grace=timedelta(seconds=10),
    retention=Retention(unfilled=timedelta(days=90)),
)
UNFILLED = Facts(status=Status.PENDING, executed_qty=Decimal(0), avg_price=None)

quantities = st.integers(min_value=10**3, max_value=10**8).map(lambda n: Decimal(n).scaleb(-6))
prices = st.integers(min_value=10**6, max_value=10**12).map(lambda n: Decimal(n).scaleb(-6))


@dataclass(kw_only=True, eq=False)
class Subject:
    """An order: its facts at the exchange over time, our row, and the facts that were sent to us.

    `past` ends with the present. `events` are facts as the columns keep them.
    """

    row: Order
    past: list[Facts] = field(default_factory=lambda: [UNFILLED])
    events: list[Facts] = field(default_factory=lambda: [UNFILLED])
    quote: Decimal = Decimal(0)

    @property
    def truth(self) -> Facts:
        return self.past[-1]

    @property
    def is_over(self) -> bool:
        return self.truth.status.is_terminal

    def fill(self, quantity: Decimal, price: Decimal, status: Status) -> None:
        executed = self.truth.executed_qty + quantity
        self.quote += quantity * price
        average = average_price(self.quote, executed)
        self.past.append(Facts(status=status, executed_qty=executed, avg_price=average))

    def move_to(self, status: Status) -> None:
        self.past.append(replace(self.truth, status=status))

    def report(self, fact: Facts, fetched_at: datetime) -> Report:
        return Report(
            symbol=self.row.symbol,
            external_order_id=self.row.external_order_id,
            word=fact.status.value,
            status=fact.status,
            executed_qty=fact.executed_qty,
            avg_price=fact.avg_price,
            fetched_at=fetched_at,
            # An order that was filled with less was amended to that.
            quantity=fact.executed_qty if fact.status is Status.FILLED else self.row.qty,
            side=self.row.side,
            client_order_id=self.row.client_order_id,
            placed_at=self.row.created_at,
        )

    def absence(self, fetched_at: datetime) -> Absent:
        return Absent(
            symbol=self.row.symbol,
            external_order_id=self.row.external_order_id,
            fetched_at=fetched_at,
        )


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An answer on its way to us; `fact` is the truth in it, None if there is none.

    `is_foreign`: it is about another account's order.
    """

    subject: Subject
    answer: Answer
    fact: Facts | None = None
    is_foreign: bool = False


def as_columns_hold(fact: Facts) -> Facts:
    return Facts(
        status=fact.status,
        executed_qty=rounded(fact.executed_qty, COLUMN_SCALE),
        avg_price=None if fact.avg_price is None else rounded(fact.avg_price, COLUMN_SCALE),
    )


def position(facts: Facts) -> tuple[int, Decimal]:
    return facts.status.progress, facts.executed_qty


class Reconciliation(RuleBasedStateMachine):
    """The exchange, the application and the reconciler work on the same orders."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.subjects: list[Subject] = []
        self.mail: list[Letter] = []
        self.write_clock_ahead_by: timedelta | None = None

    @initialize(ahead_by=st.sampled_from([None, timedelta(0), timedelta(hours=2)]))
    def choose_a_table(self, ahead_by: timedelta | None) -> None:
        """Choose a table whose `updated_at` is missing (None), right, or in a wrong time zone."""
        self.write_clock_ahead_by = ahead_by

    @initialize(target=orders)
    def place_the_first_order(self) -> Subject:
        return self._place()

    @precondition(lambda self: len(self.subjects) < MAX_ORDERS)
    @rule(target=orders)
    def place_another_order(self) -> Subject:
        return self._place()

    @rule(seconds=st.sampled_from([1, 60, 10_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(order=orders)
    def exchange_accepts(self, order: Subject) -> None:
        if order.truth.status is Status.PENDING:
            order.move_to(Status.NEW)

    @rule(order=orders, quantity=quantities, price=prices)
    def exchange_fills_in_part(self, order: Subject, quantity: Decimal, price: Decimal) -> None:
        if not order.is_over:
            order.fill(quantity, price, Status.PARTIAL)

    @rule(order=orders, end=st.sampled_from(sorted(TERMINAL)), quantity=quantities, price=prices)
    def exchange_ends(self, order: Subject, end: Status, quantity: Decimal, price: Decimal) -> None:
        if order.is_over:
            return
        if end is Status.FILLED:
            order.fill(quantity, price, Status.FILLED)
        elif order.truth.executed_qty > 0:
            order.move_to(Status.CANCELED)
        else:
            order.move_to(end)

    @rule(
        order=orders,
        steps_behind=st.sampled_from([0, 0, 0, 1, 2]),
        word=st.sampled_from(sorted(OPEN)),
        has_average=st.booleans(),
    )
    def we_fetch(
        self, order: Subject, steps_behind: int, word: Status, *, has_average: bool
    ) -> None:
        """Get the truth, or what a lagging copy takes for it.

        The word for an open order with a fill may be any of an open order's.
        """
        fact = order.past[max(0, len(order.past) - 1 - steps_behind)]
        report = order.report(fact, self.now)
        if fact.status is Status.PARTIAL:
            report = replace(report, status=word)
        if not has_average:
            report = replace(report, avg_price=None)
        self.mail.append(Letter(subject=order, answer=report, fact=fact))

    @rule(order=orders, has_a_new_word=st.booleans())
    def we_fetch_and_learn_nothing(self, order: Subject, *, has_a_new_word: bool) -> None:
        """Get an unknown word, or "no such order" for an order that exists."""
        unknown = replace(order.report(order.truth, self.now), status=None, word="HALTED")
        answer = unknown if has_a_new_word else order.absence(self.now)
        self.mail.append(Letter(subject=order, answer=answer))

    @rule(
        order=orders,
        quantity=quantities,
        is_sale=st.booleans(),
        days=st.sampled_from([0, 2, 40]),
    )
    def we_fetch_another_order_under_its_id(
        self, order: Subject, quantity: Decimal, days: int, *, is_sale: bool
    ) -> None:
        """Get the order that a wiped testnet, or another account, has under the same id."""
        foreign = replace(
            order.report(
                Facts(status=Status.FILLED, executed_qty=quantity, avg_price=Decimal(7)), self.now
            ),
            quantity=order.row.qty,
            side=Side.SELL if is_sale else Side.BUY,
            client_order_id="another-account's",
            placed_at=self.now - timedelta(days=days),
        )
        self.mail.append(Letter(subject=order, answer=foreign, is_foreign=True))

    @rule(order=orders)
    def we_fetch_that_it_is_archived(self, order: Subject) -> None:
        """Get an answer that the exchange has given for fresh orders, too."""
        archived = Archived(
            symbol=order.row.symbol,
            external_order_id=order.row.external_order_id,
            fetched_at=self.now,
        )
        self.mail.append(Letter(subject=order, answer=archived))

    @precondition(lambda self: self.mail)
    @rule(data=st.data(), is_rest_lost=st.booleans())
    def mail_arrives(self, data: st.DataObject, *, is_rest_lost: bool) -> None:
        """Receive any answers in any order, some of them twice; the others come later or never."""
        for letter in data.draw(st.lists(st.sampled_from(self.mail), min_size=1, max_size=8)):
            self._reconcile(letter)
        if is_rest_lost:
            self.mail.clear()

    @rule(order=orders, data=st.data())
    def application_writes_an_event_it_got(self, order: Subject, data: st.DataObject) -> None:
        event = as_columns_hold(data.draw(st.sampled_from(order.past)))
        order.events.append(event)
        if position(event) > position(order.row.facts):
            self._write(order, event)

    @invariant()
    def every_row_shows_facts_that_were_once_sent(self) -> None:
        for order in self.subjects:
            facts = order.row.facts
            assert (facts.status, facts.executed_qty) in [
                (fact.status, fact.executed_qty) for fact in order.events
            ]
            assert facts.avg_price in [None, *(fact.avg_price for fact in order.events)]

    def teardown(self) -> None:
        """Ask once more about every order: now each row must equal the exchange's facts."""
        self.now += timedelta(days=1)
        for order in self.subjects:
            answer = order.report(order.truth, self.now)
            self._reconcile(Letter(subject=order, answer=answer, fact=order.truth))
            assert order.row.facts == as_columns_hold(order.truth)

    def _place(self) -> Subject:
        number = len(self.subjects)
        row = Order(
            id=number,
            symbol="BTCUSDT",
            external_order_id=str(number),
            facts=UNFILLED,
            created_at=self.now,
            qty=Decimal(10**9),
            side=Side.BUY,
            client_order_id=f"mine-{number}",
        )
        self.subjects.append(Subject(row=row))
        return self.subjects[-1]

    def _reconcile(self, letter: Letter) -> None:
        order = letter.subject
        if letter.fact is not None:
            order.events.append(as_columns_hold(letter.fact))
        decision = decide(order.row, letter.answer, self.now, POLICY)
        match decision:
            case Change(to=to):
                assert letter.fact is not None
                assert not self._is_surely_stale(letter)
                self._write(order, to)
            case Confirm():
                assert letter.fact is not None
                assert not self._is_surely_stale(letter)
            case Hold(reason=reason):
                assert not self._is_surely_stale(letter)
                assert reason in right_reasons(letter)
            case Leave(rule=rule):
                assert rule in {Rule.STALE_REPORT, Rule.ALREADY_FINAL, Rule.JUST_PLACED}

    def _is_surely_stale(self, letter: Letter) -> bool:
        if self.now - letter.answer.fetched_at > LONGEST_ANSWER_AGE:
            return True
        written_at = letter.subject.row.updated_at
        return written_at is not None and letter.answer.fetched_at < written_at <= self.now

    def _write(self, order: Subject, facts: Facts) -> None:
        before, ahead_by = order.row, self.write_clock_ahead_by
        assert facts.status.progress >= before.facts.status.progress
        assert facts.executed_qty >= before.facts.executed_qty
        assert not before.facts.status.is_terminal or facts.status is before.facts.status
        updated_at = None if ahead_by is None else self.now + ahead_by
        order.row = replace(before, facts=facts, updated_at=updated_at)


def right_reasons(letter: Letter) -> set[HoldReason]:
    """Return the reasons that the order may be held for: none for the latest facts."""
    row = letter.subject.row
    if letter.is_foreign:
        return {HoldReason.CONFLICT}
    if isinstance(letter.answer, Absent | Archived):
        is_filled = isinstance(letter.answer, Archived) and row.facts.executed_qty > 0
        held = HoldReason.CONFLICT if is_filled else HoldReason.NOT_FOUND
        return set() if row.facts.status.is_terminal else {held}
    if letter.fact is None:
        return {HoldReason.UNKNOWN_STATUS}
    if letter.fact == letter.subject.truth:
        return set()
    if row.updated_at is None:
        return {HoldReason.REGRESSION}
    return {HoldReason.REGRESSION, HoldReason.CONFLICT}


TestReconciliation = Reconciliation.TestCase
TestReconciliation.settings = settings(
    TestReconciliation.settings, max_examples=3 * settings().max_examples
)
