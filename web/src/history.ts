// The list of orders: a window on the one store. It shows what is known and not older than what was read without a gap.
import { computed, effect, signal } from "@preact/signals";
import { call, unreachableSince } from "./api";
import { FAILED, OPEN } from "./lib/orders";
import type { Order, Page } from "./lib/types";
import { claims, isReady } from "./session";
import { form, merge, orders } from "./state";

export type Tab = "all" | "open" | "failed";
export interface Filters {
  tab: Tab;
  pair: string;
  venue: string;
  type: string;
  from: string;
  to: string;
  search: string;
}
export const NO_FILTERS: Filters = {
  tab: "all",
  pair: "",
  venue: "",
  type: "",
  from: "",
  to: "",
  search: "",
};
export const filters = signal<Filters>(NO_FILTERS);
export const isLoading = signal(false);
/** Whether the service has ever answered with orders: who may read them is known then. */
export const hasRead = signal(false);
export const loadProblem = signal("");

const PAGE = 100;
const HEAD = 25;
const HEAD_MS = 4_000;
const MAX_GAP_PAGES = 5;
export const MAX_CSV_ROWS = 10_000;

/** Whose orders; empty for everybody's, which only the open mode has. */
export const listedUser = computed(() => claims.value?.sub ?? form.value.user.trim());

/** One query of the service that pages; filters that it has no parameter for make several. */
interface Chain {
  query: Record<string, string>;
  cursor: string | null;
  done: boolean;
  /** Everything from this id on is known. */
  floor: string;
}

const wantedStatuses = (tab: Tab): readonly (string | null)[] =>
  tab === "open" ? OPEN : tab === "failed" ? FAILED : [null];

function localMidnight(day: string, plusDays: number): string {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return new Date(year, month - 1, date + plusDays).toISOString();
}

function chainsFor(by: Filters, user: string): Chain[] {
  const shared: Record<string, string> = {};
  if (user) shared.userId = user;
  if (by.venue) shared.venue = by.venue;
  if (by.type) shared.orderType = by.type;
  if (by.from) shared.placedFrom = localMidnight(by.from, 0);
  if (by.to) shared.placedBefore = localMidnight(by.to, 1);
  const [base, quote] = by.pair.split("/");
  const ways: Record<string, string>[] =
    base && quote
      ? [
          { inputToken: base, outputToken: quote },
          { inputToken: quote, outputToken: base },
        ]
      : [{}];
  return wantedStatuses(by.tab).flatMap((status) =>
    ways.map((way) => ({
      query: { ...shared, ...way, ...(status ? { status } : {}) },
      cursor: null,
      done: false,
      floor: LAST,
    })),
  );
}

const LAST = "ord_~";
const chains = signal<readonly Chain[]>([]);
let generation = 0;

/** What the server is asked by: the search filters what is here. */
const serverKey = computed(() => {
  const { search: _search, ...by } = filters.value;
  return JSON.stringify([by, listedUser.value, isReady.value]);
});

const floor = computed(() => {
  const open = chains.value.filter((chain) => !chain.done).map((chain) => chain.floor);
  return open.sort().at(-1) ?? "";
});
export const isComplete = computed(
  () => chains.value.length > 0 && chains.value.every((chain) => chain.done),
);

function matches(order: Order, by: Filters, user: string): boolean {
  if (user && order.userId !== user) return false;
  if (by.tab === "open" && !OPEN.includes(order.status)) return false;
  if (by.tab === "failed" && !FAILED.includes(order.status)) return false;
  if (by.venue && order.chosenDex !== by.venue) return false;
  if (by.type && order.orderType !== by.type) return false;
  if (by.pair) {
    const [base, quote] = by.pair.split("/");
    const is = (a?: string, b?: string) => order.inputToken === a && order.outputToken === b;
    if (!is(base, quote) && !is(quote, base)) return false;
  }
  if (by.from && order.createdAt < localMidnight(by.from, 0)) return false;
  if (by.to && order.createdAt >= localMidnight(by.to, 1)) return false;
  return true;
}

const filtered = computed(() => {
  const by = filters.value;
  const user = listedUser.value;
  const from = floor.value;
  return [...orders.value.values()]
    .filter((order) => order.id >= from && matches(order, by, user))
    .sort((a, b) => (a.id < b.id ? 1 : -1));
});

