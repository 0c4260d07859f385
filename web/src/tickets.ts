// What opens the stream where there are sessions: a ticket for any of the trader's orders, asked for when it is needed.
import { effect } from "@preact/signals";
import { call } from "./api";
import { token } from "./session";

// A ticket is good for five minutes; a new one is asked for well before that.
const FRESH_MS = 120_000;
let kept: { ticket: string; at: number } | null = null;
effect(() => {
  // Another session has tickets of its own.
  token.value;
  kept = null;
});

export async function streamTicket(): Promise<string | null> {
  const session = token.peek();
  if (!session) return null;
  if (kept && Date.now() - kept.at < FRESH_MS) return kept.ticket;
  const { body } = await call<{ ticket: string }>("POST", "api/stream-tickets", { body: {} });
  if (token.peek() === session) kept = { ticket: body.ticket, at: Date.now() };
  return body.ticket;
}
