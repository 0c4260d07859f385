// What the ticket says, as the order that it means, or the sentence beside each field that is wrong.
import domain from "../generated/domain.json";
import { parseAmount, percentToBps } from "./amounts";
import type { FieldError, Side, Token } from "./types";

export interface Form {
  user: string;
  wallet: string;
  base: string;
  quote: string;
  action: "sell" | "buy";
  /** Which token `amount` counts: exactly so much of it is paid, or received. */
  exact: "base" | "quote";
  amount: string;
  slippage: string;
  impact: string;
}

export const EMPTY: Form = {
  user: "demo",
  wallet: "wallet_12345",
  base: "SOL",
  quote: "USDC",
  action: "sell",
  exact: "base",
  amount: "1.5",
  slippage: String(domain.slippageBps / 100),
  impact: String(domain.maxPriceImpactBps / 100),
};

export type FieldName = "user" | "wallet" | "amount" | "tokens" | "slippage" | "impact";
export type Errors = Partial<Record<FieldName, string>>;

export interface Swap {
  inputToken: string;
  outputToken: string;
  side: Side;
  amount: string;
  slippageBps: number;
  maxPriceImpactBps: number;
}

export type Reading = { swap: Swap; errors: Errors } | { swap: null; errors: Errors };

export const inputOf = (form: Form): string => (form.action === "sell" ? form.base : form.quote);
export const outputOf = (form: Form): string => (form.action === "sell" ? form.quote : form.base);
export const amountToken = (form: Form): string => (form.exact === "base" ? form.base : form.quote);

const MAX_SLIPPAGE_BPS = 5_000;

/** The swap of the form; `impactBps` is what the trader agreed to beyond the form's own limit. */
export function readSwap(form: Form, tokens: readonly Token[], impactBps?: number): Reading {
  const errors: Errors = {};
  const inputToken = inputOf(form);
  const outputToken = outputOf(form);
  const mint = (symbol: string) => tokens.find((token) => token.symbol === symbol)?.mint;
  if (mint(inputToken) === undefined || mint(outputToken) === undefined) errors.tokens = "Choose two tokens.";
  else if (mint(inputToken) === mint(outputToken))
    errors.tokens =
      inputToken === outputToken
        ? "Choose two different tokens."
        : "SOL and WSOL are one asset: choose another token.";
  const counted = tokens.find((token) => token.symbol === amountToken(form));
  const amount = parseAmount(form.amount, amountToken(form), counted?.decimals ?? 9);
  if ("error" in amount) errors.amount = amount.error;
  const slippage = percentToBps(form.slippage);
  if ("error" in slippage)
    errors.slippage = form.slippage.trim() ? slippage.error : "Enter a percentage, such as 0.5";
  else if (slippage.bps > MAX_SLIPPAGE_BPS) errors.slippage = "At most 50 %.";
  const impact = percentToBps(form.impact);
  if ("error" in impact) errors.impact = form.impact.trim() ? impact.error : "Enter a percentage, such as 15";
  else if (impact.bps > 10_000) errors.impact = "At most 100 %.";
  if ("error" in amount || "error" in slippage || "error" in impact || Object.keys(errors).length)
    return { swap: null, errors };
  return {
    swap: {
      inputToken,
      outputToken,
      side: amountToken(form) === inputToken ? "sell" : "buy",
      amount: amount.text,
      slippageBps: slippage.bps,
      maxPriceImpactBps: Math.max(impact.bps, impactBps ?? 0),
    },
    errors,
  };
}

export function readParty(form: Form): Errors {
  const errors: Errors = {};
  const check = (text: string) =>
    !text.trim() ? "Enter a name." : [...text].length > 128 ? "At most 128 characters." : undefined;
  const user = check(form.user);
  const wallet = check(form.wallet);
  if (user) errors.user = user;
  if (wallet) errors.wallet = wallet;
  return errors;
}

const FIELDS: Readonly<Record<string, FieldName>> = {
  userId: "user",
  walletAddress: "wallet",
  amount: "amount",
  inputToken: "tokens",
  outputToken: "tokens",
  slippageBps: "slippage",
  maxPriceImpactBps: "impact",
};
const LABELS: Readonly<Record<FieldName, string>> = {
  user: "The user",
  wallet: "The wallet",
  amount: "The amount",
  tokens: "The tokens",
  slippage: "The slippage",
  impact: "The price impact",
};
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/maxPriceImpactBps/g, "your price impact limit"],
  [/slippageBps/g, "slippage"],
  [/inputToken/g, "the token you pay"],
  [/outputToken/g, "the token you get"],
  [/walletAddress/g, "the wallet"],
  [/userId/g, "the user"],
  [/clientOrderId/g, "your own order id"],
];

/** The service's words with the API's names put as a trader says them. */
export const inTradersWords = (text: string): string =>
  WORDS.reduce((said, [name, word]) => said.replace(name, word), text);

/** The service's refusals beside the fields that they are about; what belongs to none is left over. */
export function fieldErrors(refused: readonly FieldError[]): { errors: Errors; rest: string[] } {
  const errors: Errors = {};
  const rest: string[] = [];
  for (const { field, message } of refused) {
    const name = FIELDS[field];
    if (name && !errors[name]) errors[name] = `${LABELS[name]} ${inTradersWords(message)}.`;
    else if (!name) rest.push(inTradersWords(`${field} ${message}.`));
  }
  return { errors, rest };
}

export type Grade = "fine" | "amber" | "red";

/** Amber from 1 %, red from 5 %. */
export function impactGrade(percent: string): Grade {
  const value = Number(percent);
  return value >= 5 ? "red" : value >= 1 ? "amber" : "fine";
}

/** What the trader types to go on above the limit: the impact's whole percent. */
export const consentWord = (percent: string): string => `accept ${Math.ceil(Number(percent))}%`;
export const consents = (typed: string, percent: string): boolean =>
  typed.trim().toLowerCase().replace(/\s+/g, " ").replace(" %", "%") === consentWord(percent);
/** The limit that goes with a consent: the impact that was shown, rounded up to a whole percent. */
export const consentedBps = (percent: string): number => Math.min(Math.ceil(Number(percent)) * 100, 10_000);
