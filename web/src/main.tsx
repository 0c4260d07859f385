// The desk: its parts, the address of what is shown, the keyboard.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { unreachableSince, whenUnauthorized } from "./api";
import { start as startHistory } from "./history";
import { start as startLaunches } from "./launches";
import { start as startLive } from "./live";
import { Header, toggleTheme } from "./parts/header";
import { Help } from "./parts/help";
import { moveSelection, nextTab, Orders } from "./parts/list";
import { Market, Quality } from "./parts/market";
import { addressOf, cancelSelected, OrderPane, Wire } from "./parts/order";
import { focusAmount, Ticket } from "./parts/ticket";
import { TokenDialog, unauthorized } from "./parts/token";
import { start as startPrices } from "./prices";
import { announcement, selected } from "./state";
import { start as startStats } from "./stats";
import { askQuote, change, start as startTrade } from "./trade";

whenUnauthorized(unauthorized);

function followAddress(): void {
  const found = /^#\/orders\/([^/]+)$/.exec(location.hash);
  let id: string | null = null;
  try {
    id = found?.[1] ? decodeURIComponent(found[1]) : null;
  } catch {
    // An address that is none names no order.
  }
  selected.value = id;
}

const WIDE = matchMedia("(min-width: 2560px)");

function useKeys(help: (open: boolean) => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      if (document.querySelector("dialog[open]")) return;
      if (target?.matches("input, select, textarea")) {
        if (event.key === "Escape") target.blur();
        return;
      }
      const act: Record<string, () => void> = {
        n: focusAmount,
        s: () => change({ action: "sell" }),
        b: () => change({ action: "buy" }),
        r: () => void askQuote(),
        j: () => moveSelection(1),
        k: () => moveSelection(-1),
        o: nextTab,
        "/": () => document.getElementById("search")?.focus(),
        c: () => void cancelSelected(),
        l: () => {
          const id = selected.peek();
          if (id)
            void navigator.clipboard?.writeText(addressOf(id)).then(
              () => {
                announcement.value = "Link copied.";
              },
              () => {},
            );
        },
        t: toggleTheme,
        "?": () => help(true),
      };
      const found = act[event.key];
      if (!found) return;
      event.preventDefault();
      found();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [help]);
}

function Desk() {
  const [help, setHelp] = useState(false);
  const [wide, setWide] = useState(WIDE.matches);
  useKeys(setHelp);
  useEffect(() => {
    const changed = () => setWide(WIDE.matches);
    WIDE.addEventListener("change", changed);
    return () => WIDE.removeEventListener("change", changed);
  }, []);
  return (
    <>
      <Header onHelp={() => setHelp(true)} />
      {unreachableSince.value === null ? null : (
        <p class="outage" role="alert">
          The service can't be reached. What is shown may be old; this page goes on by itself as soon as it
          answers.
        </p>
      )}
      <main class="board">
        <Ticket />
        <OrderPane />
        {wide ? <Wire /> : null}
        <Orders />
        <div class="middle">
          <Market />
          <Quality />
        </div>
      </main>
      <p class="hidden" role="status" aria-live="polite">
        {announcement.value}
      </p>
      <Help open={help} onClose={() => setHelp(false)} />
      <TokenDialog />
    </>
  );
}

window.addEventListener("hashchange", followAddress);
followAddress();
const place = document.getElementById("desk");
if (place) {
  place.replaceChildren();
  render(<Desk />, place);
}
startTrade();
startPrices();
startLive();
startHistory();
startStats();
startLaunches();
