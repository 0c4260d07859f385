// What all parts of the dashboard use, and the form.
const byId = (id) => document.getElementById(id);
// Where the API hangs: "/" behind the front door, "/live/" on AWS.
const base = location.pathname.endsWith("/") ? location.pathname : `${location.pathname}/`;
const websocketUrl = document.querySelector('meta[name="websocket-url"]').content;
// ORDER_STATES comes from the domain's state machine: docs/api/generate.py writes it in front of this.
const STEPS = ORDER_STATES.steps;
const OVER = new Set(ORDER_STATES.over);
const CANCELLABLE = new Set(ORDER_STATES.cancellable);
// Heartbeats come every 30 s: twice that without a word and the connection is dead.
const SILENCE = 70_000;

// Everything that comes from outside is set as text, never as HTML.
function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
const show = (node, visible) => {
  node.hidden = !visible;
};
const clock = (iso) =>
  new Date(iso).toLocaleTimeString([], {
    hour12: false,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  });
const short = (text, length = 14) => (text.length > length ? `${text.slice(0, 8)}…${text.slice(-5)}` : text);
const money = (view) => (view ? `${view.amount} ${view.token}` : "–");

async function api(method, path, body, headers = {}) {
  const options = { method, headers: { ...headers } };
  if (body) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(base + path, options);
  } catch {
    throw { detail: "The service cannot be reached. Is it running?" };
  }
  const content = await answer.json().catch(() => ({ detail: `The service answered ${answer.status}.` }));
  if (!answer.ok) throw content;
  return content;
}

const form = byId("order");
const field = (name) => form.elements.namedItem(name);
field("outputToken").value = "USDC";

function newOrder() {
  const percent = field("slippage").value.trim();
  // Moves the point by text: 0.29 * 100 is not 29.
  const bps = /^\d{1,2}(\.\d{1,2})?$/.test(percent)
    ? Number(percent.split(".")[0] + (percent.split(".")[1] || "").padEnd(2, "0"))
    : percent;
  return {
    inputToken: field("inputToken").value,
    outputToken: field("outputToken").value,
    side: field("side").value,
    amount: field("amount").value.trim(),
    slippageBps: bps,
  };
}

function explain(problem) {
  const box = byId("problem");
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  box.replaceChildren();
  show(box, Boolean(problem));
  if (!problem) return;
  box.append(problem.detail || problem.title || "Something went wrong.");
  if (problem.errors) {
    const names = { slippageBps: "slippage" };
    box.append(
      make(
        "ul",
        {},
        ...problem.errors.map((error) => {
          const input = field(names[error.field] || error.field);
          if (input && input.setAttribute) input.setAttribute("aria-invalid", "true");
          return make("li", { text: `${error.field} ${error.message}` });
        }),
      ),
    );
  }
}

function showQuotes(route) {
  const rows = (quote) =>
    [
      ["In", money(quote.amountIn)],
      ["Out", money(quote.amountOut)],
      ["Price", quote.effectivePrice],
      ["Fee", money(quote.fee)],
      ["Price impact", `${quote.priceImpactPct} %`],
      field("side").value === "sell"
        ? ["At least", money(quote.minimumOutput)]
        : ["At most", money(quote.maximumInput)],
    ].map(([name, value]) =>
      make("div", { class: "row" }, make("span", { text: name }), make("span", { text: value })),
    );
  byId("quotes").replaceChildren(
    ...route.quotes.map((quote) =>
      make(
        "div",
        { class: quote.venue === route.chosenDex ? "quote best" : "quote" },
        make("div", { class: "name", text: quote.venue }),
        ...rows(quote),
      ),
    ),
    ...route.unavailable.map((missing) =>
      make(
        "div",
        { class: "quote" },
        make("div", { class: "name", text: missing.venue }),
        make("div", { class: "reason", text: missing.message }),
      ),
    ),
    make("p", { class: "reason", text: route.reason }),
  );
}

async function guarded(button, work) {
  button.disabled = true;
  try {
    explain(null);
    await work();
  } catch (problem) {
    explain(problem);
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(form.querySelector(".main"), async () => {
    const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    const order = { userId: field("userId").value, walletAddress: field("walletAddress").value, ...newOrder() };
    const placed = await api("POST", "api/orders/execute", order, { "Idempotency-Key": key });
    byId("quotes").replaceChildren();
    follow(placed.orderId, placed.websocketUrl);
  });
});
byId("ask").addEventListener("click", () =>
  guarded(byId("ask"), async () => showQuotes(await api("POST", "api/quotes", newOrder()))),
);
byId("swap-tokens").addEventListener("click", () => {
  const from = field("inputToken").value;
  field("inputToken").value = field("outputToken").value;
  field("outputToken").value = from;
});
for (const side of form.querySelectorAll("[name=side]")) {
  side.addEventListener("change", () => {
    byId("amount-label").textContent = side.value === "sell" ? "Spend exactly" : "Receive exactly";
  });
}
