"""The one-time keys, the signed-in browsers and their tokens: in memory only."""

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

MOST_SESSIONS = 64
IDLE_SECONDS = 12 * 3600.0
MOST_WRONG_KEYS = 10
WRONG_KEYS_WINDOW_SECONDS = 60.0

Clock = Callable[[], float]


class Sessions:
    """The browsers that have signed in. A session ends after 12 hours without a request.

    Past `MOST_SESSIONS` the one that was used longest ago ends.
    """

    def __init__(self, monotonic: Clock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._used_at: OrderedDict[str, float] = OrderedDict()

    def begin(self) -> str:
        """Begin a session; return its id, which goes into the cookie."""
        session = secrets.token_urlsafe(32)
        self._used_at[session] = self._monotonic()
        while len(self._used_at) > MOST_SESSIONS:
            self._used_at.popitem(last=False)
        return session

    def is_live(self, session: str | None) -> bool:
        """Return True if a cookie's session is live, and record that it was used."""
        if session is None or session not in self._used_at:
            return False
        now = self._monotonic()
        if now - self._used_at[session] > IDLE_SECONDS:
            self.end(session)
            return False
        self._used_at[session] = now
        self._used_at.move_to_end(session)
        return True

    def end(self, session: str) -> None:
        """End a session."""
        self._used_at.pop(session, None)


class OneTimeKey:
    """The key in the printed address. It signs in one browser, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: str | None = None

    def issue(self) -> str:
        """Make a new key; the former one is void."""
        with self._lock:
            self._key = secrets.token_urlsafe(24)
            return self._key

    def is_right(self, key: str) -> bool:
        """Return True if it is the key, which stays so."""
        with self._lock:
            return self._key is not None and is_equal(self._key, key)

    def redeem(self, key: str) -> bool:
        """Return True if it is the key, which is then void."""
        with self._lock:
            is_right = self._key is not None and is_equal(self._key, key)
            if is_right:
                self._key = None
            return is_right


class WrongKeys:
    """Counts wrong keys, so that nobody can try many."""

    def __init__(self, monotonic: Clock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._times: deque[float] = deque(maxlen=MOST_WRONG_KEYS)

    def record(self) -> None:
        """Record a wrong key."""
        self._times.append(self._monotonic())

    @property
    def wait_seconds(self) -> float:
        """How long no key is accepted; 0 if one is."""
        if len(self._times) < MOST_WRONG_KEYS:
            return 0.0
        return max(0.0, self._times[0] + WRONG_KEYS_WINDOW_SECONDS - self._monotonic())


class Tokens:
    """The tokens of the forms (CSRF): each belongs to one cookie, so that none is kept."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def token_of(self, cookie: str) -> str:
        """Return the token of a cookie's value."""
        return hmac.new(self._secret, cookie.encode(), hashlib.sha256).hexdigest()

    def is_right(self, cookie: str | None, token: str | None) -> bool:
        """Return True if the token belongs to the cookie."""
        return cookie is not None and token is not None and is_equal(self.token_of(cookie), token)


def is_equal(one: str, other: str) -> bool:
    """Compare secrets in a time that tells nothing about them."""
    return hmac.compare_digest(one.encode(), other.encode())
