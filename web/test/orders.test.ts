import assert from "node:assert/strict";
import { test } from "node:test";
import { aligned } from "../src/chart";
import {
  fillSentence,
  isCancellable,
  missedIn,
  orient,
  priceOf,
  savingSentence,
  sentence,
  slippageBps,
} from "../src/lib/orders";
import type { Order, OrderEvent, Quote } from "../src/lib/types";
import { waterfall } from "../src/lib/waterfall";

const view = (amount: string, units: string, token: string) => ({ amount, baseUnits: units, token });
const quote = (venue: "raydium" | "meteora", out: string, units: string): Quote =>
  ({ venue, amountIn: view("1.5", "1500000000", "SOL"), amountOut: view(out, units, "USDC") }) as Quote;
const SOLD = {
  side: "sell",
  inputToken: "SOL",
  outputToken: "USDC",
  amount: "1.5",
  slippageBps: 50,
  status: "confirmed",
  expectedOutputBaseUnits: "250916000",
  executedOutput: view("250.489443", "250489443", "USDC"),
  route: {
    chosenDex: "raydium",
    quotes: [quote("raydium", "250.916", "250916000"), quote("meteora", "242.9", "242900000")],
  },
} as unknown as Order;

test("the fill is told against the quote, and what the choice of the venue was worth", () => {
  assert.equal(sentence(SOLD), "Sell 1.5 SOL → 250.489443 USDC");
  assert.equal(fillSentence(SOLD), "Filled 17 bps below the quote (limit 50)");
  assert.equal(savingSentence(SOLD), "routing saved 8.016 USDC against Meteora");
  const bought = {
    ...SOLD,
    side: "buy",
    inputToken: "USDC",
    outputToken: "SOL",
    expectedInput: view("250", "250000000", "USDC"),
    executedInput: view("250.25", "250250000", "USDC"),
  } as unknown as Order;
  assert.equal(sentence(bought), "Buy 1.5 SOL for 250.25 USDC");
  assert.equal(slippageBps(bought), -10);
  assert.equal(fillSentence({ ...SOLD, executedOutput: null }), null);
});

test("a price is told in the money of the pair, whatever is sold for which", () => {
  assert.deepEqual(orient("SOL", "USDC"), { base: "SOL", quote: "USDC", inverted: false });
  assert.equal(priceOf("168.0648382", "SOL", "USDC").text, "168.065");
  assert.deepEqual(priceOf("0.00595", "USDC", "SOL"), {
    text: "168.067",
    unit: "USDC per SOL",
    exact: "168.067226891",
  });
  assert.equal(priceOf("1", "JUP", "SOL").unit, "SOL per JUP");
  assert.equal(priceOf("1", "BONK", "JUP").unit, priceOf("1", "JUP", "BONK").unit);
});

test("a signed order is not cancellable, whatever its status says", () => {
  const building = { ...SOLD, status: "building", txHash: null } as unknown as Order;
  assert.equal(isCancellable(building), true);
  assert.equal(isCancellable({ ...building, txHash: "x" }), false);
  assert.equal(isCancellable({ ...building, status: "confirmed" }), false);
});

const event = (sequence: number, status: OrderEvent["status"], at: number, attempt = 1): OrderEvent =>
  ({
    sequence,
    status,
    attempt,
    at: new Date(at).toISOString(),
    message: "",
    meta: {},
    orderId: "o",
  }) as OrderEvent;

test("each status has its own time, in its attempt, and an end has the time at which it came", () => {
  const attempts = waterfall(
    [
      event(1, "pending", 0),
      event(2, "routing", 100),
      event(3, "building", 400),
      event(4, "routing", 1000, 2),
      event(5, "failed", 1500, 2),
    ],
    (status) => status === "failed",
  );
  assert.deepEqual(
    attempts.map((attempt) => [attempt.number, attempt.bars.map((bar) => [bar.status, bar.startMs, bar.ms])]),
    [
      [
        1,
        [
          ["pending", 0, 100],
          ["routing", 100, 300],
          ["building", 400, 600],
        ],
      ],
      [
        2,
        [
          ["routing", 1000, 500],
          ["failed", 1500, null],
        ],
      ],
    ],
  );
  assert.deepEqual(
    waterfall([], () => false),
    [],
  );
});

test("the lines of a chart share their times", () => {
  assert.deepEqual(
    aligned(
      ["raydium", "meteora"],
      [
        { at: 2, venue: "raydium", price: 5 },
        { at: 1, venue: "meteora", price: 4 },
      ],
      [{ at: 2, venue: "x", price: 6 }],
    ),
    [
      [1, 2],
      [null, 5],
      [4, null],
      [null, 6],
    ],
  );
});

test("what moved or ended while nobody was connected shows against what is open now", () => {
  const at = (id: string, sequence: number) => ({ id, sequence }) as Order;
  const known = [at("moved", 2), at("same", 2), at("ended", 3), at("newer", 4)];
  assert.deepEqual(missedIn(known, [at("moved", 3), at("same", 2), at("newer", 3), at("new", 1)]), [
    "moved",
    "ended",
  ]);
});

test("a fill from before the first price is not drawn: the prices would be too narrow to read", () => {
  const prices = [{ at: 1000, venue: "raydium", price: 168 }];
  const fills = [
    { at: 1, venue: "raydium", price: 150 },
    { at: 1001, venue: "raydium", price: 167 },
  ];
  assert.deepEqual(aligned(["raydium"], prices, fills), [
    [1000, 1001],
    [168, null],
    [null, 167],
  ]);
});
