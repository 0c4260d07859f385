// Keeps what is known true: a WebSocket for the orders that are open, polling where there is none, and a plain word about
// which of the two it is. Every recovery reads what was missed: nothing relies on having been connected.
import { computed, effect, signal } from "@preact/signals";
import { call, Refused, unreachableSince } from "./api";
import { isOver } from "./lib/orders";
import { visible } from "./lib/text";
import type { Health, Order, OrderEvent } from "./lib/types";
import { isReady } from "./session";
import {
  announcement,
  events,
  health,
  keepFrame,
  learn,
  now,
  openOrders,
  orders,
  selected,
  selectedOrder,
  websocketUrl,
} from "./state";
import { ticketForAll } from "./tickets";

/** Heartbeats come at least every 30 s: after twice that without a word a connection is dead. */
const SILENCE_MS = 65_000;
const MAX_FOLLOWED = 60;
const POLL_MS = 2_000;
const MAX_WAIT_MS = 10_000;
const HEALTH_MS = 15_000;
const OUTAGE_MS = 2_000;

export type Link = "live" | "connecting" | "polling" | "offline";
type SocketState = "none" | "connecting" | "open";
const socketState = signal<SocketState>("none");
/** How often opening has failed since it last worked. */
const failures = signal(0);

/** Orders that this page has placed: they exist before they are read. */
export const placedHere = new Set<string>();

/** Whether the order is known further than its events: its end may come by another way than its steps. */
const lacksEvents = computed(() => {
  const order = selectedOrder.value;
  return order !== null && (events.value.get(order.id)?.at(-1)?.sequence ?? 0) < order.sequence;
});

/** Orders that somebody looks at or that are not over: the selected one first. */
const wanted = computed<readonly string[]>(() => {
  if (!isReady.value) return [];
  const chosen = selected.value;
  const known = chosen ? orders.value.get(chosen) : undefined;
  // An address may name what there is not: it is followed once it was read, or placed here.
  const isThere = known
    ? !isOver(known.status) || lacksEvents.value
    : chosen !== null && placedHere.has(chosen);
  const first = chosen && isThere ? [chosen] : [];
  const others = openOrders.value.map((order) => order.id).filter((id) => id !== chosen);
  return [...first, ...others.sort().reverse()].slice(0, MAX_FOLLOWED);
});

/** The selected order, where the service has none of that id. */
export const missing = signal<string | null>(null);

export const link = computed<Link>(() => {
  if (unreachableSince.value !== null) return "offline";
  if (!wanted.value.length || socketState.value === "open") return "live";
  return failures.value >= 2 ? "polling" : "connecting";
});

interface Frame {
  type: string;
  orderId?: string;
  code?: string;
  sequence?: number;
  order?: Order;
}

let socket: WebSocket | null = null;
let subscribed = new Set<string>();
let silence = 0;
let retry = 0;

const after = (id: string): number => events.value.get(id)?.at(-1)?.sequence ?? 0;

async function open(): Promise<void> {
  const first = wanted.value[0];
  if (socket || !first || unreachableSince.value !== null) return;
  clearTimeout(retry);
  socketState.value = "connecting";
  let url: string;
  try {
    const ticket = await ticketForAll();
    url = `${websocketUrl}?orderId=${encodeURIComponent(first)}&after=${after(first)}${ticket ? `&ticket=${encodeURIComponent(ticket)}` : ""}`;
  } catch {
    closed();
    return;
  }
  if (socket || socketState.value !== "connecting") return;
  let mine: WebSocket;
  try {
    mine = new WebSocket(url);
  } catch {
    closed();
    return;
  }
  socket = mine;
  subscribed = new Set([first]);
  const listen = () => {
    clearTimeout(silence);
    silence = window.setTimeout(() => drop(mine), SILENCE_MS);
  };
  // A handshake that nobody answers must not be waited for.
  silence = window.setTimeout(() => drop(mine), 10_000);
  mine.addEventListener("open", () => {
    if (socket !== mine) return;
    failures.value = 0;
    socketState.value = "open";
    listen();
    follow();
  });
  mine.addEventListener("message", ({ data }: MessageEvent<string>) => {
    if (socket !== mine) return;
    listen();
    read(data);
  });
  mine.addEventListener("close", () => drop(mine));
}

function drop(which: WebSocket): void {
  if (socket !== which) return;
  socket = null;
  clearTimeout(silence);
  which.close();
  closed();
}

function closed(): void {
  failures.value += 1;
  socketState.value = "none";
  clearTimeout(retry);
  const wait = Math.min(250 * 2 ** failures.value, MAX_WAIT_MS);
  retry = window.setTimeout(() => void open(), wait * (0.75 + Math.random() / 2));
}

