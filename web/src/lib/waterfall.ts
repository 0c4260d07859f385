// What an order spent its time on: one bar a status, from its event to the next, grouped by attempt.
import type { OrderEvent } from "./types";

export interface Bar {
  status: OrderEvent["status"];
  sequence: number;
  message: string;
  at: string;
  /** Since the order's first event. */
  startMs: number;
  /** Until the next event; null for the newest one of an order that goes on, and for an end. */
  ms: number | null;
}

export interface Attempt {
  number: number;
  bars: Bar[];
}

export function waterfall(events: readonly OrderEvent[], isOver: (status: string) => boolean): Attempt[] {
  const first = events[0];
  if (!first) return [];
  const origin = Date.parse(first.at);
  const attempts: Attempt[] = [];
  events.forEach((event, index) => {
    const next = events[index + 1];
    const startMs = Date.parse(event.at) - origin;
    const ms = next && !isOver(event.status) ? Date.parse(next.at) - Date.parse(event.at) : null;
    let attempt = attempts.at(-1);
    if (!attempt || attempt.number !== event.attempt) {
      attempt = { number: event.attempt, bars: [] };
      attempts.push(attempt);
    }
    attempt.bars.push({
      status: event.status,
      sequence: event.sequence,
      message: event.message,
      at: event.at,
      startMs,
      ms,
    });
  });
  return attempts;
}
