import { useRef, useState } from "preact/hooks";
import { unreachableSince } from "../api";
import domain from "../generated/domain.json";
import { launches } from "../launches";
import {
  bpsToPercent,
  divide,
  formatAmount,
  formatPrice,
  multiply,
  percentToBps,
  readDecimal,
  significant,
} from "../lib/amounts";
import { priceOf } from "../lib/orders";
import { capitalize, seconds, visible } from "../lib/text";
import {
  amountToken,
  changesForType,
  consentWord,
  type FieldName,
  type Form,
  impactGrade,
  inputOf,
  outputOf,
  type Swap,
  typeOf,
} from "../lib/ticket";
import type { Route } from "../lib/types";
import { market, pair } from "../prices";
import { isReady } from "../session";
import { form, now, tokens } from "../state";
import {
  action,
  askQuote,
  change,
  consentText,
  consentWanted,
  errorsShown,
  formProblem,
  freshQuote,
  inDoubt,
  quote,
  restUntil,
  shownQuote,
  submitTicket,
  touched,
} from "../trade";
import { askForToken } from "./token";

const touch = (name: FieldName): void => {
  touched.value = new Set([...touched.value, name]);
};

function FieldError({ name }: { name: FieldName }) {
  const error = errorsShown.value[name];
  return error ? (
    <p class="error" id={`${name}-error`}>
      {error}
    </p>
  ) : null;
}
const described = (name: FieldName) =>
  errorsShown.value[name] ? { "aria-invalid": true, "aria-describedby": `${name}-error` } : {};

/** What is typed into a field; whether it is wrong is said once it was left. */
function TextField({
  name,
  ...more
}: {
  name: "age" | "impact" | "limit" | "liquidity" | "slippage" | "target" | "wallet";
  inputMode?: "decimal" | "numeric";
  placeholder?: string;
  spellcheck?: boolean;
  "aria-label"?: string;
}) {
  return (
    <input
      id={name}
      autocomplete="off"
      value={form.value[name]}
      onInput={(event) => change({ [name]: event.currentTarget.value })}
      onBlur={() => touch(name)}
      {...described(name)}
      {...more}
    />
  );
}

export function Ticket() {
  const value = form.value;
  const [focused, setFocused] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const type = typeOf(value);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (action.peek() === "token") return askForToken();
    const wrong = await submitTicket();
    if (!wrong) return;
    if (wrong === "slippage" || wrong === "impact" || wrong === "wallet")
      document.getElementById(wrong)?.closest("details")?.setAttribute("open", "");
    // Once the field says what is wrong.
    requestAnimationFrame(() => {
      const field = document.getElementById(
        wrong === "tokens" ? "pay-token" : wrong === "amount" ? amountField() : wrong,
      );
      field?.focus();
      if (field instanceof HTMLInputElement) field.select();
    });
  };

  return (
    <section class="panel ticket" aria-labelledby="ticket-title">
      <h2 id="ticket-title">Ticket</h2>
      <form onSubmit={submit} noValidate autocomplete="off">
        <div class="tabs" role="group" aria-label="Type of order">
          {domain.types.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={type === each}
              onClick={() => change(changesForType(value, each))}
            >
              {capitalize(each)}
            </button>
          ))}
        </div>
        {type === "sniper" ? (
          <SniperFields />
        ) : (
          <>
            <div class="sides" role="group" aria-label="Side">
              {(["sell", "buy"] as const).map((side) => (
                <button
                  key={side}
                  type="button"
                  class={side}
                  aria-pressed={value.action === side}
                  onClick={() => change({ action: side })}
                >
                  {capitalize(side)} {value.base}
                </button>
              ))}
            </div>
            <AmountField place="pay" token={inputOf(value)} focused={focused} onFocus={setFocused} />
            <button type="button" class="quiet turn" aria-label="Swap the tokens" onClick={swapTokens}>
              ⇅
            </button>
            <AmountField place="get" token={outputOf(value)} focused={focused} onFocus={setFocused} />
            <FieldError name="tokens" />
          </>
        )}
        {type === "limit" ? <LimitFields /> : <Slippage />}
        {type === "market" ? <QuoteView /> : <Rests />}
        <details class="more">
          <summary>
            Limits and wallet
            <span class="note"> impact at most {value.impact || "?"} %</span>
          </summary>
          <label class="field">
            <span>Price impact at most</span>
            <span class="unit">
              <TextField name="impact" inputMode="decimal" />
              <span aria-hidden="true">%</span>
            </span>
          </label>
          <FieldError name="impact" />
          <label class="field">
            <span>Wallet</span>
            <TextField name="wallet" spellcheck={false} />
          </label>
          <FieldError name="wallet" />
        </details>
        <Consent />
        <Trouble />
        <div class="actions sticky">
          <button
            ref={button}
            type="submit"
            class={`main ${value.action} ${action.value}`}
            aria-disabled={
              ["asking", "placing", "resting", "offline"].includes(action.value) ? true : undefined
            }
          >
            <Label />
          </button>
        </div>
      </form>
    </section>
  );
}