/** Follows on the open connection what it does not follow yet, and no more what is over. */
function follow(): void {
  if (!socket || socketState.value !== "open") return;
  const ids = new Set(wanted.value);
  for (const id of ids) {
    if (subscribed.has(id)) continue;
    subscribed.add(id);
    void say(id);
  }
  for (const id of [...subscribed]) {
    if (ids.has(id)) continue;
    subscribed.delete(id);
    socket.send(JSON.stringify({ action: "unsubscribe", orderId: id }));
  }
}

async function say(id: string): Promise<void> {
  const on = socket;
  try {
    const ticket = await ticketForAll();
    if (on === socket && on?.readyState === WebSocket.OPEN)
      on.send(
        JSON.stringify({ action: "subscribe", orderId: id, after: after(id), ...(ticket ? { ticket } : {}) }),
      );
  } catch {
    subscribed.delete(id);
  }
}

function read(data: string): void {
  let frame: Frame;
  try {
    frame = JSON.parse(data) as Frame;
  } catch {
    return;
  }
  if (frame.orderId) keepFrame(frame.orderId, data);
  if (frame.type === "error" && frame.orderId) subscribed.delete(frame.orderId);
  if (frame.type === "session_over" && socket) drop(socket);
  if (frame.type !== "status" || !frame.orderId) return;
  const {
    type: _type,
    order,
    txHash: _hash,
    error: _error,
    ...event
  } = frame as Frame & Record<string, unknown>;
  const known = events.value.get(frame.orderId)?.length ?? 0;
  learn({ ...(order ? { orders: [order] } : {}), events: [event as unknown as OrderEvent] });
  if (frame.orderId === selected.value && (events.value.get(frame.orderId)?.length ?? 0) > known)
    announcement.value = visible(
      `${(event as unknown as OrderEvent).status}: ${(event as unknown as OrderEvent).message}`,
    );
}

/** Reads an order and its events as they now are. */
export async function refresh(id: string, { withEvents = true } = {}): Promise<void> {
  try {
    const [order, history] = await Promise.all([
      call<Order>("GET", `api/orders/${encodeURIComponent(id)}`),
      withEvents
        ? call<{ events: OrderEvent[] }>("GET", `api/orders/${encodeURIComponent(id)}/events`)
        : null,
    ]);
    learn({ orders: [order.body], events: history?.body.events ?? [] });
    if (missing.value === id) missing.value = null;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) missing.value = id;
  }
}

let polling = false;
async function poll(): Promise<void> {
  if (polling || socketState.value === "open" || unreachableSince.value !== null || document.hidden) return;
  polling = true;
  try {
    const [first, ...others] = wanted.value;
    if (first) await refresh(first, { withEvents: first === selected.value });
    await Promise.all(others.slice(0, 8).map((id) => refresh(id, { withEvents: false })));
  } finally {
    polling = false;
  }
}

export async function askHealth(): Promise<void> {
  try {
    const { body } = await call<Health>("GET", "health", { anyStatus: true, timeoutMs: 5_000 });
    if (body && typeof body === "object" && "checks" in body) health.value = body;
  } catch {
    // `call` has noted that nothing answers.
  }
}

export function start(): void {
  // What follows the clock stands still in a hidden page, and catches up when it is looked at again.
  window.setInterval(() => {
    now.value = Date.now();
  }, 1_000);
  window.setInterval(() => void poll(), POLL_MS);
  let asked = 0;
  window.setInterval(() => {
    if (document.hidden) return;
    const every = unreachableSince.value === null ? HEALTH_MS : OUTAGE_MS;
    if (Date.now() - asked < every) return;
    asked = Date.now();
    void askHealth();
  }, 500);
  void askHealth();
  window.addEventListener("offline", () => {
    unreachableSince.value ??= Date.now();
  });
  window.addEventListener("online", () => void askHealth());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void askHealth();
  });
  // Without a network a socket may look open for minutes.
  let wasOut = unreachableSince.value !== null;
  effect(() => {
    const isOut = unreachableSince.value !== null;
    if (isOut && socket) drop(socket);
    if (wasOut && !isOut) {
      failures.value = 0;
      const id = selected.peek();
      if (id) void refresh(id);
      void open();
    }
    wasOut = isOut;
  });
  effect(() => {
    const ids = wanted.value;
    if (socketState.value === "open") follow();
    else if (ids.length && socketState.value === "none" && failures.peek() === 0) void open();
    if (!ids.length && socket) {
      const idle = socket;
      socket = null;
      clearTimeout(silence);
      idle.close();
      socketState.value = "none";
    }
  });
  let catching = 0;
  effect(() => {
    const id = selected.value;
    clearTimeout(catching);
    // The stream may be bringing them at this moment.
    if (id && lacksEvents.value && isReady.value) catching = window.setTimeout(() => void refresh(id), 400);
  });
  // An order that is over is read once; one that goes on is also read at once, since a handshake takes its time.
  effect(() => {
    const id = selected.value;
    if (id && isReady.value) void refresh(id);
  });
}
