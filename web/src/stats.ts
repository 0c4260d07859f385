// The figures of the last orders, from the service: execution quality is computed where all orders are.
import { effect, signal } from "@preact/signals";
import { call, unreachableSince } from "./api";
import { listedUser } from "./history";
import { isOver } from "./lib/orders";
import type { Stats } from "./lib/types";
import { isReady } from "./session";
import { orders } from "./state";

export const stats = signal<Stats | null>(null);

const SETTLING_MS = 600;
const EVERY_MS = 30_000;
let asking = false;

async function read(): Promise<void> {
  if (asking || document.hidden || !isReady.peek() || unreachableSince.peek() !== null) return;
  asking = true;
  const user = listedUser.peek();
  try {
    const query = user ? `?${new URLSearchParams({ userId: user })}` : "";
    const { body } = await call<Stats>("GET", `api/stats${query}`);
    if (user === listedUser.peek()) stats.value = body;
  } catch {
    // The old figures stay until there are new ones; the link says what is wrong.
  } finally {
    asking = false;
  }
}

export function start(): void {
  let timer = 0;
  let seen = "";
  effect(() => {
    const over = [...orders.value.values()].filter((order) => isOver(order.status)).length;
    const key = `${listedUser.value} ${over} ${isReady.value} ${unreachableSince.value === null}`;
    if (key === seen) return;
    seen = key;
    clearTimeout(timer);
    timer = window.setTimeout(() => void read(), SETTLING_MS);
  });
  window.setInterval(() => void read(), EVERY_MS);
}
