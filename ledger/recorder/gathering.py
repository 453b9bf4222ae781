"""Gathered reads: while one read is under way, the next ones wait and share a statement.

A decision reads the history it depends on before every append, so these reads come as densely as
appends do; asked one by one they cost more than the appends. There is no thread for it: whoever
finds a place free reads at once, and whoever finishes passes the place on to those who waited.
Read next: `ledger/recorder/reading.py`.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from ledger.errors import LedgerError

PLACES: Final = 2
"""Statements at a time: a second processor reads what the first one's client unpacks."""

GATHERED_MAX: Final = 64

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class _Asker(Generic[Question, Answer]):
    """One question on its way; its lock opens when it is answered, or when it is to ask for all."""

    __slots__ = ("answer", "group", "opened", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer: Answer | LedgerError | None = None
        self.group: list[_Asker[Question, Answer]] = []
        self.opened = threading.Lock()
        self.opened.acquire()


class Gathering(Generic[Question, Answer]):
    """Asks many callers' questions together; `ask_all` answers as many as it is given, in order."""

    def __init__(self, ask_all: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._ask_all = ask_all
        self._lock = threading.Lock()
        self._places_free = PLACES
        self._waiting: list[_Asker[Question, Answer]] = []

    def ask(self, question: Question) -> Answer:
        """The answer, asked alone or together with others; raises what asking raised."""
        me = _Asker[Question, Answer](question)
        with self._lock:
            if self._places_free:
                self._places_free -= 1
                me.group = [me]
            else:
                self._waiting.append(me)
        if not me.group:
            me.opened.acquire()
        if me.group:
            self._ask_for(me.group)
        if isinstance(me.answer, LedgerError):
            raise me.answer
        assert me.answer is not None, "every question of a group is answered"
        return me.answer

    def _ask_for(self, group: list[_Asker[Question, Answer]]) -> None:
        """Ask for a group, pass the place on, and let the others go."""
        failure = LedgerError("the read was interrupted; repeat it")
        try:
            answers = self._ask_all([one.question for one in group])
            for one, answer in zip(group, answers, strict=True):
                one.answer = answer
        except LedgerError as error:
            failure = error
        finally:
            self._pass_on()
            for one in group:
                if one.answer is None:
                    one.answer = failure
                one.group = []
                one.opened.release()

    def _pass_on(self) -> None:
        with self._lock:
            following = self._waiting[:GATHERED_MAX]
            del self._waiting[:GATHERED_MAX]
            if not following:
                self._places_free += 1
                return
        following[0].group = following
        following[0].opened.release()
