"""What a run proved, for people: the table, and the whole story of every order with which something is wrong."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from localstack.chaos import audit, resting_audit
from localstack.chaos.faults import InjectedFault
from localstack.chaos.records import CONFIRMED, Evidence
from localstack.chaos.violations import Kind, Violation

_STORIES = 5
# So many limit orders, and one of them fires.
_ENOUGH = 10
_AROUND_SECONDS = 5.0


@dataclass(frozen=True)
class Result:
    """A finished run."""

    evidence: Evidence
    violations: tuple[Violation, ...]
    # Why orders were not accepted, a sentence each.
    refused: Sequence[str] = ()
    faults: Sequence[InjectedFault] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    settings: str = ""
    seconds: float = 0.0
    # From the last sign of life of a worker that died until another one had its order, as sampled once a second.
    slowest_takeover: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether every promise was kept, and the run was one in which it could have been broken."""
        return not self.violations and not any(shortcomings(self))


def shortcomings(result: Result) -> Iterator[str]:
    """Why a run without violations proves too little, a sentence each."""
    accepted = len(result.evidence.accepted)
    if not accepted or result.refused:
        why = f" {result.refused[0]}" if result.refused else ""
        yield f"{accepted} of {accepted + len(result.refused)} orders were accepted.{why}"
    if not audit.count_by_end(result.evidence)[CONFIRMED]:
        yield "No order was confirmed, so nothing is shown of settlements: run more orders."
    if not audit.count_excusable(result.evidence)[1]:
        yield "No follower was told anything, so nothing is shown of the stream: run more orders."
    of_users = result.evidence.user_transcripts
    if of_users and not any(connection.frames for each in of_users for connection in each.connections):
        yield "No follower of a user was told anything: run more orders."
    resting = resting_audit.counts(result.evidence)
    if resting["limit"] >= _ENOUGH and not resting["fired"]:
        yield "No resting order fired, so nothing is shown of the watcher: run more orders."
    if not any(result.counts.values()):
        yield "No fault struck: run it for longer (--minutes) or with more faults (--interval)."


def rows(result: Result) -> list[tuple[str, str, bool]]:
    """The table: what, how many, and whether that is a violation."""
    evidence = result.evidence
    found = Counter(violation.kind for violation in result.violations)
    counted = [
        ("lost", (Kind.LOST,)),
        ("stuck", (Kind.STUCK, Kind.LEFT_OPEN)),
        ("settled twice", (Kind.SETTLED_TWICE,)),
        ("settled but failed", (Kind.SETTLED_BUT_FAILED,)),
        ("confirmed without settlement", (Kind.CONFIRMED_UNSETTLED, Kind.WRONG_FILL)),
        ("broken histories", (Kind.HISTORY_GAP, Kind.HISTORY_ILLEGAL)),
        ("settled past their limit", (Kind.PAST_LIMIT,)),
        ("fired twice or wrongly", (Kind.FIRED_TWICE, Kind.FIRED_WRONGLY)),
        ("left at rest at their price or past their time", (Kind.NOT_FIRED, Kind.EXPIRED_WRONGLY)),
        ("signed after their time", (Kind.SIGNED_LATE,)),
        ("gaps", (Kind.GAP,)),
        ("out of order", (Kind.OUT_OF_ORDER, Kind.WRONG_FRAME)),
        ("told of others' orders", (Kind.FOREIGN,)),
        ("statuses that a user's follower never got", (Kind.UNDELIVERED,)),
        ("repeats without a reason", (Kind.REPEAT,)),
        ("followers never told the end", (Kind.NEVER_TOLD,)),
    ]
    ended = audit.count_by_end(evidence)
    repeated = audit.repeats(evidence)
    excusable, frames = audit.count_excusable(evidence)
    connections = sum(len(transcript.connections) for transcript in evidence.transcripts)
    plain = [
        ("orders", f"{len(evidence.orders)} ({', '.join(f'{count} {how}' for how, count in ended.items())})"),
        ("accepted with 202", f"{len(evidence.accepted)}, refused {len(result.refused)}"),
        (
            "that may rest",
            ", ".join(f"{count} {what}" for what, count in resting_audit.counts(evidence).items()),
        ),
        ("followers", f"{len(evidence.transcripts)}, {connections} connections, {frames} statuses"),
        ("followers of users", _of_users(evidence)),
        ("faults", ", ".join(f"{count} {what}" for what, count in result.counts.items() if count) or "none"),
    ]
    ending = [
        ("repeats with a reason", _format_repeats(repeated)),
        ("statuses that could have come twice", f"{excusable} of {frames} ({excusable / max(frames, 1):.1%})"),
        ("dead letters", str(len(evidence.dead_letters))),
        ("slowest recovery (a dead worker's order)", f"{result.slowest_takeover:.1f} s"),
        ("longest silence of an order, queueing and outages included", f"{audit.longest_silence(evidence):.1f} s"),
    ]
    table = [(name, text, False) for name, text in plain]
    for name, kinds in counted:
        count = sum(found[kind] for kind in kinds)
        table.append((name, str(count), count > 0))
    return table + [(name, text, False) for name, text in ending]


