import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bpsApart,
  compare,
  divide,
  formatAmount,
  formatPrice,
  parseAmount,
  percentToBps,
  subtract,
} from "../src/lib/amounts";

test("an amount is exact text in whole base units", () => {
  for (const [typed, text, units] of [
    ["1.5", "1.5", 1_500_000_000n],
    [" 0.000000001 ", "0.000000001", 1n],
    ["007.50", "7.5", 7_500_000_000n],
    [".5", "0.5", 500_000_000n],
    ["5.", "5", 5_000_000_000n],
    ["18446744073.709551615", "18446744073.709551615", 2n ** 64n - 1n],
  ] as const)
    assert.deepEqual(parseAmount(typed, "SOL", 9), { text, units });
});

test("what is no amount gets a hint in the trader's words", () => {
  for (const [typed, said] of [
    ["", "Enter an amount."],
    ["1,5", "Write a point for decimals: 1.5"],
    ["1,000", "Write a point for decimals: 1.000"],
    ["1,000,000.5", "Leave out what groups the digits: 1000000.5"],
    ["1 000", "Leave out what groups the digits: 1000"],
    ["1e3", "Write all digits: 1000"],
    ["2.5e-3", "Write all digits: 0.0025"],
    ["1e400", "Write all digits, without an e."],
    ["-1", "Enter more than zero."],
    ["0", "Enter more than zero."],
    ["0.000", "Enter more than zero."],
    ["abc", "Enter a number, such as 1.5"],
    ["Infinity", "Enter a number, such as 1.5"],
    ["0x10", "Enter a number, such as 1.5"],
    ["1.1234567", "USDC has at most 6 decimals: 1.123456"],
    ["18446744073709.551616", "That is more USDC than can exist on the chain."],
  ] as const)
    assert.deepEqual(parseAmount(typed, "USDC", 6), { error: said }, typed);
});

test("percent becomes hundredths of a percent without a float", () => {
  for (const [typed, bps] of [
    ["0.29", 29],
    ["0.5", 50],
    ["15", 1500],
    ["50 %", 5000],
    ["0", 0],
    ["1.1", 110],
  ] as const)
    assert.deepEqual(percentToBps(typed), { bps });
  assert.deepEqual(percentToBps("0.001"), {
    error: "Use at most two decimals: 0.01 % is the smallest step.",
  });
  assert.deepEqual(percentToBps("0,5"), { error: "Write a point for decimals: 0.5" });
});

test("division, difference and order are exact", () => {
  assert.equal(divide("1", "3"), "0.3333333333");
  assert.equal(divide("2", "3", 4), "0.6667");
  assert.equal(divide("1", "168.0648382", 12), "0.00595008456683");
  assert.equal(divide("1000", "8"), "125");
  assert.equal(divide("1", "0"), "0");
  assert.equal(subtract("250.49", "242.5"), "7.99");
  assert.equal(subtract("1", "1.000000001"), "-0.000000001");
  assert.equal(compare("0.1", "0.10"), 0);
  assert.equal(compare("9007199254740993", "9007199254740992"), 1);
});

test("slippage is rounded to whole hundredths of a percent, half away from zero", () => {
  assert.equal(bpsApart(99_830n, 100_000n), -17);
  assert.equal(bpsApart(100_005n, 100_000n), 1);
  assert.equal(bpsApart(99_995n, 100_000n), -1);
  assert.equal(bpsApart(100_004n, 100_000n), 0);
  assert.equal(Object.is(bpsApart(99_999n, 100_000n), 0), true);
  assert.equal(bpsApart(1n, 0n), 0);
});

test("amounts are grouped, rounded, and never rounded to nothing", () => {
  assert.equal(formatAmount("9000000"), "9,000,000");
  assert.equal(formatAmount("250.4912345", 2), "250.49");
  assert.equal(formatAmount("0.00000001"), "0.00000001");
  assert.equal(formatAmount("-12.5"), "−12.5");
  assert.equal(formatAmount("0"), "0");
  assert.equal(formatAmount("999.9999999", 2), "1,000");
  assert.equal(formatPrice("168.0648382"), "168.065");
  assert.equal(formatPrice("0.0059500845"), "0.00595008");
  assert.equal(formatPrice("123456789.123"), "123,456,789.12");
});
