// Calls of the service. What fails is one of two things: an answer that refuses (`Refused`), or none (`Unreachable`).
import { signal } from "@preact/signals";
import type { ProblemBody } from "./lib/types";
import { token } from "./session";
import { root } from "./state";

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<ProblemBody> & { detail: string },
    readonly retryAfter: number | null,
  ) {
    super(problem.detail);
  }

  /** Whether nothing was done: a gateway's or our own failure leaves that open. */
  get isDefinite(): boolean {
    return this.status < 500 && this.status !== 408;
  }
}

export class Unreachable extends Error {}

/** Null while the service can be reached, else since when it can't. */
export const unreachableSince = signal<number | null>(navigator.onLine ? null : Date.now());

interface Options {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Whether an answer of any status counts, as /health's 503 does. */
  anyStatus?: boolean;
}

export interface Answer<T> {
  body: T;
  headers: Headers;
}

let onUnauthorized: () => void = () => {};
export const whenUnauthorized = (act: () => void): void => {
  onUnauthorized = act;
};

export async function call<T>(
  method: "GET" | "POST" | "PATCH",
  path: string,
  options: Options = {},
): Promise<Answer<T>> {
  const limit = AbortSignal.timeout(options.timeoutMs ?? 15_000);
  const headers: Record<string, string> = { ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const sent = token.value;
  if (sent) headers.Authorization = `Bearer ${sent}`;
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(new URL(path, root), {
      method,
      headers,
      credentials: "omit",
      cache: "no-store",
      signal: options.signal ? AbortSignal.any([limit, options.signal]) : limit,
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === "string" ? options.body : JSON.stringify(options.body) }),
    });
    text = await answer.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    unreachableSince.value ??= Date.now();
    throw new Unreachable("The service can't be reached.");
  }
  unreachableSince.value = null;
  const body = parsed(text);
  if (answer.ok || options.anyStatus) {
    if (body === undefined) throw new Unreachable("The service's answer was cut off.");
    return { body: body as T, headers: answer.headers };
  }
  // Only for the session that sent it: a slow refusal of an old token does not end a new one.
  if (answer.status === 401 && token.value === sent) onUnauthorized();
  const problem = body && typeof body === "object" ? (body as Partial<ProblemBody>) : {};
  const wait = Number(answer.headers.get("Retry-After"));
  throw new Refused(
    answer.status,
    {
      ...problem,
      detail: problem.detail ?? problem.title ?? `The service answered with status ${answer.status}.`,
    },
    Number.isFinite(wait) && wait > 0 ? wait : null,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** How far this machine's clock is behind the service's, from an answer's Date; a wrong clock here keeps no quote alive. */
export function serverNow(headers: Headers): number {
  const at = Date.parse(headers.get("Date") ?? "");
  return Number.isNaN(at) ? Date.now() : at;
}
