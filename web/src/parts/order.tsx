import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, Refused } from "../api";
import { bpsToPercent, formatAmount } from "../lib/amounts";
import {
  ADVICE,
  counterAmount,
  fillSentence,
  isCancellable,
  isOver,
  priceOf,
  STEPS,
  savingSentence,
  sentence,
} from "../lib/orders";
import { capitalize, clock, fullTime, seconds, shortId, visible } from "../lib/text";
import { impactGrade, inTradersWords } from "../lib/ticket";
import type { Order, OrderEvent } from "../lib/types";
import { type Attempt, waterfall } from "../lib/waterfall";
import { missing } from "../live";
import { announcement, events, frames, merge, now, root, selected, selectedOrder } from "../state";
import { change } from "../trade";
import { Resting } from "./resting";
import { Copy, ForeignText, Pill } from "./small";

/** What a cancel or an amendment was answered, shown until the order moves on. */
const refusal = signal<{ id: string; sequence: number; text: string } | null>(null);
const isCancelling = signal(false);

export const addressOf = (id: string): string => `${location.origin}${location.pathname}#/orders/${id}`;

export async function cancelSelected(): Promise<void> {
  const order = selectedOrder.peek();
  if (!order || !isCancellable(order) || isCancelling.peek()) return;
  isCancelling.value = true;
  refusal.value = null;
  try {
    const { body } = await call<Order>("POST", `api/orders/${order.id}/cancel`);
    merge({ orders: [body] });
    announcement.value = "The order is cancelled.";
  } catch (error) {
    const text =
      error instanceof Refused
        ? error.problem.code === "not_cancellable"
          ? "Too late to cancel: the transaction is signed, and only the chain decides now."
          : inTradersWords(error.problem.detail)
        : "The service can't be reached: whether it was cancelled shows as soon as it answers.";
    refusal.value = { id: order.id, sequence: selectedOrder.peek()?.sequence ?? order.sequence, text };
    announcement.value = text;
  } finally {
    isCancelling.value = false;
    document.getElementById("order-title")?.focus();
  }
}

export function OrderPane() {
  const id = selected.value;
  const order = selectedOrder.value;
  return (
    <section class="panel order" aria-labelledby="order-title">
      <div class="head">
        <h2 id="order-title" tabIndex={-1}>
          Order {id ? <code title={id}>{shortId(id)}</code> : null}
        </h2>
        {id ? (
          <div class="tools">
            <Copy text={id} label="Id" what="the order's id" />
            <Copy text={addressOf(id)} label="Link" what="the link to this order" />
          </div>
        ) : null}
      </div>
      {!id ? (
        <p class="empty">Place an order, or open one below: every step appears here as it happens.</p>
      ) : missing.value === id ? (
        <p class="warning red" role="alert">
          There is no order of this id
          {/^ord_[0-9a-f]{32}$/.test(id) ? " here" : ": an id is ord_ and 32 characters"}.
        </p>
      ) : order ? (
        <Details order={order} />
      ) : (
        <p class="empty">Reading the order …</p>
      )}
    </section>
  );
}

