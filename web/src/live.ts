// Keeps what is known true: one WebSocket for all orders of the trader, and for others that are looked at; polling where
// there is none, and a plain word about which of the two it is. Every recovery reads what was missed: nothing relies on
// having been connected.
import { computed, effect, signal } from "@preact/signals";
import { call, Refused, unreachableSince } from "./api";
import { hasRead, listedUser } from "./history";
import { isOver, missedIn } from "./lib/orders";
import { visible } from "./lib/text";
import type { Health, Order, OrderEvent } from "./lib/types";
import { isReady } from "./session";
import {
  announcement,
  events,
  health,
  keepFrame,
  merge,
  now,
  openOrders,
  orders,
  selected,
  selectedOrder,
  websocketUrl,
} from "./state";
import { streamTicket } from "./tickets";

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
/** Whose orders come over the present socket; empty where it follows orders by their ids alone. */
const socketUser = signal("");

/** Orders that this page has placed: they exist before they are read. */
export const placedHere = new Set<string>();

/** Whether the order is known further than its events: its end may come by another way than its steps. */
const lacksEvents = computed(() => {
  const order = selectedOrder.value;
  return order !== null && (events.value.get(order.id)?.at(-1)?.sequence ?? 0) < order.sequence;
});

/** Whose orders the socket is to follow, all of them; empty for nobody's. */
const followedUser = signal("");
/** Before the list was read it is not known whether a token is asked for, and so who the trader is. */
const isUserUnknown = computed(() => !isReady.value || (!hasRead.value && listedUser.value !== ""));
/** The newest time that the socket told, to come back with. */
let newestAt = "";

