import { useEffect, useRef } from "preact/hooks";
import { unreachableSince } from "../api";
import { clock, seconds, visible } from "../lib/text";
import { link } from "../live";
import { claims, wantsToken } from "../session";
import { form, health, now } from "../state";
import { stats } from "../stats";
import { change, errorsShown, touched } from "../trade";
import { askForToken } from "./token";

export function toggleTheme(): void {
  const page = document.documentElement;
  const dark = page.dataset.theme
    ? page.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  page.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", page.dataset.theme);
}

export function Header({ onHelp }: { onHelp: () => void }) {
  return (
    <header class="bar">
      <h1 class="brand">
        <span class="mark" />
        Order engine
      </h1>
      <Health />
      <Figures />
      <div class="right">
        <User />
        <nav aria-label="Pages">
          <a href={new URL("docs", new URL("..", import.meta.url)).pathname}>Docs</a>
        </nav>
        <button
          type="button"
          class="quiet square"
          onClick={toggleTheme}
          aria-label="Dark or light"
          title="Dark or light (t)"
        >
          ☾
        </button>
        <button
          type="button"
          class="quiet square"
          onClick={onHelp}
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
        >
          ?
        </button>
      </div>
    </header>
  );
}

function Health() {
  const since = unreachableSince.value;
  if (since !== null)
    return (
      <p class="health bad" role="status">
        <span class="dot" />
        offline since {clock(new Date(since).toISOString())}
      </p>
    );
  const known = health.value;
  if (!known)
    return (
      <p class="health">
        <span class="dot" />…
      </p>
    );
  const checks = Object.entries(known.checks);
  const short: Record<string, string> = { database: "db" };
  return (
    <p class={`health ${known.ok ? "good" : "bad"}`} role="status">
      <span class="dot" />
      {known.ok ? "healthy" : "degraded"}
      {checks.map(([name, check]) => (
        <span key={name} class="check">
          {short[name] ?? name} {check.ok ? `${check.milliseconds} ms` : "down"}
        </span>
      ))}
    </p>
  );
}

function Figures() {
  const known = stats.value;
  if (!known?.orders) return null;
  const total = known.stages.find((stage) => stage.stage === "total");
  return (
    <p class="figures">
      open {known.open} · p50 {total ? seconds(total.p50Ms) : "–"} · failed {known.failedPct} %
    </p>
  );
}

function User() {
  const error = errorsShown.value.user;
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current && document.activeElement !== box.current) box.current.value = form.value.user;
  });
  if (wantsToken.value) {
    const who = claims.value;
    const left = who?.exp ? Math.round((who.exp * 1000 - now.value) / 60_000) : null;
    return (
      <button type="button" class="quiet user" onClick={askForToken} title={who ? visible(who.sub) : ""}>
        {who ? <bdi class="name">{visible(who.sub)}</bdi> : "Sign in"}
        {left !== null && left < 15 ? (
          <span class="soon"> {left < 0 ? "expired" : `${left} min`}</span>
        ) : null}
      </button>
    );
  }
  return (
    <label class="user">
      <span>User</span>
      <input
        ref={box}
        id="user"
        autocomplete="off"
        spellcheck={false}
        aria-invalid={error ? true : undefined}
        aria-describedby={error ? "user-error" : undefined}
        onInput={(event) => change({ user: event.currentTarget.value })}
        onBlur={() => {
          touched.value = new Set([...touched.value, "user"]);
        }}
      />
      {error ? (
        <span id="user-error" class="error">
          {error}
        </span>
      ) : null}
    </label>
  );
}

/** The word about the connection, beside the list that it keeps true. */
export function LinkStatus() {
  const words = {
    live: "live",
    connecting: "connecting …",
    polling: "no WebSocket: asking every 2 s",
    offline: "offline: what is shown may be old",
  } as const;
  return (
    <span class={`link ${link.value}`} role="status">
      {words[link.value]}
    </span>
  );
}