function Details({ order }: { order: Order }) {
  const all = events.value.get(order.id) ?? [];
  const said = [fillSentence(order), savingSentence(order)].filter(Boolean).join("; ");
  const answered =
    refusal.value?.id === order.id && refusal.value.sequence === order.sequence ? refusal.value.text : null;
  const counter = counterAmount(order);
  const chosen = order.route?.quotes.find((each) => each.venue === order.route?.chosenDex);
  const price = order.executedPrice
    ? priceOf(order.executedPrice, order.inputToken, order.outputToken)
    : null;
  return (
    <>
      <div class="what">
        <p class="sentence">{sentence(order)}</p>
        <Pill status={order.status} />
      </div>
      {said ? <p class={`verdict ${order.status}`}>{capitalize(said)}.</p> : null}
      {order.error ? <Failure order={order} /> : null}
      {answered ? (
        <p class="warning amber" role="alert">
          {answered}
        </p>
      ) : null}
      <Resting order={order} />
      <Waterfall order={order} events={all} />
      <dl class="facts">
        {counter && !counter.settled ? (
          <Fact name="Expected">
            ≈ {formatAmount(counter.amount)} {counter.token}
          </Fact>
        ) : null}
        {price ? (
          <Fact name="Price">
            {price.text} {price.unit}
          </Fact>
        ) : null}
        {order.executedInput ? (
          <Fact name="Paid">
            {formatAmount(order.executedInput.amount, 9)} {order.executedInput.token}
          </Fact>
        ) : null}
        {order.executedOutput ? (
          <Fact name="Received">
            {formatAmount(order.executedOutput.amount, 9)} {order.executedOutput.token}
          </Fact>
        ) : null}
        {order.fee ? (
          <Fact name="Fee, included">
            {formatAmount(order.fee.amount, 9)} {order.fee.token}
          </Fact>
        ) : null}
        {chosen ? (
          <Fact name="Price impact" kind={impactGrade(chosen.priceImpactPct)}>
            {formatAmount(chosen.priceImpactPct, 2)} % (limit {bpsToPercent(order.maxPriceImpactBps)} %)
          </Fact>
        ) : null}
        {order.side === "sell" && order.minimumOutput && !isOver(order.status) ? (
          <Fact name="At least">
            {formatAmount(order.minimumOutput)} {order.outputToken}
          </Fact>
        ) : null}
        {order.side === "buy" && order.maximumInput && !isOver(order.status) ? (
          <Fact name="At most">
            {formatAmount(order.maximumInput)} {order.inputToken}
          </Fact>
        ) : null}
        <Fact name="Slippage at most">{bpsToPercent(order.slippageBps)} %</Fact>
        <Fact name="Placed">{fullTime(order.createdAt)}</Fact>
        <Fact name="Wallet">
          <ForeignText text={order.walletAddress} />
        </Fact>
        {order.clientOrderId ? (
          <Fact name="Your id">
            <ForeignText text={order.clientOrderId} />
          </Fact>
        ) : null}
        {order.txHash ? (
          <Fact name="Transaction" kind="long">
            <code class="hash">{order.txHash}</code>{" "}
            <Copy text={order.txHash} label="Copy" what="the transaction" />
          </Fact>
        ) : null}
      </dl>
      {order.route ? <Quotes order={order} /> : null}
      <div class="actions order-actions">
        {isCancellable(order) ? (
          <button
            type="button"
            class="quiet danger"
            aria-disabled={isCancelling.value ? true : undefined}
            onClick={() => void cancelSelected()}
          >
            {isCancelling.value ? "Cancelling …" : "Cancel"}
          </button>
        ) : null}
        {isOver(order.status) ? (
          <button type="button" class="quiet" onClick={() => fillTicketFrom(order)}>
            Same again
          </button>
        ) : null}
      </div>
      <Raw order={order} events={all} />
    </>
  );
}

