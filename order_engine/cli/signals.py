"""How signals end a command: the first one counts, with the exit status that a shell expects."""

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 128 + signal.SIGINT  # typer's for KeyboardInterrupt


class Signals:
    """Turns the signals that end a command into KeyboardInterrupt, and remembers which was the first."""

    def __init__(self) -> None:
        self._heard: int | None = None
        self._over = False

    @property
    def exit_status(self) -> int:
        """128 + N for signal N."""
        return 128 + (self._heard or signal.SIGINT)

    def listen(self) -> None:
        """Hears them from now on, and those that came before and were kept waiting."""
        for number in ENDING:
            # SIGINT too: a shell script starts its background jobs with it ignored. nohup's SIGHUP stays ignored.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def ignore(self) -> None:
        """Nothing changes the exit status any more: the interpreter's end would give each signal its usual effect."""
        self._over = True
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._heard = self._heard or number
        if not self._over:
            raise KeyboardInterrupt