def _of_users(evidence: Evidence) -> str:
    connections = [each for transcript in evidence.user_transcripts for each in transcript.connections]
    statuses = sum(len(each.frames) for each in connections)
    return f"{len(evidence.user_transcripts)}, {len(connections)} connections, {statuses} statuses"


def _format_repeats(repeated: Sequence[audit.Repeat]) -> str:
    reasons = Counter(repeat.reason for repeat in repeated if repeat.reason is not None)
    listed = ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total()}{f' ({listed})' if listed else ''}"


def show(result: Result, console: Console) -> None:
    """Prints the table, then the stories of the first few orders that were wronged."""
    table = Table(title=result.settings or None, title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, text, is_wrong in rows(result):
        table.add_row(name, f"[bold red]{text}[/bold red]" if is_wrong else text)
    console.print(table)
    wronged = list(dict.fromkeys(violation.order_id for violation in result.violations))
    for order_id in wronged[:_STORIES]:
        console.print(f"\n[bold red]{order_id}[/bold red]")
        for violation in result.violations:
            if violation.order_id == order_id:
                console.print(f"  {violation.kind}: {violation.detail}", markup=False, highlight=False)
        for line in story(result, order_id):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if len(wronged) > _STORIES:
        console.print(f"\n… and {len(wronged) - _STORIES} more orders: {', '.join(wronged[_STORIES:])}", soft_wrap=True)
    count = len(result.violations)
    if count:
        console.print(f"\n[red]{count} violation{'s' if count > 1 else ''}.[/red] {result.seconds:.0f} s.")
    elif result.holds:
        console.print(f"\n[green]Every promise held.[/green] {result.seconds:.0f} s.")
    for sentence in shortcomings(result):
        console.print(f"[red]The run proves too little:[/red] {escape(sentence)}", soft_wrap=True)


def story(result: Result, order_id: str) -> list[str]:
    """Everything that is known of one order, oldest first."""
    moments = sorted([*_database_story(result.evidence, order_id), *_follower_story(result.evidence, order_id)])
    if moments:
        first, last = moments[0][0] - _AROUND_SECONDS, moments[-1][0] + _AROUND_SECONDS
        moments += [(done.at, f"fault      {done.text}") for done in result.faults if first <= done.at <= last]
        moments.sort()
    start = moments[0][0] if moments else 0.0
    return [f"{moment - start:8.3f} s  {text}" for moment, text in moments]


def _database_story(evidence: Evidence, order_id: str) -> Iterable[tuple[float, str]]:
    for event in evidence.events:
        if event.order_id == order_id:
            yield event.at, f"event {event.sequence:<3}  {event.status} (attempt {event.attempt}): {event.message}"
    for each in evidence.chain:
        if each.order_id == order_id:
            line = f"chain      {each.signature[:12]}… of attempt {each.attempt}: {each.outcome}"
            after = each.lands_at - each.submitted_at
            yield each.submitted_at, f"{line}, sent {each.submissions} times, lands {after:.2f} s later"
    for letter in evidence.dead_letters:
        if letter.order_id == order_id:
            yield letter.at, f"dead letter {letter.message_id}: {letter.verdict}"


def _follower_story(evidence: Evidence, order_id: str) -> Iterable[tuple[float, str]]:
    for transcript in evidence.transcripts:
        if transcript.order_id != order_id:
            continue
        for number, connection in enumerate(transcript.connections, start=1):
            name = f"{transcript.name} #{number}"
            yield connection.opened_at, f"follower   {name} connected behind {connection.after}"
            for frame in connection.frames:
                yield frame.at, f"follower   {name} got {frame.sequence} {frame.status}"
            if connection.closed_at is not None:
                yield connection.closed_at, f"follower   {name} ended: {connection.ending}"
    yield from _user_story(evidence, order_id)


def _user_story(evidence: Evidence, order_id: str) -> Iterable[tuple[float, str]]:
    users = {order.user_id for order in evidence.orders if order.id == order_id}
    for transcript in evidence.user_transcripts:
        for number, connection in enumerate(transcript.connections, start=1):
            name = f"{transcript.name} #{number}"
            if transcript.user_id in users:
                stands = connection.shown.open.get(order_id) if connection.shown is not None else None
                since = "" if connection.asked_since is None else f" since {connection.asked_since:.3f}"
                yield connection.opened_at, f"follower   {name} connected{since}, shown at {stands}"
                if connection.closed_at is not None:
                    yield connection.closed_at, f"follower   {name} ended: {connection.ending}"
            for named, frame in connection.frames:
                if named == order_id:
                    yield frame.at, f"follower   {name} got {frame.sequence} {frame.status}"
