// Who trades. Where the service asks for a token, it is kept in this page's memory and nowhere else: a reload asks again.
import { computed, signal } from "@preact/signals";

export const token = signal<string | null>(null);
/** Whether the service wants a token: its first 401 says so. */
export const wantsToken = signal(false);
export const tokenProblem = signal("");

export interface Claims {
  sub: string;
  /** Seconds since 1970. */
  exp: number | null;
}

/** What a token says of itself, for showing: whether it is true, the service checks. */
export function claimsOf(text: string): Claims | null {
  try {
    const part = text.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (each) =>
      each.charCodeAt(0),
    );
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (!claims || typeof claims !== "object" || !("sub" in claims) || typeof claims.sub !== "string")
      return null;
    return { sub: claims.sub, exp: "exp" in claims && typeof claims.exp === "number" ? claims.exp : null };
  } catch {
    return null;
  }
}

export const claims = computed(() => (token.value ? claimsOf(token.value) : null));
/** Whether calls may be made at all. */
export const isReady = computed(() => !wantsToken.value || token.value !== null);
