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
from localstack.chaos.plan import ALL_CRASH_POINTS, RESTING_CRASH_POINTS, FaultKind, PlannedFault
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
class InjectedFault:
    """A fault that struck."""

    at: float
    text: str


class Faults:
    """Injects faults into the stack; usable from several threads."""

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
        self.log: list[InjectedFault] = []
        self.interruptions: list[Interruption] = []
        self.outages: list[Outage] = []
        self.counts: dict[FaultKind, int] = dict.fromkeys(FaultKind, 0)
        self._actions: Mapping[FaultKind, Callable[[PlannedFault], str | None]] = {
            FaultKind.CRASH: self._arm,
            FaultKind.KILL: self._kill,
            FaultKind.FREEZE: self._freeze,
            FaultKind.DUPLICATES: self._duplicates,
            FaultKind.DEAD_LETTER: self._dead_letter,
            FaultKind.RECONCILERS: self._reconcilers,
            FaultKind.THROTTLING: self._throttling,
            FaultKind.POSTGRES: self._restart_postgres,
            FaultKind.EMULATOR: self._restart_emulator,
        }

    def inject(self, fault: PlannedFault) -> None:
        """Does it, blocking for as long as it takes."""
        action = self._actions[fault.kind]
        try:
            done = action(fault)
        except (BotoCoreError, ClientError, UserError) as error:
            # The stack was away for another fault's sake.
            done = f"{fault} could not strike: {str(error)[:120]}"
        else:
            if done:
                self.count(fault.kind)
        if done:
            self.note(done)

    def count(self, kind: FaultKind) -> None:
        """Counts a fault that struck."""
        with self._lock:
            self.counts[kind] += 1

    def note(self, text: str) -> None:
        """Keeps a line for the timelines."""
        with self._lock:
            self.log.append(InjectedFault(time.time(), text))

    def interrupted(self, reason: str) -> None:
        """Keeps what the push that was stopped just now had not recorded yet."""
        moment = time.time()
        try:
            recorded = evidence.read_follower_records(self._stack.stack)
        except (BotoCoreError, ClientError):
            return  # the emulator is away, and every connection with it: nothing can come twice on those
        with self._lock:
            self.interruptions.append(Interruption(moment, reason, recorded.of_orders, recorded.of_users))

    def note_watcher_outage(self, seconds: float) -> None:
        """Notes that for a fault's sake it may not look for so long."""
        moment = time.time()
        with self._lock:
            self.outages.append(Outage(moment - _NOTICED_SECONDS, moment + seconds))

    def end_all(self) -> None:
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

    def _arm(self, fault: PlannedFault) -> str | None:
        (self._stack.crash_directory / fault.name).touch()
        with self._lock:
            self._armed[fault.name] = time.time()
        return None

    def _watch_crash_points(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            with self._lock:
                fired = [point for point in self._armed if not (self._stack.crash_directory / point).exists()]
                for point in fired:
                    del self._armed[point]
            for point in fired:
                self.count(FaultKind.CRASH)
                self.note(f"died at {point}")
                if point == "after_post":
                    self.interrupted("push died between posting and recording")
                if point in RESTING_CRASH_POINTS:
                    self.note_watcher_outage(_RESTARTED_SECONDS)

    def _kill(self, fault: PlannedFault) -> str | None:
        process = self._pick(fault)
        if process is None:
            return None
        with contextlib.suppress(psutil.Error):
            process.kill()
            if fault.name == _PUSH:
                self.interrupted("push killed")
            if fault.name == _WATCH:
                self.note_watcher_outage(_RESTARTED_SECONDS)
            return f"killed {fault.name} ({process.pid})"
        return None

    def _freeze(self, fault: PlannedFault) -> str | None:
        process = self._pick(fault)
        if process is None:
            return None
        with contextlib.suppress(psutil.Error):
            process.suspend()
            self._frozen[process.pid] = process
            if fault.name == _PUSH:
                self.interrupted("push frozen")
            if fault.name == _WATCH:
                self.note_watcher_outage(fault.size + _RESTARTED_SECONDS)
            self.note(f"froze {fault.name} ({process.pid}) for {fault.size:.0f} s")
            self._stop.wait(fault.size)
            self._thaw(process)
            return f"thawed {fault.name} ({process.pid})"
        return None

    def _thaw(self, process: psutil.Process) -> None:
        self._frozen.pop(process.pid, None)
        with contextlib.suppress(psutil.Error):
            process.resume()

    def _pick(self, fault: PlannedFault) -> psutil.Process | None:
        grown = time.time() - _STARTED_SECONDS
        found = []
        for each in self._stack.function_processes():
            with contextlib.suppress(psutil.Error):
                if each.function.startswith(fault.name) and each.process.create_time() < grown:
                    found.append(each.process)
        return found[int(fault.pick * len(found))] if found else None

    def _recent(self, fault: PlannedFault) -> str | None:
        recent = self._orders()[-30:]
        return recent[int(fault.pick * len(recent))] if recent else None

    def _duplicates(self, fault: PlannedFault) -> str | None:
        order_id = self._recent(fault)
        if order_id is None:
            return None
        orders.send(self._stack.stack, "OrdersQueueUrl", order_id, int(fault.size))
        return f"sent {order_id} {fault.size:.0f} times"

    def _dead_letter(self, fault: PlannedFault) -> str | None:
        order_id = self._recent(fault)
        if order_id is None:
            return None
        orders.send(self._stack.stack, "OrdersDeadLetterQueueUrl", order_id, 1)
        return f"sent {order_id} to the dead letters"

    def _reconcilers(self, fault: PlannedFault) -> str | None:
        self.reconcile(int(fault.size))
        return f"{fault.size:.0f} reconcilers at once"

    def _throttling(self, fault: PlannedFault) -> str | None:
        self._stack.proxy.fail(failing(0.2))
        self.note_watcher_outage(fault.size + _MINUTE_SECONDS)
        self.note(f"20 % of SQS and DynamoDB calls fail for {fault.size:.0f} s")
        self._stop.wait(fault.size)
        self._stack.proxy.fail([])
        return "SQS and DynamoDB answer again"

    def _restart_postgres(self, fault: PlannedFault) -> str | None:
        with self._infrastructure:
            self._stack.postgres.crash()
            self.note_watcher_outage(fault.size + _RESTARTED_SECONDS)
            self.note(f"Postgres stopped at once, back in {fault.size:.0f} s")
            self._stop.wait(fault.size)
            self._stack.postgres.start()
        return "Postgres is back"

    def _restart_emulator(self, _strike: PlannedFault) -> str | None:
        with self._infrastructure:
            self._stack.stack.kill_emulator()
            self.note("the emulator was killed: its queues and connections are lost")
            self._stack.stack.start_emulator()
            self.note_watcher_outage(2 * _MINUTE_SECONDS)
        return "the emulator is back, empty"
