"""Doing what the plan says, and writing down what was done: the audit explains a repeat only by it."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from localstack.chaos import evidence, orders
from localstack.chaos.plan import ALL_CRASH_POINTS, RESTING_CRASH_POINTS, Kind, Strike
from localstack.chaos.records import Interruption, Outage
from localstack.chaos.stack import BreakableStack, Rule
from localstack.errors import UserError

_PUSH = "PushStatusFunction"
_WATCH = "WatchFunction"
_POLL_SECONDS = 0.02
# A beat that died comes again, or the next one does; what is lost with a queue, or was not queued, the schedule brings.
_RESTARTED_SECONDS = 25.0
_MINUTE_SECONDS = 65.0
_NOTICED_SECONDS = 20.0
# The emulator ends every process of a function where one dies while it starts; with each death that would take longer.
_STARTED_SECONDS = 8.0
# As AWS reports them: throttling that its SDK retries, and a failure on its side.
_FAILING: tuple[Rule, ...] = (
    {"service": "sqs", "error": {"code": "ThrottlingException", "status": 400}},
    {"service": "sqs", "error": {"code": "InternalFailure", "status": 500}},
    {"service": "dynamodb", "error": {"code": "ProvisionedThroughputExceededException", "status": 400}},
    {"service": "dynamodb", "error": {"code": "InternalServerError", "status": 500}},
)


def failing(share: float) -> list[Rule]:
    """Rules that make this share of all SQS and DynamoDB calls fail, half throttled, half with a 500.

    The first rule that strikes wins, so the second of a pair sees only what the first let through.
    """
    first = share / 2
    second = first / (1 - first)
    return [{**rule, "probability": first if number % 2 == 0 else second} for number, rule in enumerate(_FAILING)]


@dataclass(frozen=True)
class Done:
    """A fault that struck."""

    at: float
    text: str


class Faults:
    """Strikes the stack; usable from several threads."""

    def __init__(self, broken: BreakableStack, orders: Callable[[], Sequence[str]]) -> None:
        self._stack = broken
        self._orders = orders
        self._lock = threading.Lock()
        self._armed: dict[str, float] = {}
        self._frozen: dict[int, psutil.Process] = {}
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch_crash_points, name="crash points", daemon=True)
        self._watcher.start()
        # Postgres and emulator are restarted one at a time; a redeployment while the other is away would fail.
        self._infrastructure = threading.Lock()
        self.log: list[Done] = []
        self.interruptions: list[Interruption] = []
        self.outages: list[Outage] = []
        self.counts: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self._actions: Mapping[Kind, Callable[[Strike], str | None]] = {
            Kind.CRASH: self._arm,
            Kind.KILL: self._kill,
            Kind.FREEZE: self._freeze,
            Kind.DUPLICATES: self._duplicates,
            Kind.DEAD_LETTER: self._dead_letter,
            Kind.RECONCILERS: self._reconcilers,
            Kind.THROTTLING: self._throttling,
            Kind.POSTGRES: self._restart_postgres,
            Kind.EMULATOR: self._restart_emulator,
        }

    def strike(self, strike: Strike) -> None:
        """Does it, blocking for as long as it takes."""
        action = self._actions[strike.kind]
        try:
            done = action(strike)
        except (BotoCoreError, ClientError, UserError) as error:
            # The stack was away for another fault's sake.
            done = f"{strike} could not strike: {str(error)[:120]}"
        else:
            if done:
                self.count(strike.kind)
        if done:
            self.note(done)

    def count(self, kind: Kind) -> None:
        """Counts a fault that struck."""
        with self._lock:
            self.counts[kind] += 1

    def note(self, text: str) -> None:
        """Keeps a line for the timelines."""
        with self._lock:
            self.log.append(Done(time.time(), text))

    def interrupted(self, reason: str) -> None:
        """Keeps what the push that was stopped just now had not recorded yet."""
        moment = time.time()
        try:
            recorded = evidence.recorded(self._stack.stack)
        except (BotoCoreError, ClientError):
            return  # the emulator is away, and every connection with it: nothing can come twice on those
        with self._lock:
            self.interruptions.append(Interruption(moment, reason, recorded.of_orders, recorded.of_users))

    def keeps_the_watcher_away(self, seconds: float) -> None:
        """Notes that for a fault's sake it may not look for so long."""
        moment = time.time()
        with self._lock:
            self.outages.append(Outage(moment - _NOTICED_SECONDS, moment + seconds))

    def calm(self) -> None:
        """Ends whatever is still going on; what was broken stays for the engine to mend."""
        self._stop.set()
        self._watcher.join(5)
        for point in ALL_CRASH_POINTS:
            (self._stack.crash_directory / point).unlink(missing_ok=True)
        self._stack.proxy.fail([])
        for process in list(self._frozen.values()):
            self._thaw(process)

    def reconcile(self, times: int = 1) -> None:
        """Calls the reconcile function, so many at once. Raises nothing where the stack is away: it is called again."""
        with ThreadPoolExecutor(times) as threads:
            for call in [threads.submit(self._stack.stack.reconcile) for _ in range(times)]:
                try:
                    call.result()
                except (BotoCoreError, ClientError, UserError) as error:
                    self.note(f"reconcile failed: {str(error)[:120]}")

    def _arm(self, strike: Strike) -> str | None:
        (self._stack.crash_directory / strike.name).touch()
        with self._lock:
            self._armed[strike.name] = time.time()
        return None

    def _watch_crash_points(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            with self._lock:
                fired = [point for point in self._armed if not (self._stack.crash_directory / point).exists()]
                for point in fired:
                    del self._armed[point]
            for point in fired:
                self.count(Kind.CRASH)
                self.note(f"died at {point}")
                if point == "after_post":
                    self.interrupted("push died between posting and recording")
                if point in RESTING_CRASH_POINTS:
                    self.keeps_the_watcher_away(_RESTARTED_SECONDS)

    def _kill(self, strike: Strike) -> str | None:
        process = self._pick(strike)
        if process is None:
            return None
        with contextlib.suppress(psutil.Error):
            process.kill()
            if strike.name == _PUSH:
                self.interrupted("push killed")
            if strike.name == _WATCH:
                self.keeps_the_watcher_away(_RESTARTED_SECONDS)
            return f"killed {strike.name} ({process.pid})"
        return None

    def _freeze(self, strike: Strike) -> str | None:
        process = self._pick(strike)
        if process is None:
            return None
        with contextlib.suppress(psutil.Error):
            process.suspend()
            self._frozen[process.pid] = process
            if strike.name == _PUSH:
                self.interrupted("push frozen")
            if strike.name == _WATCH:
                self.keeps_the_watcher_away(strike.size + _RESTARTED_SECONDS)
            self.note(f"froze {strike.name} ({process.pid}) for {strike.size:.0f} s")
            self._stop.wait(strike.size)
            self._thaw(process)
            return f"thawed {strike.name} ({process.pid})"
        return None

    def _thaw(self, process: psutil.Process) -> None:
        self._frozen.pop(process.pid, None)
        with contextlib.suppress(psutil.Error):
            process.resume()

    def _pick(self, strike: Strike) -> psutil.Process | None:
        grown = time.time() - _STARTED_SECONDS
        found = []
        for each in self._stack.function_processes():
            with contextlib.suppress(psutil.Error):
                if each.function.startswith(strike.name) and each.process.create_time() < grown:
                    found.append(each.process)
        return found[int(strike.pick * len(found))] if found else None

    def _recent(self, strike: Strike) -> str | None:
        recent = self._orders()[-30:]
        return recent[int(strike.pick * len(recent))] if recent else None

    def _duplicates(self, strike: Strike) -> str | None:
        order_id = self._recent(strike)
        if order_id is None:
            return None
        orders.send(self._stack.stack, "OrdersQueueUrl", order_id, int(strike.size))
        return f"sent {order_id} {strike.size:.0f} times"

    def _dead_letter(self, strike: Strike) -> str | None:
        order_id = self._recent(strike)
        if order_id is None:
            return None
        orders.send(self._stack.stack, "OrdersDeadLetterQueueUrl", order_id, 1)
        return f"sent {order_id} to the dead letters"

    def _reconcilers(self, strike: Strike) -> str | None:
        self.reconcile(int(strike.size))
        return f"{strike.size:.0f} reconcilers at once"

    def _throttling(self, strike: Strike) -> str | None:
        self._stack.proxy.fail(failing(0.2))
        self.keeps_the_watcher_away(strike.size + _MINUTE_SECONDS)
        self.note(f"20 % of SQS and DynamoDB calls fail for {strike.size:.0f} s")
        self._stop.wait(strike.size)
        self._stack.proxy.fail([])
        return "SQS and DynamoDB answer again"

    def _restart_postgres(self, strike: Strike) -> str | None:
        with self._infrastructure:
            self._stack.postgres.crash()
            self.keeps_the_watcher_away(strike.size + _RESTARTED_SECONDS)
            self.note(f"Postgres stopped at once, back in {strike.size:.0f} s")
            self._stop.wait(strike.size)
            self._stack.postgres.start()
        return "Postgres is back"

    def _restart_emulator(self, _strike: Strike) -> str | None:
        with self._infrastructure:
            self._stack.stack.kill_emulator()
            self.note("the emulator was killed: its queues and connections are lost")
            self._stack.stack.start_emulator()
            self.keeps_the_watcher_away(2 * _MINUTE_SECONDS)
        return "the emulator is back, empty"