export const rows = computed(() => {
  const searched = filters.value.search.trim().toLowerCase();
  if (!searched) return filtered.value;
  return filtered.value.filter((order) =>
    [order.id, order.clientOrderId ?? "", order.walletAddress, order.txHash ?? ""].some((text) =>
      text.toLowerCase().includes(searched),
    ),
  );
});

async function page(chain: Chain, limit: number, cursor: string | null): Promise<Page> {
  const query = new URLSearchParams({ ...chain.query, limit: String(limit), ...(cursor ? { cursor } : {}) });
  const { body } = await call<Page>("GET", `api/orders?${query}`);
  hasRead.value = true;
  return body;
}

/** Reads further back where the list's end is near. */
export async function loadMore(): Promise<void> {
  if (isLoading.value || isComplete.value || !isReady.value) return;
  isLoading.value = true;
  const mine = generation;
  try {
    const edge = floor.value;
    const next = await Promise.all(
      chains.value.map(async (chain) => {
        if (chain.done || chain.floor < edge) return chain;
        const got = await page(chain, PAGE, chain.cursor);
        if (mine === generation) merge({ orders: got.orders }, { tell: false });
        const last = got.orders.at(-1)?.id ?? chain.floor;
        return { ...chain, cursor: got.nextCursor, done: got.nextCursor === null, floor: last };
      }),
    );
    if (mine !== generation) return;
    chains.value = next;
    loadProblem.value = "";
  } catch (error) {
    if (mine === generation) loadProblem.value = error instanceof Error ? error.message : String(error);
  } finally {
    if (mine === generation) isLoading.value = false;
  }
}

/** Reads what is new at the top, and on until it meets what was known. */
async function readHead(): Promise<void> {
  if (document.hidden || !isReady.value || unreachableSince.value !== null || isLoading.value) return;
  const mine = generation;
  try {
    await Promise.all(
      chains.value.map(async (chain) => {
        let cursor: string | null = null;
        for (let pages = 0; pages < MAX_GAP_PAGES; pages += 1) {
          const got: Page = await page(chain, pages ? PAGE : HEAD, cursor);
          const isMet = got.orders.some((order) => orders.value.has(order.id));
          if (mine === generation) merge({ orders: got.orders }, { tell: false });
          cursor = got.nextCursor;
          if (isMet || !cursor) return;
        }
        // Too much has happened meanwhile: begin again from the top rather than show a gap.
        if (mine === generation) restart();
      }),
    );
    if (mine === generation) loadProblem.value = "";
  } catch {
    // The link says so; the next round reads it.
  }
}

function restart(): void {
  generation += 1;
  isLoading.value = false;
  chains.value = chainsFor(filters.peek(), listedUser.peek());
  void loadMore();
}

/** Everything that the filters leave, up to the limit, for the CSV. */
export async function loadAll(progress: (count: number) => void): Promise<readonly Order[]> {
  while (!isComplete.value && filtered.value.length < MAX_CSV_ROWS) {
    const before = floor.value;
    if (isLoading.value) await new Promise((done) => setTimeout(done, 100));
    else await loadMore();
    if (loadProblem.value) throw new Error(loadProblem.value);
    progress(filtered.value.length);
    if (floor.value === before && isComplete.value) break;
  }
  return rows.value.slice(0, MAX_CSV_ROWS);
}

/** Orders by the client's own id, which the list may not have read yet. */
export async function lookUp(clientOrderId: string): Promise<void> {
  const user = listedUser.value;
  const query = new URLSearchParams({ clientOrderId, ...(user ? { userId: user } : {}) });
  const { body } = await call<Page>("GET", `api/orders?${query}`);
  merge({ orders: body.orders }, { tell: false });
}

export function start(): void {
  let typing = 0;
  let first = true;
  effect(() => {
    serverKey.value;
    clearTimeout(typing);
    typing = window.setTimeout(restart, first ? 0 : 250);
    first = false;
  });
  window.setInterval(() => void readHead(), HEAD_MS);
  let wasOut = unreachableSince.value !== null;
  effect(() => {
    const isOut = unreachableSince.value !== null;
    if (wasOut && !isOut) {
      if (loadProblem.peek()) void loadMore();
      void readHead();
    }
    wasOut = isOut;
  });
}
