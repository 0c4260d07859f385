import { useEffect, useRef, useState } from "preact/hooks";
import domain from "../generated/domain.json";
import {
  type Filters,
  filters,
  isComplete,
  isLoading,
  listedUser,
  loadAll,
  loadMore,
  loadProblem,
  lookUp,
  MAX_CSV_ROWS,
  NO_FILTERS,
  rows,
  type Tab,
} from "../history";
import { formatAmount } from "../lib/amounts";
import { csv } from "../lib/csv";
import { counterAmount, isOver, priceOf, sentence, slippageBps } from "../lib/orders";
import { capitalize, clock, fullTime, seconds, shortId, visible } from "../lib/text";
import type { Order } from "../lib/types";
import { announcement, openOrders, orders, selected, tokens } from "../state";
import { LinkStatus } from "./header";
import { Pill } from "./small";

const TABS: readonly Tab[] = ["all", "open", "failed"];
const ROW_PX = 40;
const CARD_PX = 68;
const ROWS_AROUND = 8;
const NARROW = matchMedia("(max-width: 899px)");

export function openOrder(id: string): void {
  location.hash = `#/orders/${id}`;
}

export function nextTab(): void {
  const place = TABS.indexOf(filters.peek().tab);
  filters.value = { ...filters.peek(), tab: TABS[(place + 1) % TABS.length] ?? "all" };
}

export function moveSelection(by: 1 | -1): void {
  const all = rows.peek();
  const place = all.findIndex((order) => order.id === selected.peek());
  const found = all[place < 0 ? 0 : Math.min(Math.max(place + by, 0), all.length - 1)];
  if (found) openOrder(found.id);
}

export function Orders() {
  const by = filters.value;
  const set = (changes: Partial<Filters>) => {
    filters.value = { ...filters.peek(), ...changes };
  };
  const isFiltered = JSON.stringify({ ...by, tab: "all" }) !== JSON.stringify(NO_FILTERS);
  const mine = openOrders.value.filter(
    (order) => !listedUser.value || order.userId === listedUser.value,
  ).length;
  return (
    <section class="panel orders" aria-labelledby="orders-title">
      <div class="head">
        <h2 id="orders-title">Orders</h2>
        <div class="tabs" role="group" aria-label="Which orders">
          {TABS.map((tab) => (
            <button key={tab} type="button" aria-pressed={by.tab === tab} onClick={() => set({ tab })}>
              {capitalize(tab)}
              {tab === "open" && mine ? <span class="count"> {mine}</span> : null}
            </button>
          ))}
        </div>
        <LinkStatus />
        <Export />
      </div>
      <FilterBar by={by} set={set} isFiltered={isFiltered} />
      {loadProblem.value ? (
        <p class="warning amber" role="alert">
          {loadProblem.value}{" "}
          <button type="button" class="quiet" onClick={() => void loadMore()}>
            Try again
          </button>
        </p>
      ) : null}
      <Table />
    </section>
  );
}

