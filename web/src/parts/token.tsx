import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { claims, claimsOf, token, tokenProblem, wantsToken } from "../session";
import { acceptOnly, forgetEverything } from "../state";

const isAsking = signal(wantsToken.value);
export const askForToken = (): void => {
  isAsking.value = true;
};

acceptOnly((order) => !wantsToken.value || claims.value?.sub === order.userId);

/** The service refused: it wants a token, or another one. */
export function unauthorized(): void {
  tokenProblem.value = token.value ? "The service does not take this token any more: get a new one." : "";
  wantsToken.value = true;
  token.value = null;
  isAsking.value = true;
}

export function TokenDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const box = dialog.current;
    if (!box) return;
    if (isAsking.value && !box.open) box.showModal();
    if (!isAsking.value && box.open) box.close();
  }, [isAsking.value]);
  if (!wantsToken.value) return null;
  const submit = (event: Event) => {
    event.preventDefault();
    const typed = (field.current?.value ?? "").trim().replace(/^Bearer\s+/i, "");
    const found = claimsOf(typed);
    if (!found) {
      tokenProblem.value = "That is no token: it has three parts with points between them.";
      field.current?.focus();
      return;
    }
    if (found.exp !== null && found.exp * 1000 < Date.now()) {
      tokenProblem.value = "This token has run out: get a new one.";
      field.current?.focus();
      return;
    }
    // What another trader has seen here is not this one's.
    if (claims.value?.sub !== found.sub) forgetEverything();
    tokenProblem.value = "";
    token.value = typed;
    if (field.current) field.current.value = "";
    isAsking.value = false;
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby="token-title"
      onClose={() => {
        isAsking.value = false;
      }}
    >
      <form onSubmit={submit}>
        <h2 id="token-title">Sign in</h2>
        <p>
          This service wants an access token. It stays in this page's memory: closing or reloading the page
          forgets it. On a laptop <code>./dev token --user NAME</code> prints one.
        </p>
        <label class="field">
          <span>Access token</span>
          <input
            ref={field}
            type="password"
            id="token"
            autocomplete="off"
            spellcheck={false}
            aria-invalid={tokenProblem.value ? true : undefined}
            aria-describedby={tokenProblem.value ? "token-error" : undefined}
          />
        </label>
        {tokenProblem.value ? (
          <p id="token-error" class="error" role="alert">
            {tokenProblem.value}
          </p>
        ) : null}
        <div class="actions">
          <button type="submit" class="main">
            Sign in
          </button>
        </div>
      </form>
    </dialog>
  );
}
