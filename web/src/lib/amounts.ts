// Exact decimals as text and whole numbers: an amount never becomes a floating-point number.

const U64 = 2n ** 64n - 1n;

export interface Amount {
  /** As it is sent: plain digits, no superfluous zeros. */
  text: string;
  units: bigint;
}

export type Parsed = Amount | { error: string };

/** What a trader typed, as an amount of a token with so many decimals; else the sentence that helps. */
export function parseAmount(typed: string, symbol: string, decimals: number): Parsed {
  const text = typed.trim();
  if (!text) return { error: "Enter an amount." };
  const number = readDecimal(text);
  if ("error" in number) return number;
  const [whole, fraction = ""] = number.text.split(".") as [string, string?];
  if (fraction.length > decimals) {
    const kept = decimals ? `${whole}.${fraction.slice(0, decimals)}` : whole;
    return { error: `${symbol} has at most ${decimals} decimals: ${tidy(kept)}` };
  }
  const units = BigInt(whole + fraction.padEnd(decimals, "0"));
  if (units === 0n) return { error: "Enter more than zero." };
  if (units > U64) return { error: `That is more ${symbol} than can exist on the chain.` };
  return { text: number.text, units };
}

/** A decimal number as people write it, with the hint where they write it as in another country or a program. */
export function readDecimal(typed: string): { text: string } | { error: string } {
  const text = typed.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return { text: tidy(text) };
  if (/^\.\d+$/.test(text)) return { text: tidy(`0${text}`) };
  if (/^\d+\.$/.test(text)) return { text: tidy(text.slice(0, -1)) };
  if (/^\d+,\d+$/.test(text)) return { error: `Write a point for decimals: ${text.replace(",", ".")}` };
  if (/^\d{1,3}([,' \u00a0\u202f]\d{3})+(\.\d+)?$/.test(text))
    return { error: `Leave out what groups the digits: ${text.replace(/[,' \u00a0\u202f]/g, "")}` };
  if (/^\d+(\.\d+)?[eE][+-]?\d+$/.test(text)) {
    const plain = expand(text);
    return { error: plain ? `Write all digits: ${plain}` : "Write all digits, without an e." };
  }
  if (/^[-−]/.test(text)) return { error: "Enter more than zero." };
  return { error: "Enter a number, such as 1.5" };
}

function expand(text: string): string | null {
  const [mantissa = "", exponent = ""] = text.toLowerCase().split("e");
  const by = Number(exponent);
  if (Math.abs(by) > 30) return null;
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = whole + fraction;
  const point = whole.length + by;
  if (point <= 0) return tidy(`0.${"0".repeat(-point)}${digits}`);
  if (point >= digits.length) return tidy(digits.padEnd(point, "0"));
  return tidy(`${digits.slice(0, point)}.${digits.slice(point)}`);
}

function tidy(text: string): string {
  const [whole = "0", fraction = ""] = text.split(".");
  const head = whole.replace(/^0+(?=\d)/, "");
  const tail = fraction.replace(/0+$/, "");
  return tail ? `${head}.${tail}` : head;
}

/** A decimal as a fraction of whole numbers. */
function fractionOf(text: string): [bigint, bigint] {
  const [whole = "0", fraction = ""] = text.split(".");
  return [BigInt(whole + fraction), 10n ** BigInt(fraction.length)];
}

/** `a ÷ b` to so many significant digits, rounded half up, or `up`; both are plain positive decimals. */
export function divide(a: string, b: string, significant = 10, up = false): string {
  const [an, ad] = fractionOf(a);
  const [bn, bd] = fractionOf(b);
  if (bn === 0n) return "0";
  const numerator = an * bd;
  const denominator = ad * bn;
  if (numerator === 0n) return "0";
  const magnitude =
    (numerator / denominator).toString().length -
    (numerator < denominator ? leadingZeros(numerator, denominator) + 1 : 0);
  const decimals = Math.max(significant - magnitude, 0);
  const raised = numerator * 10n ** BigInt(decimals);
  const scaled = up
    ? (raised + denominator - 1n) / denominator
    : (raised * 2n + denominator) / (denominator * 2n);
  return point(scaled, decimals);
}

/** `a × b`, exactly. */
export function multiply(a: string, b: string): string {
  const [an, ad] = fractionOf(a);
  const [bn, bd] = fractionOf(b);
  return point(an * bn, (ad * bd).toString().length - 1);
}

/** To so many significant digits, rounded half up. */
export const significant = (text: string, digits: number): string => divide(text, "1", digits);

function leadingZeros(numerator: bigint, denominator: bigint): number {
  let zeros = 0;
  for (let value = numerator * 10n; value < denominator; value *= 10n) zeros += 1;
  return zeros;
}

function point(units: bigint, decimals: number): string {
  const digits = units.toString().padStart(decimals + 1, "0");
  return tidy(decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits);
}

/** `a − b`, which may be negative. */
export function subtract(a: string, b: string): string {
  const [an, ad] = fractionOf(a);
  const [bn, bd] = fractionOf(b);
  const difference = an * bd - bn * ad;
  const denominator = ad * bd;
  const decimals = denominator.toString().length - 1;
  return difference < 0n ? `-${point(-difference, decimals)}` : point(difference, decimals);
}

export function compare(a: string, b: string): number {
  const [an, ad] = fractionOf(a);
  const [bn, bd] = fractionOf(b);
  const difference = an * bd - bn * ad;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** How far `actual` is above (+) or below (−) `expected`, in whole hundredths of a percent, rounded away from zero at half. */
export function bpsApart(actual: bigint, expected: bigint): number {
  if (expected === 0n) return 0;
  const scaled = (actual - expected) * 20_000n;
  const negative = scaled < 0n;
  const size = negative ? -scaled : scaled;
  const rounded = Number((size + expected) / (expected * 2n));
  return negative && rounded ? -rounded : rounded;
}

/** Percent as typed ("0.5") in hundredths of a percent (50), by moving the point in the text: 0.29 × 100 is not 29. */
export function percentToBps(typed: string): { bps: number } | { error: string } {
  const number = readDecimal(typed.trim().replace(/\s*%$/, ""));
  if ("error" in number) return number;
  const [whole = "0", fraction = ""] = number.text.split(".");
  if (fraction.length > 2) return { error: "Use at most two decimals: 0.01 % is the smallest step." };
  if (whole.length > 6) return { error: "That is too much." };
  return { bps: Number(whole) * 100 + Number(fraction.padEnd(2, "0")) };
}

export const bpsToPercent = (bps: number): string => point(BigInt(bps), 2);

/** For reading: groups of three digits, and at most so many decimals, rounded half up. */
export function formatAmount(text: string, decimals = 6): string {
  const negative = text.startsWith("-");
  const [numerator, denominator] = fractionOf(negative ? text.slice(1) : text);
  const scaled = (numerator * 10n ** BigInt(decimals) * 2n + denominator) / (denominator * 2n);
  // What would be rounded to nothing keeps its first digits.
  const rounded =
    scaled === 0n && numerator !== 0n ? significantOf(text.replace("-", "")) : point(scaled, decimals);
  const [whole = "0", fraction] = rounded.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${negative ? "−" : ""}${grouped}${fraction ? `.${fraction}` : ""}`;
}

function significantOf(text: string): string {
  const found = /^0\.(0*[1-9]\d{0,3})/.exec(text);
  return found ? tidy(`0.${found[1]}`) : text;
}

/** A price for reading: six significant digits. */
export function formatPrice(text: string): string {
  const [whole = "0", fraction = ""] = text.split(".");
  if (whole !== "0") return formatAmount(text, Math.max(6 - whole.length, 2));
  const zeros = /^0*/.exec(fraction)?.[0].length ?? 0;
  return formatAmount(text, zeros + 6);
}