/** The price at which a limit order may execute: where the market is, and how far that is away. */
function LimitFields() {
  const value = form.value;
  const { unit } = priceOf("1", inputOf(value), outputOf(value));
  const marketPrice = market.value?.pair === pair.value ? market.value.best : null;
  const move = (percent: string) => {
    if (marketPrice) change({ limit: significant(multiply(marketPrice, percent), 6) });
  };
  const typed = readDecimal(value.limit);
  const away =
    marketPrice && "text" in typed && typed.text !== "0" ? bpsBetween(typed.text, marketPrice) : null;
  return (
    <div class="field">
      <label for="limit">
        {value.action === "sell" ? "Sell at this price or higher" : "Buy at this price or lower"}
      </label>
      <span class="unit">
        <TextField
          name="limit"
          inputMode="decimal"
          placeholder={marketPrice ? formatPrice(marketPrice) : ""}
        />
        <span aria-hidden="true" class="wide-unit">
          {unit}
        </span>
      </span>
      <FieldError name="limit" />
      <div class="choices">
        {LIMIT_STEPS.map(([label, factor]) => (
          <button key={label} type="button" disabled={!marketPrice} onClick={() => move(factor)}>
            {label}
          </button>
        ))}
      </div>
      {marketPrice ? (
        <p class="note">
          The market pays {formatPrice(marketPrice)}
          {away === null
            ? ""
            : away === 0
              ? ": that is your price"
              : `, ${bpsToPercent(Math.abs(away))} % ${away > 0 ? "below" : "above"} your price`}
          .
        </p>
      ) : null}
    </div>
  );
}

const LIMIT_STEPS: readonly (readonly [string, string])[] = [
  ["−5 %", "0.95"],
  ["−1 %", "0.99"],
  ["now", "1"],
  ["+1 %", "1.01"],
  ["+5 %", "1.05"],
];

/** How far the price is above (+) or below the market, in hundredths of a percent: for showing. */
const bpsBetween = (price: string, of: string): number =>
  Math.round((Number(divide(price, of, 8)) - 1) * 10_000);

const RESTING_TIMES: readonly (readonly [string, string])[] = [
  ["", "30 days"],
  ["600", "10 minutes"],
  ["3600", "1 hour"],
  ["86400", "1 day"],
  ["604800", "7 days"],
  ["7776000", "90 days"],
];