/** Orders that somebody looks at or that are not over: the selected one first. */
const wantedIds = computed<readonly string[]>(() => {
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

/** Those of them that do not come with the trader's own. */
const followedById = computed<readonly string[]>(() =>
  socketUser.value
    ? wantedIds.value.filter((id) => (orders.value.get(id)?.userId ?? socketUser.value) !== socketUser.value)
    : wantedIds.value,
);

/** The selected order, where the service has none of that id. */
export const missing = signal<string | null>(null);

export const link = computed<Link>(() => {
  if (unreachableSince.value !== null) return "offline";
  if ((!wantedIds.value.length && !followedUser.value) || socketState.value === "open") return "live";
  return failures.value >= 2 ? "polling" : "connecting";
});

interface Frame {
  type: string;
  orderId?: string;
  code?: string;
  sequence?: number;
  at?: string;
  order?: Order;
  open?: Order[];
  more?: boolean;
}

let socket: WebSocket | null = null;
let subscribed = new Set<string>();
let silence = 0;
let attempts = 0;
let retry = 0;

const lastSequence = (id: string): number => events.value.get(id)?.at(-1)?.sequence ?? 0;

async function connect(): Promise<void> {
  const first = wantedIds.value[0];
  const user = followedUser.value;
  if (socket || !(first || user) || isUserUnknown.value || unreachableSince.value !== null) return;
  clearTimeout(retry);
  attempts += 1;
  const attempt = attempts;
  socketState.value = "connecting";
  // As many desks may follow the trader as may: then, in turn, the orders are followed by their ids.
  const byUser = user !== "" && !(first && failures.value >= 2 && failures.value % 2 === 0);
  let url: string;
  try {
    const ticket = await streamTicket();
    const query = new URLSearchParams(
      byUser ? { userId: user } : { orderId: first ?? "", after: String(lastSequence(first ?? "")) },
    );
    if (byUser && newestAt) query.set("since", newestAt);
    if (ticket) query.set("ticket", ticket);
    url = `${websocketUrl}?${query}`;
  } catch {
    if (attempt === attempts) connectAgainLater();
    return;
  }
  if (socket || attempt !== attempts || socketState.value !== "connecting") return;
  let mine: WebSocket;
  try {
    mine = new WebSocket(url);
  } catch {
    connectAgainLater();
    return;
  }
  socket = mine;
  socketUser.value = byUser ? user : "";
  subscribed = new Set(byUser || !first ? [] : [first]);
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
    updateSubscriptions();
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
  connectAgainLater();
}

/** Closes without a fault: nothing is wanted, or another trader's orders. */
function disconnect(): void {
  const idle = socket;
  socket = null;
  attempts += 1;
  clearTimeout(silence);
  clearTimeout(retry);
  idle?.close();
  socketState.value = "none";
}

function connectAgainLater(): void {
  failures.value += 1;
  socketState.value = "none";
  clearTimeout(retry);
  const wait = Math.min(250 * 2 ** failures.value, MAX_WAIT_MS);
  retry = window.setTimeout(() => void connect(), wait * (0.75 + Math.random() / 2));
}

/** Follows on the open connection what it does not follow yet, and no more what is over. */
function updateSubscriptions(): void {
  if (!socket || socketState.value !== "open") return;
  const ids = new Set(followedById.value);
  for (const id of ids) {
    if (subscribed.has(id)) continue;
    subscribed.add(id);
    void sendSubscribe(id);
  }
  for (const id of [...subscribed]) {
    if (ids.has(id)) continue;
    subscribed.delete(id);
    socket.send(JSON.stringify({ action: "unsubscribe", orderId: id }));
  }
}

async function sendSubscribe(id: string): Promise<void> {
  const on = socket;
  try {
    const ticket = await streamTicket();
    if (on === socket && on?.readyState === WebSocket.OPEN)
      on.send(
        JSON.stringify({
          action: "subscribe",
          orderId: id,
          after: lastSequence(id),
          ...(ticket ? { ticket } : {}),
        }),
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
  if (frame.type === "snapshot") mergeSnapshot(frame);
  // What a snapshot was asked for comes behind it: its own time counts only where that was nothing.
  const isNewest =
    frame.type === "status" ? (frame.at ?? "") > newestAt : frame.type === "snapshot" && !newestAt;
  if (socketUser.value && isNewest && frame.at) newestAt = frame.at;
  if (frame.type !== "status" || !frame.orderId) return;
  const {
    type: _type,
    order,
    txHash: _hash,
    error: _error,
    ...event
  } = frame as Frame & Record<string, unknown>;
  const known = events.value.get(frame.orderId)?.length ?? 0;
  merge({ ...(order ? { orders: [order] } : {}), events: [event as unknown as OrderEvent] });
  if (frame.orderId === selected.value && (events.value.get(frame.orderId)?.length ?? 0) > known)
    announcement.value = visible(
      `${(event as unknown as OrderEvent).status}: ${(event as unknown as OrderEvent).message}`,
    );
}

/** What is open when the socket opens, and what has ended or moved since it was open before, however long ago. */
function mergeSnapshot(frame: Frame): void {
  const open = frame.open ?? [];
  // A snapshot has no routes: what has one is read.
  const plain = open.filter((order) => order.chosenDex === null).map((order) => ({ ...order, route: null }));
  const mine = openOrders.value.filter((order) => order.userId === socketUser.value);
  const missed = missedIn(mine, open);
  const routed = open.filter((order) => order.chosenDex !== null && !orders.value.has(order.id));
  merge({ orders: plain });
  for (const id of new Set([...missed, ...routed.map((order) => order.id)].slice(0, MAX_FOLLOWED)))
    void refresh(id, { withEvents: id === selected.value || events.value.has(id) });
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
    merge({ orders: [order.body], events: history?.body.events ?? [] });
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
    const [first, ...others] = wantedIds.value;
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
      void connect();
    }
    wasOut = isOut;
  });
  // Before what opens the socket, which then knows whose orders it is for.
  let typing = 0;
  effect(() => {
    const user = isUserUnknown.value ? "" : listedUser.value;
    clearTimeout(typing);
    if (followedUser.peek() === user) return;
    const change = () => {
      newestAt = "";
      failures.value = 0;
      followedUser.value = user;
      disconnect(); // what is wanted now is opened anew
    };
    // What is being typed is no name yet.
    if (followedUser.peek()) typing = window.setTimeout(change, 600);
    else change();
  });
  effect(() => {
    const isWanted = (wantedIds.value.length > 0 && !isUserUnknown.value) || followedUser.value !== "";
    const ids = followedById.value;
    if (socketState.value === "open" && ids) updateSubscriptions();
    else if (isWanted && socketState.value === "none" && failures.peek() === 0) void connect();
    if (!isWanted && socket) disconnect();
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
