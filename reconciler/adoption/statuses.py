"""Propose what each status of a table means, and which is written: pure.

No meaning is guessed for a word that is not known: its rows are not followed. Nor is a word written
that no row and no definition has.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.adoption.draft import LEAVE_OUT, Draft, Question
from reconciler.adoption.status_words import Codes, Sense, place_of, sense_of, side_in
from reconciler.config_file.statuses import OPEN_MEANING, Meaning, Statuses
from reconciler.config_file.statuses_section import WRITE
from reconciler.config_file.toml_values import key_text, value_text
from reconciler.domain.status import BY_VALUE, TERMINAL, Status

_ENDS = (Sense.FILLED, Sense.CANCELED, Sense.REJECTED, Sense.EXPIRED)
_CHOICES = (*BY_VALUE, OPEN_MEANING, LEAVE_OUT)
_FIRST_WORD = ("statuses", "")
"""The place of the question for a word, if there are no rows."""

MAX_WORDS = 60


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of a table.

    Attributes:
        rows: The number of rows of each; 0 for one that only a definition has.
        without: The number of rows without a status.
        codes: What the words stand for, if they are codes of a known platform.
        is_estimate: The numbers are estimates.
    """

    rows: Mapping[str, int]
    without: int = 0
    codes: Codes | None = None
    is_estimate: bool = False

    def spelled(self, word: str) -> str:
        """Return the word that a code stands for, or the word itself."""
        return word if self.codes is None else self.codes.words.get(word, word)

    def sense(self, word: str) -> Sense | None:
        """Return what a word says; None if it is not known."""
        return sense_of(self.spelled(word))

    def place(self, word: str) -> int:
        """Return the place of a known word among those of its sense."""
        return place_of(self.spelled(word))

    def number(self, word: str) -> str:
        """Return the number of rows of a word, for a person."""
        rows = self.rows.get(word, 0)
        return f"{'about ' if self.is_estimate else ''}{rows:,} row{'' if rows == 1 else 's'}"

    @property
    def known_rows(self) -> int:
        """The number of rows whose word is known."""
        return sum(rows for word, rows in self.rows.items() if self.sense(word) is not None)


def propose_statuses(draft: Draft, words: Words) -> Statuses:
    """Propose the section, with the reasons for it."""
    if WRITE in words.rows:
        draft.assumptions.append(
            f"{words.number(WRITE)} with the status {WRITE!r} are not followed: the file cannot"
            " have this word"
        )
        words = replace(words, rows={word: n for word, n in words.rows.items() if word != WRITE})
    answered = _answered(draft, words.rows)
    grouped = _group(words, answered)
    meanings = {**_open_meanings(words, grouped), **_end_meanings(grouped)}
    meanings |= {word: meaning for word, meaning in answered.items() if meaning is not None}
    ordered = {word: meanings[word] for word in _in_order(meanings, words)}
    named = draft.answers.get(_FIRST_WORD)
    if named is not None and not words.rows:
        meanings = {named: OPEN_MEANING}
    unknown = sorted(
        (word for word in words.rows if word not in meanings and word not in answered),
        key=lambda word: (-words.rows[word], word),
    )
    for word, meaning in ordered.items():
        draft.reasons["statuses", word] = _reason(words, word, meaning)
    _report_unknown(draft, words, unknown, grouped, has_open=_has_open(ordered.values()))
    chosen = _choose(draft, words, Statuses(meanings=ordered)) if ordered else {}
    return Statuses(meanings=ordered, chosen=chosen)


def _answered(draft: Draft, words: Iterable[str]) -> dict[str, Meaning | None]:
    """Return what a person said of words; None for those to leave out."""
    found: dict[str, Meaning | None] = {}
    for word in words:
        answer = draft.answers.get(("statuses", word))
        if answer == OPEN_MEANING:
            found[word] = OPEN_MEANING
        elif answer is not None:
            found[word] = BY_VALUE.get(answer)
    return found