function Fact({ name, kind, children }: { name: string; kind?: string; children: preact.ComponentChildren }) {
  return (
    <div class={kind ?? ""}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Failure({ order }: { order: Order }) {
  if (!order.error) return null;
  const advice = ADVICE[order.error.code];
  return (
    <div class="warning red">
      <p>{inTradersWords(order.error.message)}</p>
      {advice ? <p class="advice">{inTradersWords(advice)}</p> : null}
      {order.error.retryable ? <p class="note">The same order may work now.</p> : null}
    </div>
  );
}

/** Fills the ticket; nothing is placed. */
function fillTicketFrom(order: Order): void {
  const base = order.side === "sell" ? order.inputToken : order.outputToken;
  change({
    base,
    quote: order.side === "sell" ? order.outputToken : order.inputToken,
    action: order.side,
    exact: "base",
    amount: order.amount,
    wallet: order.walletAddress,
    slippage: bpsToPercent(order.slippageBps),
  });
  document.getElementById(order.side === "sell" ? "pay" : "get")?.focus();
}

const STATUS_WORDS: Readonly<Record<string, string>> = {
  pending: "in the queue",
  routing: "asking the venues",
  building: "building and signing",
  submitted: "on the chain",
};

function Waterfall({ order, events: all }: { order: Order; events: readonly OrderEvent[] }) {
  const attempts = waterfall(all, isOver);
  if (!attempts.length) return <p class="note">Reading what happened …</p>;
  const first = Date.parse(all[0]?.at ?? order.createdAt);
  const last = Date.parse(all.at(-1)?.at ?? order.updatedAt);
  const goesOn = !isOver(order.status);
  // On this machine's clock, which may be wrong: never less than nothing.
  const end = goesOn ? Math.max(now.value, last) : last;
  const total = Math.max(end - first, 1);
  return (
    <div class="waterfall">
      <h3>
        Time{" "}
        <span class="note">
          {seconds(last - first)}
          {goesOn ? " so far" : " in all"}
        </span>
      </h3>
      <ol class="attempts">
        {attempts.map((attempt, index) => (
          <li key={index}>
            {attempts.length > 1 ? <p class="attempt">Attempt {attempt.number}</p> : null}
            <ol class="bars">
              {attempt.bars.map((bar) => (
                <BarRow
                  key={bar.sequence}
                  bar={bar}
                  total={total}
                  end={end - first}
                  goesOn={goesOn && bar.sequence === all.at(-1)?.sequence}
                />
              ))}
            </ol>
          </li>
        ))}
      </ol>
      {goesOn ? <p class="note">Next: {next(order.status)}</p> : null}
    </div>
  );
}

function next(status: string): string {
  const place = STEPS.indexOf(status);
  return STEPS[place + 1] ?? "its end";
}

interface BarProps {
  bar: Attempt["bars"][number];
  total: number;
  end: number;
  goesOn: boolean;
}
function BarRow({ bar, total, end, goesOn }: BarProps) {
  const ms = bar.ms ?? (goesOn ? Math.max(end - bar.startMs, 0) : 0);
  const left = Math.min((bar.startMs / total) * 100, 100);
  const width = Math.min((ms / total) * 100, 100 - left);
  return (
    <li class={`bar-row ${bar.status} ${goesOn ? "now" : ""}`}>
      <span class="status">{bar.status}</span>
      <span class="track" aria-hidden="true">
        <span class="fill" style={{ marginLeft: `${left}%`, width: `max(${width}%, 3px)` }} />
      </span>
      <span class="took">
        {isOver(bar.status) ? `at ${seconds(bar.startMs)}` : goesOn ? "now" : seconds(ms)}
      </span>
      <span class="message">
        {visible(bar.message)}
        {STATUS_WORDS[bar.status] ? <span class="hidden"> ({STATUS_WORDS[bar.status]})</span> : null}
      </span>
    </li>
  );
}

function Quotes({ order }: { order: Order }) {
  const route = order.route;
  if (!route) return null;
  const feeToken = route.quotes[0]?.fee.token ?? "";
  return (
    <div class="quotes">
      <h3>Quotes</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <div class="scroll" role="region" aria-label="Quotes" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Venue</th>
              <th scope="col" class="number">
                Price
              </th>
              <th scope="col" class="number">
                {order.side === "sell" ? `Gives ${order.outputToken}` : `Takes ${order.inputToken}`}
              </th>
              <th scope="col" class="number">
                Fee {feeToken}
              </th>
              <th scope="col" class="number">
                Impact
              </th>
            </tr>
          </thead>
          <tbody>
            {route.quotes.map((each) => {
              const view = order.side === "sell" ? each.amountOut : each.amountIn;
              const price = priceOf(each.effectivePrice, order.inputToken, order.outputToken);
              return (
                <tr key={each.venue} class={each.venue === route.chosenDex ? "best" : ""}>
                  <th scope="row">
                    {capitalize(each.venue)}
                    {each.venue === route.chosenDex ? " ✓" : ""}
                  </th>
                  <td class="number">{price.text}</td>
                  <td class="number">{formatAmount(view.amount, 4)}</td>
                  <td class="number">
                    {formatAmount(each.fee.amount)}
                    {each.fee.token === feeToken ? "" : ` ${each.fee.token}`}
                  </td>
                  <td class={`number ${impactGrade(each.priceImpactPct)}`}>
                    {formatAmount(each.priceImpactPct, 2)} %
                  </td>
                </tr>
              );
            })}
            {route.unavailable.map((each) => (
              <tr key={each.venue}>
                <th scope="row">{capitalize(each.venue)}</th>
                <td colSpan={4}>{visible(each.message)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="note">{priceOf("1", order.inputToken, order.outputToken).unit}, after fees.</p>
    </div>
  );
}

/** What the API said, to copy. */
function Raw({ order, events: all }: { order: Order; events: readonly OrderEvent[] }) {
  const [open, setOpen] = useState(false);
  const json = JSON.stringify(order, null, 2);
  const curl = `curl -s ${new URL(`api/orders/${order.id}`, root).href}`;
  const got = frames.value.get(order.id) ?? [];
  return (
    <details class="raw" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>For programs</summary>
      <div class="tools">
        <Copy text={json} label="JSON" what="the order as JSON" />
        <Copy text={curl} label="curl" what="a curl command" />
        <Copy
          text={got.length ? got.join("\n") : JSON.stringify(all, null, 2)}
          label="Frames"
          what="the frames of the stream"
        />
      </div>
      {open ? <Frames id={order.id} /> : null}
    </details>
  );
}

export function Frames({ id }: { id: string }) {
  const got = frames.value.get(id) ?? [];
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [got.length]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <pre ref={box} class="frames" tabIndex={0} role="log" aria-label="Frames of the stream">
      {got.length
        ? got.join("\n")
        : "No frame came over the stream for this order since the page was opened."}
    </pre>
  );
}

/** From 2560 px on: the order's events and frames beside everything else. */
export function Wire() {
  const id = selected.value;
  const all = id ? (events.value.get(id) ?? []) : [];
  return (
    <section class="panel wire" aria-labelledby="wire-title">
      <h2 id="wire-title">Events</h2>
      <ol class="events">
        {all.map((event) => (
          <li key={event.sequence}>
            <span class="n">{event.sequence}</span>
            <time dateTime={event.at}>{clock(event.at)}</time>
            <Pill status={event.status} />
            <span>{visible(event.message)}</span>
          </li>
        ))}
      </ol>
      <h3>Frames</h3>
      {id ? <Frames id={id} /> : <p class="empty">None.</p>}
    </section>
  );
}
