import assert from "node:assert/strict";
import { test } from "node:test";
import domain from "../src/generated/domain.json";
import {
  changesForType,
  consentedBps,
  consents,
  consentWord,
  EMPTY,
  type Form,
  fieldErrors,
  impactGrade,
  limitPriceOf,
  readParty,
  readResting,
  readSwap,
  typeOf,
} from "../src/lib/ticket";

const read = (changes: Partial<Form>) => readSwap({ ...EMPTY, ...changes }, domain.tokens);

test("buying 1.5 SOL buys SOL, whichever way the pair is traded", () => {
  const rows = [
    [{ action: "sell", exact: "base" }, ["SOL", "USDC", "sell"]],
    [{ action: "sell", exact: "quote" }, ["SOL", "USDC", "buy"]],
    [{ action: "buy", exact: "base" }, ["USDC", "SOL", "buy"]],
    [{ action: "buy", exact: "quote" }, ["USDC", "SOL", "sell"]],
  ] as const;
  for (const [changes, [inputToken, outputToken, side]] of rows) {
    const { swap } = read({ ...changes, amount: "1.5" });
    assert.deepEqual(swap, {
      inputToken,
      outputToken,
      side,
      amount: "1.5",
      slippageBps: 50,
      maxPriceImpactBps: 1500,
    });
  }
});

test("every wrong field is named beside itself", () => {
  const { swap, errors } = read({ amount: "1,5", slippage: "51", impact: "x", quote: "WSOL" });
  assert.equal(swap, null);
  assert.deepEqual(errors, {
    amount: "Write a point for decimals: 1.5",
    slippage: "At most 50 %.",
    impact: "Enter a number, such as 1.5",
    tokens: "SOL and WSOL are one asset: choose another token.",
  });
  assert.equal(
    read({ exact: "quote", amount: "1.1234567" }).errors.amount,
    "USDC has at most 6 decimals: 1.123456",
  );
});

test("a consent raises the limit to what was shown, and only its own words give it", () => {
  assert.equal(consentWord("98.3388"), "accept 99%");
  assert.equal(consents(" Accept  99 % ", "98.3388"), true);
  assert.equal(consents("accept", "98.3388"), false);
  assert.equal(consentedBps("98.3388"), 9_900);
  assert.equal(consentedBps("99.5"), 10_000);
  const { swap } = readSwap(EMPTY, domain.tokens, 9_900);
  assert.equal(swap?.maxPriceImpactBps, 9_900);
  assert.deepEqual(["0.99", "1", "4.99", "5"].map(impactGrade), ["fine", "amber", "amber", "red"]);
});

test("the service's refusals stand beside their fields without the API's names", () => {
  const { errors, rest } = fieldErrors([
    { field: "slippageBps", message: "must be a valid integer" },
    { field: "outputToken", message: "must differ from inputToken (SOL and WSOL are one asset)" },
    { field: "surprise", message: "is not a field of this request" },
  ]);
  assert.deepEqual(errors, {
    slippage: "The slippage must be a valid integer.",
    tokens: "The tokens must differ from the token you pay (SOL and WSOL are one asset).",
  });
  assert.deepEqual(rest, ["surprise is not a field of this request."]);
});

test("user and wallet are names of at most 128 characters", () => {
  assert.deepEqual(readParty({ ...EMPTY, user: " ", wallet: "🙂".repeat(129) }), {
    user: "Enter a name.",
    wallet: "At most 128 characters.",
  });
  assert.deepEqual(readParty(EMPTY), {});
});

test("a limit order says output for input, rounded in the trader's favour where it is turned around", () => {
  assert.equal(limitPriceOf("170", "SOL", "USDC"), "170");
  assert.equal(limitPriceOf("170", "USDC", "SOL"), "0.00588235294117647059");
  assert.equal(limitPriceOf("168", "USDC", "SOL"), "0.00595238095238095239");
});

test("a form of a type that is not offered is a market order", () => {
  assert.equal(typeOf({ ...EMPTY, type: "stop" }), "market");
});

test("a limit ticket sends its price and its end, and no slippage", () => {
  const form: Form = { ...EMPTY, type: "limit", limit: "170", rests: "600", slippage: "x" };
  assert.deepEqual(readResting(form, domain.tokens, 0).order, {
    inputToken: "SOL",
    outputToken: "USDC",
    side: "sell",
    amount: "1.5",
    maxPriceImpactBps: 1500,
    orderType: "limit",
    limitPrice: "170",
    timeInForce: "gtc",
    expiresAt: "1970-01-01T00:10:00.000Z",
  });
  assert.equal(
    "expiresAt" in (readResting({ ...form, timeInForce: "fok" }, domain.tokens, 0).order ?? {}),
    false,
  );
  assert.equal(
    readResting({ ...form, limit: "" }, domain.tokens, 0).errors.limit,
    "Enter the price, such as 170",
  );
  assert.equal(
    readResting({ ...form, limit: "0.0" }, domain.tokens, 0).errors.limit,
    "Enter more than zero.",
  );
  assert.equal(
    readResting({ ...form, limit: "1,5" }, domain.tokens, 0).errors.limit,
    "Write a point for decimals: 1.5",
  );
});

test("a sniper spends exactly the quote token on a token that has not launched", () => {
  const form: Form = { ...EMPTY, type: "sniper", target: "LNCH-7", amount: "100" };
  assert.deepEqual(readResting(form, domain.tokens, 0).order, {
    inputToken: "USDC",
    outputToken: "LNCH-7",
    side: "sell",
    amount: "100",
    slippageBps: 50,
    maxPriceImpactBps: 1500,
    orderType: "sniper",
    launch: { event: "any", minimumLiquidityUsd: "5000", maxAgeSeconds: 30, requireSafe: true },
  });
  const dear = { ...form, limit: "0.004", event: "migration" as const, age: "5" };
  const priced = readResting(dear, domain.tokens, 0).order;
  assert.equal(priced?.limitPrice, "250");
  assert.deepEqual(priced?.launch, {
    event: "migration",
    minimumLiquidityUsd: "5000",
    maxAgeSeconds: 5,
    requireSafe: true,
  });
  for (const age of ["", "0", "301", "1.5"])
    assert.equal(readResting({ ...form, age }, domain.tokens, 0).errors.age, "Whole seconds, 1 to 300.");
  assert.equal(readResting({ ...form, limit: "0" }, domain.tokens, 0).errors.limit, "Enter more than zero.");
  assert.ok(readResting({ ...form, target: " " }, domain.tokens, 0).errors.target);
});

test("a sniper order begins with the slippage that launches need, and a slippage that was chosen stays", () => {
  const sniper = { ...EMPTY, ...changesForType(EMPTY, "sniper") };
  assert.equal(sniper.slippage, "5");
  assert.equal({ ...sniper, ...changesForType(sniper, "market") }.slippage, EMPTY.slippage);
  assert.deepEqual(changesForType({ ...EMPTY, slippage: "1", limit: "170" }, "sniper"), {
    type: "sniper",
    limit: "",
  });
});
