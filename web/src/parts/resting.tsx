import { useState } from "preact/hooks";
import { call, Refused } from "../api";
import { bpsToPercent, divide, formatPrice, readDecimal } from "../lib/amounts";
import { isResting, priceOf } from "../lib/orders";
import { fullTime, seconds } from "../lib/text";
import { fieldErrors, inTradersWords, limitPriceOf } from "../lib/ticket";
import type { Order } from "../lib/types";
import { market, pairKey } from "../prices";
import { announcement, merge, now } from "../state";

/** An order that waits: for what, how far that is, for how long; and how to change it. */
export function Resting({ order }: { order: Order }) {
  const [amending, setAmending] = useState(false);
  if (!isResting(order)) return null;
  const limit = order.limitPrice ? priceOf(order.limitPrice, order.inputToken, order.outputToken) : null;
  const best = market.value?.pair === pairKey(order.inputToken, order.outputToken) ? market.value.best : null;
  const away =
    limit && best ? Math.abs(Math.round((Number(divide(limit.exact, best, 8)) - 1) * 10_000)) : null;
  const left = order.expiresAt ? Date.parse(order.expiresAt) - now.value : null;
  return (
    <div class="resting">
      <dl class="facts">
        {limit ? (
          <div>
            <dt>Rests until</dt>
            <dd>
              {limit.text} {limit.unit} or better
            </dd>
          </div>
        ) : null}
        {best && away !== null ? (
          <div>
            <dt>Market</dt>
            <dd>
              {formatPrice(best)}, {bpsToPercent(away)} % away
            </dd>
          </div>
        ) : null}
        {order.launch ? (
          <div>
            <dt>Waits for</dt>
            <dd>
              a {order.launch.event === "any" ? "launch" : order.launch.event} of {order.outputToken} with{" "}
              {order.launch.minimumLiquidityUsd} USD, at most {order.launch.maxAgeSeconds} s old
            </dd>
          </div>
        ) : null}
        {left !== null ? (
          <div>
            <dt>Ends in</dt>
            <dd title={fullTime(order.expiresAt ?? "")}>{left > 0 ? countdown(left) : "now"}</dd>
          </div>
        ) : null}
      </dl>
      <div class="actions order-actions">
        <button type="button" class="quiet" aria-expanded={amending} onClick={() => setAmending(!amending)}>
          Amend
        </button>
      </div>
      {amending ? <Amend order={order} onDone={() => setAmending(false)} /> : null}
    </div>
  );
}

export function countdown(ms: number): string {
  const days = Math.floor(ms / 86_400_000);
  const hours = Math.floor((ms % 86_400_000) / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s` : seconds(ms);
}

function Amend({ order, onDone }: { order: Order; onDone: () => void }) {
  const present = order.limitPrice ? priceOf(order.limitPrice, order.inputToken, order.outputToken) : null;
  const [price, setPrice] = useState(present ? present.exact : "");
  const [rests, setRests] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const send = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const body: Record<string, unknown> = { ifSequence: order.sequence };
    if (present && price.trim() !== present.exact) {
      const typed = readDecimal(price);
      if ("error" in typed) return setProblem(typed.error);
      body.limitPrice = limitPriceOf(typed.text, order.inputToken, order.outputToken);
    }
    if (rests) body.expiresAt = new Date(Date.now() + Number(rests) * 1000).toISOString();
    if (Object.keys(body).length === 1) return setProblem("Change the price or the time.");
    setBusy(true);
    setProblem("");
    try {
      const { body: amended } = await call<Order>("PATCH", `api/orders/${order.id}`, { body });
      merge({ orders: [amended] });
      announcement.value = "The order is amended.";
      onDone();
      document.getElementById("order-title")?.focus();
    } catch (error) {
      setProblem(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="amend" onSubmit={send} noValidate>
      {present ? (
        <label class="field">
          <span>Price</span>
          <span class="unit">
            <input
              inputMode="decimal"
              autocomplete="off"
              value={price}
              aria-invalid={problem ? true : undefined}
              aria-describedby={problem ? "amend-error" : undefined}
              onInput={(event) => setPrice(event.currentTarget.value)}
            />
            <span aria-hidden="true" class="wide-unit">
              {present.unit}
            </span>
          </span>
        </label>
      ) : null}
      <label class="field">
        <span>Ends</span>
        <select value={rests} onChange={(event) => setRests(event.currentTarget.value)}>
          <option value="">as before</option>
          <option value="600">in 10 minutes</option>
          <option value="3600">in 1 hour</option>
          <option value="86400">in 1 day</option>
          <option value="604800">in 7 days</option>
        </select>
      </label>
      {problem ? (
        <p class="error" id="amend-error" role="alert">
          {problem}
        </p>
      ) : null}
      <button type="submit" class="quiet" aria-disabled={busy ? true : undefined}>
        {busy ? "Amending …" : "Save the changes"}
      </button>
    </form>
  );
}

function explain(error: unknown): string {
  if (!(error instanceof Refused)) return "The service can't be reached: nothing is known to have changed.";
  if (error.problem.code === "not_amendable") return "Too late: the order does not rest any more.";
  if (error.problem.code === "order_changed") return "The order changed meanwhile: look at it again.";
  const { errors, rest } = fieldErrors(error.problem.errors ?? []);
  return [...Object.values(errors), ...rest].join(" ") || inTradersWords(error.problem.detail);
}
