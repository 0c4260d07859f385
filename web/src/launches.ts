// Tokens that are about to launch, where the service tells: read while a sniper's ticket is open.
import { effect, signal } from "@preact/signals";
import { call, unreachableSince } from "./api";
import { typeOf } from "./lib/ticket";
import type { Launches } from "./lib/types";
import { isReady } from "./session";
import { form } from "./state";

export const launches = signal<Launches["upcoming"]>([]);
const EVERY_MS = 15_000;

async function read(): Promise<void> {
  if (
    typeOf(form.peek()) !== "sniper" ||
    document.hidden ||
    !isReady.peek() ||
    unreachableSince.peek() !== null
  )
    return;
  try {
    launches.value = (await call<Launches>("GET", "api/launches")).body.upcoming;
  } catch {
    // The list stays as it was; the link says what is wrong.
  }
}

export function start(): void {
  effect(() => {
    if (typeOf(form.value) === "sniper" && isReady.value) void read();
  });
  window.setInterval(() => void read(), EVERY_MS);
}