def _group(words: Words, answered: Mapping[str, object]) -> dict[Sense, list[str]]:
    """Return the known words by what they say; a person's answer goes first."""
    grouped: defaultdict[Sense, list[str]] = defaultdict(list)
    for word in words.rows:
        sense = words.sense(word)
        if sense is not None and word not in answered:
            grouped[sense].append(word)
    for group in grouped.values():
        group.sort(key=words.place)
    return grouped


def _open_meanings(words: Words, grouped: Mapping[Sense, list[str]]) -> dict[str, Meaning]:
    """Without a word for partial, the word for new stands for both; without that, the last one."""
    pending, new = grouped.get(Sense.PENDING, []), grouped.get(Sense.NEW, [])
    partial = grouped.get(Sense.PARTIAL, [])
    found: dict[str, Meaning] = dict.fromkeys(pending, Status.PENDING)
    found |= dict.fromkeys(new, Status.NEW if partial else OPEN_MEANING)
    found |= dict.fromkeys(partial, Status.PARTIAL)
    found |= dict.fromkeys(grouped.get(Sense.ANY_OPEN, []), OPEN_MEANING)
    if pending and not new:
        last = max(words.place(word) for word in pending)
        found |= {
            word: Status.NEW if partial else OPEN_MEANING
            for word in pending
            if words.place(word) == last
        }
    return found


def _end_meanings(grouped: Mapping[Sense, list[str]]) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {
        word: Status(sense.value) for sense in _ENDS for word in grouped.get(sense, [])
    }
    # "closed" is how an order was filled only if another word says that it was canceled.
    if not grouped.get(Sense.FILLED) and grouped.get(Sense.CANCELED):
        found |= dict.fromkeys(grouped.get(Sense.ENDED, []), Status.FILLED)
    return found


def _in_order(meanings: Mapping[str, Meaning], words: Words) -> list[str]:
    order = [*BY_VALUE]

    def key(word: str) -> tuple[float, int]:
        meaning = meanings[word]
        place = order.index(meaning) if meaning in order else order.index("new") + 0.5
        return place, -words.rows.get(word, 0)

    return sorted(meanings, key=key)


def _reason(words: Words, word: str, meaning: Meaning) -> str:
    parts = [words.number(word)]
    if words.codes is not None and word in words.codes.words:
        parts.append(f"{words.spelled(word)} ({words.codes.source})")
    if meaning == OPEN_MEANING:
        parts.append("new, or partial when something is executed")
    return "; ".join(parts)


def _has_open(meanings: Iterable[Meaning]) -> bool:
    return any(meaning not in TERMINAL for meaning in meanings)


def _report_unknown(
    draft: Draft,
    words: Words,
    unknown: Sequence[str],
    grouped: Mapping[Sense, list[str]],
    *,
    has_open: bool,
) -> None:
    """Ask about words of which nothing is known, and say that their rows are not followed."""
    if words.without:
        draft.note("statuses", f"{words.without:,} rows have no status: they are not followed")
    for word in unknown[:MAX_WORDS]:
        is_vague = word in grouped.get(Sense.ENDED, [])
        why = (
            "it says that an order is over, but not how" if is_vague else "its meaning is not known"
        )
        asked = f"what does the status {value_text(word)} mean ({words.number(word)})?"
        draft.ask(
            Question(
                place=("statuses", word),
                what=asked,
                choices=_CHOICES,
                default=LEAVE_OUT if has_open else None,
                blank=f'{key_text(word)} = ""',
            )
        )
        if has_open:
            draft.note(
                "statuses",
                f'{key_text(word)} = "..."   not followed, {words.number(word)}: {why}',
            )
            if words.rows.get(word, 0):
                draft.assumptions.append(
                    f"{words.number(word)} with the status {value_text(word)} are not followed:"
                    f" {why}. Until the file says it, check reports them"
                )
    if not words.rows and not has_open:
        draft.ask(
            Question(
                place=_FIRST_WORD,
                what="no row says which words its statuses have: which word has an open order?",
                comment='The table has no rows yet: write its words here, such as OPEN = "open"',
                blank='"" = ""',
            )
        )
    elif len(unknown) > MAX_WORDS:
        draft.note("statuses", f"{len(unknown) - MAX_WORDS:,} more words are not known")