interface BarProps {
  by: Filters;
  set: (changes: Partial<Filters>) => void;
  isFiltered: boolean;
}
function FilterBar({ by, set, isFiltered }: BarProps) {
  const [open, setOpen] = useState(!NARROW.matches);
  const pairs = [...new Set([...pairChoices(), ...(by.pair ? [by.pair] : [])])];
  const find = async (text: string) => {
    const wanted = text.trim();
    if (/^ord_[0-9a-f]{32}$/.test(wanted)) openOrder(wanted);
    else if (wanted) {
      try {
        await lookUp(wanted);
      } catch {
        announcement.value = "The search could not ask the service.";
      }
    }
  };
  return (
    <div class="filters">
      <label class="search">
        <span class="hidden">Search</span>
        <input
          id="search"
          type="search"
          placeholder="Search id, wallet, transaction"
          autocomplete="off"
          spellcheck={false}
          value={by.search}
          onInput={(event) => set({ search: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === "Enter") void find(event.currentTarget.value);
          }}
        />
      </label>
      <button
        type="button"
        class="quiet toggle"
        aria-expanded={open}
        aria-controls="more-filters"
        onClick={() => setOpen(!open)}
      >
        Filters{isFiltered ? " ●" : ""}
      </button>
      <div id="more-filters" hidden={!open}>
        <label>
          <span>Pair</span>
          <select value={by.pair} onChange={(event) => set({ pair: event.currentTarget.value })}>
            <option value="">any</option>
            {pairs.map((pair) => (
              <option key={pair}>{pair}</option>
            ))}
          </select>
        </label>
        <label>
          <span>Venue</span>
          <select value={by.venue} onChange={(event) => set({ venue: event.currentTarget.value })}>
            <option value="">any</option>
            {domain.venues.map((venue) => (
              <option key={venue} value={venue}>
                {capitalize(venue)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>Type</span>
          <select value={by.type} onChange={(event) => set({ type: event.currentTarget.value })}>
            <option value="">any</option>
            {domain.types.map((type) => (
              <option key={type} value={type}>
                {capitalize(type)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>From</span>
          <input type="date" value={by.from} onChange={(event) => set({ from: event.currentTarget.value })} />
        </label>
        <label>
          <span>To</span>
          <input type="date" value={by.to} onChange={(event) => set({ to: event.currentTarget.value })} />
        </label>
        {isFiltered ? (
          <button type="button" class="quiet" onClick={() => set({ ...NO_FILTERS, tab: by.tab })}>
            Clear
          </button>
        ) : null}
      </div>
    </div>
  );
}

function pairChoices(): string[] {
  const seen = [...orders.value.values()].map((order) => {
    const price = priceOf("1", order.inputToken, order.outputToken).unit.split(" per ");
    return `${price[1]}/${price[0]}`;
  });
  const stable = tokens.value
    .filter((token) => !["USDC", "WSOL"].includes(token.symbol))
    .map((token) => `${token.symbol}/USDC`);
  return [...stable, ...seen];
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const changed = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", changed);
    return () => NARROW.removeEventListener("change", changed);
  }, []);
  return narrow;
}

/** Only the rows that can be seen are in the page: ten thousand scroll as ten do. */
function Table() {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const narrow = useNarrow();
  const all = rows.value;
  const height = narrow ? CARD_PX : ROW_PX;
  const first = Math.max(0, Math.floor(view.top / height) - ROWS_AROUND);
  const last = Math.min(all.length, Math.ceil((view.top + view.height) / height) + ROWS_AROUND);
  const nearEnd = last + 20 >= all.length;
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const measure = () => setView({ top: node.scrollTop, height: node.clientHeight });
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(node);
    node.addEventListener("scroll", measure, { passive: true });
    return () => {
      watcher.disconnect();
      node.removeEventListener("scroll", measure);
    };
  }, []);
  // What grows above the rows that are read must not move them.
  const anchor = useRef<string | null>(null);
  const anchored = all[Math.floor(view.top / height)]?.id ?? null;
  useEffect(() => {
    const node = box.current;
    if (node && anchor.current && node.scrollTop > height) {
      const place = all.findIndex((order) => order.id === anchor.current);
      const shift = place - Math.floor(node.scrollTop / height);
      if (place >= 0 && shift > 0) node.scrollTop += shift * height;
    }
  }, [all.length, all[0]?.id]);
  useEffect(() => {
    anchor.current = anchored;
  }, [anchored, all]);
  useEffect(() => {
    if (nearEnd && !isComplete.value && !isLoading.value && !loadProblem.value) void loadMore();
  }, [nearEnd, isLoading.value, isComplete.value, all.length]);
  // Keyboard: the row that is opened comes into view, and nothing else moves.
  const opened = selected.value;
  useEffect(() => {
    const node = box.current;
    const place = opened ? all.findIndex((order) => order.id === opened) : -1;
    if (!node || place < 0) return;
    const top = place * height;
    if (top < node.scrollTop) node.scrollTop = top;
    else if (top + height > node.scrollTop + node.clientHeight - height)
      node.scrollTop = top + 2 * height - node.clientHeight;
  }, [opened]);
  return (
    <div
      class={`table ${narrow ? "cards" : ""}`}
      role="table"
      aria-label="Orders, newest first"
      aria-rowcount={isComplete.value ? all.length + 1 : -1}
    >
      {narrow ? null : (
        <div role="rowgroup">
          <div role="row" class="row headings">
            {[
              "Time",
              "Order",
              "Side",
              "Pair",
              "Amount",
              "Received or paid",
              "Price",
              "bps",
              "Venue",
              "Took",
              "Status",
            ].map((name) => (
              <span
                key={name}
                role="columnheader"
                class={["Amount", "Received or paid", "Price", "bps", "Took"].includes(name) ? "number" : ""}
              >
                {name}
              </span>
            ))}
          </div>
        </div>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <div class="body" ref={box} role="rowgroup" tabIndex={0} aria-label="Rows">
        <div class="space" role="presentation" style={{ height: `${all.length * height}px` }}>
          <div class="window" role="presentation" style={{ transform: `translateY(${first * height}px)` }}>
            {all
              .slice(first, last)
              .map((order, index) =>
                narrow ? (
                  <Card key={order.id} order={order} place={first + index} />
                ) : (
                  <Row key={order.id} order={order} place={first + index} />
                ),
              )}
          </div>
        </div>
        {!all.length && (isComplete.value || loadProblem.value) ? (
          <p class="empty">
            {filters.value.tab === "all" ? "No orders yet." : `No ${filters.value.tab} orders.`}
          </p>
        ) : null}
        {isLoading.value && !isComplete.value ? <p class="empty">Reading …</p> : null}
      </div>
    </div>
  );
}

const reason = (order: Order): string => (order.error ? order.error.code.replaceAll("_", " ") : "");
const timeTaken = (order: Order): string =>
  isOver(order.status) ? seconds(Date.parse(order.updatedAt) - Date.parse(order.createdAt)) : "";
const href = (order: Order): string => `#/orders/${order.id}`;

function pairOf(order: Order): string {
  const [quote, base] = priceOf("1", order.inputToken, order.outputToken).unit.split(" per ");
  return `${base}/${quote}`;
}
const amountTokenOf = (order: Order): string =>
  order.side === "sell" ? order.inputToken : order.outputToken;

function Row({ order, place }: { order: Order; place: number }) {
  const counter = counterAmount(order);
  const price = order.executedPrice
    ? priceOf(order.executedPrice, order.inputToken, order.outputToken)
    : null;
  const bps = slippageBps(order);
  const open = (event: MouseEvent) => {
    if (!(event.target instanceof HTMLAnchorElement) && !getSelection()?.toString()) openOrder(order.id);
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the link in the row does the same
    <div
      role="row"
      aria-rowindex={place + 2}
      class={`row ${order.id === selected.value ? "here" : ""}`}
      onClick={open}
    >
      <span role="cell" title={fullTime(order.createdAt)}>
        {clock(order.createdAt)}
      </span>
      <span role="cell">
        <a
          href={href(order)}
          title={order.id}
          aria-current={order.id === selected.value ? "true" : undefined}
        >
          …{order.id.slice(-8)}
        </a>
      </span>
      <span role="cell" class={order.side}>
        {order.side}
      </span>
      <span role="cell">{pairOf(order)}</span>
      <span role="cell" class="number" title={`${order.amount} ${amountTokenOf(order)}`}>
        {formatAmount(order.amount, 6)} {amountTokenOf(order)}
      </span>
      <span role="cell" class="number" title={counter ? `${counter.amount} ${counter.token}` : ""}>
        {counter ? `${counter.settled ? "" : "≈ "}${formatAmount(counter.amount, 4)} ${counter.token}` : "–"}
      </span>
      <span role="cell" class="number" title={price ? `${price.exact} ${price.unit}` : ""}>
        {price ? `${price.text} ${price.unit.split(" ")[0]}` : "–"}
      </span>
      <span role="cell" class="number">
        {bps === null ? "–" : bps > 0 ? `+${bps}` : bps < 0 ? `−${-bps}` : "0"}
      </span>
      <span role="cell">{order.chosenDex ? capitalize(order.chosenDex) : "–"}</span>
      <span role="cell" class="number">
        {timeTaken(order) || "–"}
      </span>
      <span role="cell" title={visible(order.error?.message ?? "")}>
        <Pill status={order.status} /> <span class="reason">{reason(order)}</span>
      </span>
    </div>
  );
}

function Card({ order, place }: { order: Order; place: number }) {
  return (
    <div role="row" aria-rowindex={place + 2} class={`card ${order.id === selected.value ? "here" : ""}`}>
      <span role="cell">
        <a href={href(order)} aria-current={order.id === selected.value ? "true" : undefined}>
          <span class="first">
            <span class="sentence">{sentence(order)}</span>
            <Pill status={order.status} />
          </span>
          <span class="second">
            {clock(order.createdAt)} · {order.chosenDex ? capitalize(order.chosenDex) : "no venue yet"} ·{" "}
            {reason(order) || timeTaken(order) || shortId(order.id)}
          </span>
        </a>
      </span>
    </div>
  );
}

const COLUMNS = [
  "time",
  "order_id",
  "client_order_id",
  "user",
  "wallet",
  "type",
  "side",
  "input_token",
  "output_token",
  "amount",
  "paid",
  "received",
  "price",
  "price_unit",
  "slippage_bps",
  "venue",
  "milliseconds",
  "status",
  "reason",
  "message",
  "transaction",
] as const;

function csvRow(order: Order): (string | number | null)[] {
  const price = order.executedPrice
    ? priceOf(order.executedPrice, order.inputToken, order.outputToken)
    : null;
  return [
    order.createdAt,
    order.id,
    order.clientOrderId,
    order.userId,
    order.walletAddress,
    order.orderType,
    order.side,
    order.inputToken,
    order.outputToken,
    order.amount,
    order.executedInput?.amount ?? null,
    order.executedOutput?.amount ?? null,
    price?.exact ?? null,
    price?.unit ?? null,
    slippageBps(order),
    order.chosenDex,
    timeTaken(order) ? Date.parse(order.updatedAt) - Date.parse(order.createdAt) : null,
    order.status,
    order.error?.code ?? null,
    order.error?.message ?? null,
    order.txHash,
  ];
}

function Export() {
  const [state, setState] = useState("");
  const save = async () => {
    if (state) return;
    setState("0");
    try {
      const all = await loadAll((count) => setState(String(count)));
      const url = URL.createObjectURL(
        new Blob([`\ufeff${csv([COLUMNS, ...all.map(csvRow)])}`], { type: "text/csv;charset=utf-8" }),
      );
      const link = document.createElement("a");
      link.href = url;
      link.download = `orders-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      announcement.value = `${all.length} orders saved${all.length >= MAX_CSV_ROWS ? ", which is as many as one file takes" : ""}.`;
    } catch (error) {
      announcement.value = `The orders could not be saved: ${error instanceof Error ? error.message : error}`;
    } finally {
      setState("");
    }
  };
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => void save()}
      aria-disabled={state ? true : undefined}
      title={visible("The filtered orders as CSV")}
    >
      {state ? `CSV … ${state}` : "⤓ CSV"}
    </button>
  );
}