/** For how long it rests, and what it does until then. */
function Rests() {
  const value = form.value;
  const isLimit = typeOf(value) === "limit";
  return (
    <div class="field">
      <label class="field">
        <span>{isLimit ? "Rests for" : "Waits for"}</span>
        <select
          id="rests"
          value={isLimit && value.timeInForce === "fok" ? "fok" : value.rests}
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            change(
              chosen === "fok" ? { timeInForce: "fok", rests: "" } : { timeInForce: "gtc", rests: chosen },
            );
          }}
          {...described("rests")}
        >
          {isLimit ? <option value="fok">now or never</option> : null}
          {RESTING_TIMES.map(([seconds, label]) => (
            <option key={seconds} value={seconds}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <FieldError name="rests" />
      <p class="note">
        {isLimit
          ? "Executes when the whole amount gets this price or better after fees; never past it."
          : "Buys as soon as the launch is confirmed and the pool is open."}
      </p>
    </div>
  );
}

function SniperFields() {
  const value = form.value;
  const soon = launches.value;
  const until = (iso: string): string => seconds(Math.max(Date.parse(iso) - now.value, 0));
  return (
    <>
      <label class="field">
        <span>Token that will launch</span>
        <TextField name="target" spellcheck={false} />
      </label>
      <FieldError name="target" />
      {soon.length ? (
        <ul class="launches">
          {soon.slice(0, 4).map((each) => (
            <li key={each.pool}>
              <span>
                {each.token}{" "}
                <span class="note">
                  {each.kind}, in {until(each.confirmedAt)}
                </span>
              </span>
              <button type="button" class="quiet" onClick={() => change({ target: each.token })}>
                Snipe
              </button>
            </li>
          ))}
        </ul>
      ) : null}
      <div class="field amount">
        <label for="pay">
          You pay <span class="note">exactly</span>
        </label>
        <div class="unit exact">
          <input
            id="pay"
            inputMode="decimal"
            autocomplete="off"
            value={value.amount}
            onInput={(event) => change({ amount: event.currentTarget.value, exact: "quote", action: "buy" })}
            onBlur={() => touch("amount")}
            {...described("amount")}
          />
          <select
            id="pay-token"
            aria-label="Token that you pay"
            value={value.quote}
            onChange={(event) => {
              const symbol = event.currentTarget.value;
              change(symbol === value.base ? { quote: symbol, base: value.quote } : { quote: symbol });
            }}
          >
            {tokens.value.map((each) => (
              <option key={each.symbol} value={each.symbol}>
                {each.symbol}
              </option>
            ))}
          </select>
        </div>
        <FieldError name="amount" />
      </div>
      <label class="field">
        <span>Liquidity at least</span>
        <span class="unit">
          <TextField name="liquidity" inputMode="decimal" />
          <span aria-hidden="true">USD</span>
        </span>
      </label>
      <FieldError name="liquidity" />
      <label class="field">
        <span>
          Price, or better <span class="note">optional</span>
        </span>
        <span class="unit">
          <TextField name="limit" inputMode="decimal" />
          <span aria-hidden="true" class="wide-unit">
            {priceOf("1", value.quote, value.target.trim() || "token").unit}
          </span>
        </span>
      </label>
      <FieldError name="limit" />
      <label class="field">
        <span>Fires at</span>
        <select
          id="event"
          value={value.event}
          onChange={(event) => change({ event: event.currentTarget.value as Form["event"] })}
        >
          <option value="any">a launch or a migration</option>
          <option value="launch">a launch only</option>
          <option value="migration">a migration only</option>
        </select>
      </label>
      <label class="field">
        <span>No older than</span>
        <span class="unit">
          <TextField name="age" inputMode="numeric" />
          <span aria-hidden="true">s</span>
        </span>
      </label>
      <FieldError name="age" />
      <label class="check">
        <input
          type="checkbox"
          checked={value.safe}
          onChange={(event) => change({ safe: event.currentTarget.checked })}
        />
        <span>Only without mint or freeze authority and transfer fee</span>
      </label>
    </>
  );
}

const amountField = (): string => (amountToken(form.peek()) === inputOf(form.peek()) ? "pay" : "get");

function swapTokens(): void {
  const { base, quote: other, exact } = form.peek();
  change({
    base: other,
    quote: base,
    exact: exact === "base" ? "quote" : "base",
    action: form.peek().action === "sell" ? "buy" : "sell",
  });
}

function estimate(route: Route | undefined, token: string): string {
  const chosen = route?.quotes.find((each) => each.venue === route.chosenDex);
  const view = chosen ? [chosen.amountIn, chosen.amountOut].find((each) => each.token === token) : undefined;
  return view ? view.amount : "";
}

interface AmountProps {
  place: "pay" | "get";
  token: string;
  focused: string | null;
  onFocus: (place: string | null) => void;
}

function AmountField({ place, token, focused, onFocus }: AmountProps) {
  const value = form.value;
  const isExact = amountToken(value) === token;
  const other = freshQuote.value ? estimate(freshQuote.value.route, token) : "";
  const role = token === value.base ? "base" : "quote";
  const choose = (symbol: string) => {
    const { base, quote: second } = form.peek();
    if (role === "base") change(symbol === second ? { base: second, quote: base } : { base: symbol });
    else change(symbol === base ? { base: second, quote: base } : { quote: symbol });
  };
  const label = place === "pay" ? "You pay" : "You get";
  return (
    <div class="field amount">
      <label for={place}>
        {label} {isExact ? <span class="note">exactly</span> : <span class="note">about</span>}
      </label>
      <div class={`unit ${isExact ? "exact" : "about"}`}>
        {!isExact && other && focused !== place ? (
          <span class="about-sign" aria-hidden="true">
            ≈
          </span>
        ) : null}
        <input
          id={place}
          inputMode="decimal"
          autocomplete="off"
          value={isExact ? value.amount : other ? formatAmount(other).replaceAll(",", "") : ""}
          placeholder={isExact ? "0" : "…"}
          onFocus={(event) => {
            onFocus(place);
            event.currentTarget.select();
          }}
          onBlur={() => {
            onFocus(null);
            if (isExact) touch("amount");
          }}
          onInput={(event) => change({ amount: event.currentTarget.value, exact: role })}
          {...(isExact ? described("amount") : {})}
        />
        <select
          id={`${place}-token`}
          aria-label={`Token that you ${place}`}
          value={token}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {tokens.value.map((each) => (
            <option key={each.symbol} value={each.symbol}>
              {each.symbol}
            </option>
          ))}
        </select>
      </div>
      {isExact ? <FieldError name="amount" /> : null}
    </div>
  );
}

const USUAL_SLIPPAGES = ["0.1", "0.5", "1"];

function Slippage() {
  const value = form.value;
  const found = percentToBps(value.slippage);
  const bps = "bps" in found ? found.bps : null;
  return (
    <fieldset class="field slippage">
      <legend>Slippage at most</legend>
      <div class="choices">
        {USUAL_SLIPPAGES.map((each) => (
          <button
            key={each}
            type="button"
            aria-pressed={value.slippage === each}
            onClick={() => change({ slippage: each })}
          >
            {each} %
          </button>
        ))}
        <span class="unit">
          <TextField name="slippage" aria-label="Slippage in percent" inputMode="decimal" />
          <span aria-hidden="true">%</span>
        </span>
      </div>
      <FieldError name="slippage" />
      {bps !== null && bps > 100 && bps <= 5_000 ? (
        <p class={`warning ${bps >= 500 ? "red" : "amber"}`}>
          You accept {value.action === "sell" ? "up to" : "paying up to"} {bpsToPercent(bps)} %{" "}
          {amountToken(value) === inputOf(value) ? "less than quoted" : "more than quoted"}.
        </p>
      ) : null}
    </fieldset>
  );
}

function QuoteView() {
  const have = shownQuote.value;
  if (!isReady.value) return null;
  if (!have || have.state === "asking")
    return (
      <div class="quote" aria-busy="true">
        <p class="note">{have ? "Asking the venues …" : " "}</p>
      </div>
    );
  if (have.state === "refused")
    return have.tooHigh ? null : (
      <div class="quote">
        <p class="warning red">{have.problem || "No quote."}</p>
        <button type="button" class="quiet" onClick={() => void askQuote()}>
          Ask again
        </button>
      </div>
    );
  const route = have.route;
  const chosen = route?.quotes.find((each) => each.venue === route.chosenDex);
  if (!route || !chosen) return null;
  const left = Math.max(0, Math.ceil((have.endsAt - now.value) / 1000));
  const age = Math.max(0, Math.floor((now.value - have.askedAt) / 1000));
  const isOld = left === 0;
  const price = priceOf(chosen.effectivePrice, chosen.amountIn.token, chosen.amountOut.token);
  const grade = impactGrade(chosen.priceImpactPct);
  const isSell = amountToken(form.value) === inputOf(form.value);
  return (
    <div class={`quote ${isOld ? "old" : ""}`}>
      <dl>
        <div>
          <dt>Price</dt>
          <dd>
            {price.text} {price.unit}
          </dd>
        </div>
        <div>
          <dt>{isSell ? "At least" : "At most"}</dt>
          <dd>
            {isSell
              ? `${formatAmount(chosen.minimumOutput.amount)} ${chosen.minimumOutput.token}`
              : `${formatAmount(chosen.maximumInput.amount)} ${chosen.maximumInput.token}`}
          </dd>
        </div>
        <div class={grade}>
          <dt>Price impact</dt>
          <dd>{formatAmount(chosen.priceImpactPct, 2)} %</dd>
        </div>
        <div>
          <dt>Fee</dt>
          <dd>
            {formatAmount(chosen.fee.amount)} {chosen.fee.token}
          </dd>
        </div>
      </dl>
      <ul class="venues">
        {route.quotes.map((each) => {
          const said = priceOf(each.effectivePrice, each.amountIn.token, each.amountOut.token);
          return (
            <li key={each.venue} class={each.venue === route.chosenDex ? "best" : ""}>
              <span>{capitalize(each.venue)}</span>
              <span>
                {said.text}
                {each.venue === route.chosenDex && route.quotes.length > 1 && route.spreadBps !== null
                  ? ` best, +${bpsToPercent(route.spreadBps)} %`
                  : ""}
              </span>
            </li>
          );
        })}
        {route.unavailable.map((each) => (
          <li key={each.venue} class="gone">
            <span>{capitalize(each.venue)}</span>
            <span>{visible(each.message)}</span>
          </li>
        ))}
      </ul>
      <p class="age">
        <span class="timer" aria-hidden="true">
          <span
            style={{
              width: `${Math.min(100, have.lifeMs ? ((have.endsAt - now.value) / have.lifeMs) * 100 : 0)}%`,
            }}
          />
        </span>
        <span>{isOld ? "This quote has run out." : `Quote ${age} s old, holds ${left} s`}</span>
        <button type="button" class="quiet" onClick={() => void askQuote()} title="Get a new quote (r)">
          Refresh
        </button>
      </p>
    </div>
  );
}

function Consent() {
  const percent = consentWanted.value;
  if (percent === null) return null;
  const word = consentWord(percent);
  return (
    <div class="warning red consent" role="alert">
      <p>
        This swap moves the market by <b>{formatAmount(percent, 2)} %</b> against you; your limit is{" "}
        {form.value.impact} %. Swap less at a time, or type <b>{word}</b> to go on.
      </p>
      <label class="field">
        <span>Your consent</span>
        <input
          id="consent"
          autocomplete="off"
          spellcheck={false}
          value={consentText.value}
          placeholder={word}
          onInput={(event) => {
            consentText.value = event.currentTarget.value;
          }}
        />
      </label>
    </div>
  );
}

function Trouble() {
  const doubt = inDoubt.value;
  if (doubt)
    return (
      <div class="warning amber" role="alert">
        <p>
          No answer came to “{swapSentence(JSON.parse(doubt.body) as Swap)}”: it may have been placed. Sending
          it again is safe: it carries the same key and can't become a second order. Changing the form makes
          it another order.
        </p>
      </div>
    );
  if (unreachableSince.value !== null)
    return <p class="warning amber">Offline: nothing can be placed until the service answers.</p>;
  if (!formProblem.value) return null;
  return (
    <div class="warning red" role="alert">
      <p>{formProblem.value}</p>
    </div>
  );
}

function swapSentence(swap: Swap): string {
  return swap.side === "sell"
    ? `Sell ${swap.amount} ${swap.inputToken} for ${swap.outputToken}`
    : `Buy ${swap.amount} ${swap.outputToken} with ${swap.inputToken}`;
}

/** What the click will do. */
function Label() {
  const value = form.value;
  const amount = value.amount.trim();
  const isBase = value.exact === "base";
  const verb = value.action === "sell" ? "Sell" : "Buy";
  const what = isBase
    ? `${verb} ${amount} ${value.base}`
    : `${verb} ${value.base} for ${amount} ${value.quote}`;
  const counted = amountToken(value);
  const type = typeOf(value);
  const other = counted === inputOf(value) ? outputOf(value) : inputOf(value);
  const doing = action.value;
  const about = freshQuote.value ? estimate(freshQuote.value.route, other) : "";
  switch (doing) {
    case "token":
      return <>Sign in to trade</>;
    case "fix":
      if (type === "sniper") return <>Snipe</>;
      return (
        <>
          {verb} {value.base}
        </>
      );
    case "asking":
      return <>{what} → …</>;
    case "requote":
      return <>{quote.value?.key ? "Get a new quote" : "Get a quote"}</>;
    case "consent":
      return <>{what}: type your consent first</>;
    case "placing":
      return <>Placing …</>;
    case "again":
      return <>Send the same order again</>;
    case "resting":
      return <>Placed. Again in {Math.max(1, Math.ceil((restUntil.value - now.value) / 1000))} s</>;
    case "offline":
      return <>Offline</>;
    case "place": {
      if (type === "sniper")
        return (
          <>
            Snipe {value.target.trim()} with {amount} {value.quote}
          </>
        );
      if (type === "limit")
        return (
          <>
            {what} at {value.limit.trim()} or {value.action === "sell" ? "more" : "less"}
          </>
        );
      const sign = isBase ? (value.action === "sell" ? "→ ≈" : "for ≈") : "→ ≈";
      return (
        <>
          {what} {sign} {formatAmount(about, 4)} {other}
        </>
      );
    }
  }
}

export const focusAmount = (): void => document.getElementById(amountField())?.focus();
