// One place for what the desk knows: orders and their events by id, newest wins; list, detail and other tabs read it.
import { computed, signal } from "@preact/signals";
import domain from "./generated/domain.json";
import { isOver } from "./lib/orders";
import { EMPTY, type Form } from "./lib/ticket";
import type { Health, Order, OrderEvent, Token } from "./lib/types";

export const root = new URL("..", import.meta.url);
export const websocketUrl =
  document.querySelector<HTMLMetaElement>('meta[name="websocket-url"]')?.content ?? "";

export const tokens = signal<readonly Token[]>(domain.tokens);
export const orders = signal<ReadonlyMap<string, Order>>(new Map());
export const events = signal<ReadonlyMap<string, readonly OrderEvent[]>>(new Map());
export const frames = signal<ReadonlyMap<string, readonly string[]>>(new Map());
export const selected = signal<string | null>(null);
export const health = signal<Health | null>(null);
/** Moves once a second: ages, countdowns. */
export const now = signal(Date.now());
/** What is read out, once each. */
export const announcement = signal("");

export const selectedOrder = computed(() =>
  selected.value ? (orders.value.get(selected.value) ?? null) : null,
);
export const openOrders = computed(() => [...orders.value.values()].filter((order) => !isOver(order.status)));

const channel = "BroadcastChannel" in window ? new BroadcastChannel("desk") : null;
// Another tab may be another trader's where there are sessions.
let accepts: (order: Order) => boolean = () => true;
export const acceptOnly = (test: (order: Order) => boolean): void => {
  accepts = test;
};

interface News {
  orders: Order[];
  events: OrderEvent[];
}

/** Takes in what is newer than what is known; tells the other tabs. */
export function merge(news: Partial<News>, { tell = true } = {}): void {
  const freshOrders = (news.orders ?? []).filter((order) => {
    const known = orders.value.get(order.id);
    return (
      !known ||
      order.sequence > known.sequence ||
      (order.sequence === known.sequence && order.updatedAt > known.updatedAt)
    );
  });
  if (freshOrders.length)
    orders.value = new Map([...orders.value, ...freshOrders.map((order) => [order.id, order] as const)]);
  const freshEvents = (news.events ?? []).filter(
    (event) => !events.value.get(event.orderId)?.some((known) => known.sequence === event.sequence),
  );
  if (freshEvents.length) {
    const all = new Map(events.value);
    for (const event of freshEvents) {
      const list = [...(all.get(event.orderId) ?? []), event];
      all.set(
        event.orderId,
        list.sort((a, b) => a.sequence - b.sequence),
      );
    }
    events.value = all;
  }
  if (tell && (freshOrders.length || freshEvents.length))
    channel?.postMessage({ orders: freshOrders, events: freshEvents } satisfies News);
}

channel?.addEventListener("message", ({ data }: MessageEvent<News>) => {
  merge(
    {
      orders: data.orders.filter(accepts),
      events: data.events.filter((event) => orders.value.has(event.orderId)),
    },
    { tell: false },
  );
});

export function forgetEverything(): void {
  orders.value = new Map();
  events.value = new Map();
  frames.value = new Map();
}

const MAX_FRAMES = 200;
export function keepFrame(orderId: string, frame: string): void {
  const kept = [...(frames.value.get(orderId) ?? []), frame].slice(-MAX_FRAMES);
  frames.value = new Map([...frames.value, [orderId, kept]]);
}

// A tab's own form outlives a reload; a new tab begins with the last one that was used.
function storedForm(): Form {
  for (const storage of [sessionStorage, localStorage]) {
    try {
      const found: unknown = JSON.parse(storage.getItem("desk.form") ?? "null");
      if (found && typeof found === "object") {
        const kept = Object.entries(found).filter(
          ([name, value]) => typeof value === typeof EMPTY[name as keyof Form],
        );
        return { ...EMPTY, ...Object.fromEntries(kept) };
      }
    } catch {
      // What can't be read is no form.
    }
  }
  return EMPTY;
}

export const form = signal<Form>(storedForm());
form.subscribe((value) => {
  const text = JSON.stringify(value);
  sessionStorage.setItem("desk.form", text);
  localStorage.setItem("desk.form", text);
});