def _choose(draft: Draft, words: Words, statuses: Statuses) -> dict[Status, str]:
    """Choose the word to write where several fit, or where none of its own does."""
    chosen: dict[Status, str] = {}
    for status in statuses.undecided:
        word = _choose_among(draft, words, status, statuses.words_for(status))
        if word is not None:
            chosen[status] = word
    for status in Status:
        if status.is_terminal and not statuses.words_for(status):
            word = _choose_without(draft, status, statuses)
            if word is not None:
                chosen[status] = word
    return chosen


def _choose_among(
    draft: Draft, words: Words, status: Status, fitting: tuple[str, ...]
) -> str | None:
    place = ("statuses", "write", str(status))
    listed = ", ".join(value_text(word) for word in fitting)
    if len({side_in(words.spelled(word)) for word in fitting}) > 1:
        why = (
            "they depend on the order's side, and only one can be written: follow each side with a"
            " program of its own (where, scope)"
        )
        draft.ask(
            Question(
                place=place,
                what=f"which word is to be written for {status}: {listed}? {why}",
                comment=f"One of {listed}: {why}",
                is_for_file=True,
                blank=f'{status} = ""',
            )
        )
        return None
    if place in draft.answers:
        return draft.answers[place]
    named = [word for word in fitting if sense_of(words.spelled(word)) == status.value]
    best = min(named or fitting, key=lambda word: _preference(words, word))
    draft.assume(place, f"{status} is written as {value_text(best)}; {listed} all mean it")
    return best


def _preference(words: Words, word: str) -> tuple[int, int, int]:
    """Prefer plain words to those of an order that is being changed, and then the usual ones."""
    sense = words.sense(word)
    place = MAX_WORDS if sense is None else words.place(word)
    return int(sense in {None, Sense.ANY_OPEN}), place, -words.rows.get(word, 0)


def _choose_without(draft: Draft, status: Status, statuses: Statuses) -> str | None:
    """Choose a word for an end that has none of its own: only if no other end is meant by it."""
    place = ("statuses", "write", str(status))
    answer = draft.answers.get(place)
    if answer is not None:
        return None if answer == LEAVE_OUT else answer
    canceled = statuses.words_for(Status.CANCELED)
    rejected = statuses.words_for(Status.REJECTED)
    only = statuses.write(Status.CANCELED) if len(canceled) == 1 else None
    # An expired order was accepted and ended unfilled, as a canceled one did; a rejected one never
    # began, so "canceled" fits it only where the table has a single word for all unfilled ends.
    fits = status is Status.EXPIRED or (status is Status.REJECTED and not rejected)
    has_others = status is Status.REJECTED and bool(statuses.words_for(Status.EXPIRED))
    if only is not None and fits and not has_others:
        draft.assume(
            place,
            f"no status is known for {status}: {value_text(only)} is the only one here for an order"
            " that ended without being filled; if the application has another, write that",
        )
        return only
    endings = tuple(word for word, meaning in statuses.meanings.items() if meaning in TERMINAL)
    example = value_text(canceled[0] if canceled else "...")
    if endings:
        draft.ask(
            Question(
                place=place,
                what=f"which word is to be written for an order that the exchange calls {status}?",
                choices=(*endings, LEAVE_OUT),
                default=LEAVE_OUT,
                blank=f'{status} = ""',
            )
        )
    text = f"{status} = {example}   no word is known for {status}: such an order is put on hold"
    draft.note("statuses.write", text)
    if status in {Status.FILLED, Status.CANCELED}:
        draft.assumptions.append(
            f"no status of the table means {status}: such orders will be put on hold, until you add"
            " the word for it"
        )
    return None
