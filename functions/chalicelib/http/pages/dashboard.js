"use strict";
(() => {
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  // Where the API hangs: "/" behind the front door, "/live/" on AWS.
  const base = location.pathname.endsWith("/") ? location.pathname : `${location.pathname}/`;
  const websocketUrl = document.querySelector('meta[name="websocket-url"]').content;
  const STEPS = ["pending", "routing", "building", "submitted", "confirmed"];
  const OVER = new Set(["confirmed", "failed", "cancelled"]);
  const CANCELLABLE = new Set(["pending", "routing", "building"]);
  // Heartbeats come every 30 s: twice that without a word and the connection is dead.
  const SILENCE = 70_000;

  // Everything that comes from outside is set as text, never as HTML.
  function make(tag, options = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === "class") node.className = value; else if (name === "text") node.textContent = value; else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  const show = (node, visible) => { node.hidden = !visible; };
  const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
  const short = (text, length = 14) => (text.length > length ? `${text.slice(0, 8)}…${text.slice(-5)}` : text);
  const money = (view) => (view ? `${view.amount} ${view.token}` : "–");

  async function api(method, path, body, headers = {}) {
    const options = { method, headers: { ...headers } };
    if (body) { options.body = JSON.stringify(body); options.headers["Content-Type"] = "application/json"; }
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

  // ------------------------------------------------------------------ the form
  const form = at("order");
  const field = (name) => form.elements.namedItem(name);
  field("outputToken").value = "USDC";

  function wish() {
    const percent = field("slippage").value.trim();
    // Moves the point by text: 0.29 * 100 is not 29.
    const bps = /^\d{1,2}(\.\d{1,2})?$/.test(percent) ? Number(percent.split(".")[0] + (percent.split(".")[1] || "").padEnd(2, "0")) : percent;
    return {
      inputToken: field("inputToken").value, outputToken: field("outputToken").value,
      side: field("side").value, amount: field("amount").value.trim(), slippageBps: bps,
    };
  }

  function explain(problem) {
    const box = at("problem");
    for (const input of form.elements) input.removeAttribute("aria-invalid");
    box.replaceChildren();
    show(box, Boolean(problem));
    if (!problem) return;
    box.append(problem.detail || problem.title || "Something went wrong.");
    if (problem.errors) {
      const names = { slippageBps: "slippage" };
      box.append(make("ul", {}, ...problem.errors.map((error) => {
        const input = field(names[error.field] || error.field);
        if (input && input.setAttribute) input.setAttribute("aria-invalid", "true");
        return make("li", { text: `${error.field} ${error.message}` });
      })));
    }
  }

  function showQuotes(route) {
    const rows = (quote) => [
      ["In", money(quote.amountIn)], ["Out", money(quote.amountOut)], ["Price", quote.effectivePrice],
      ["Fee", money(quote.fee)], ["Price impact", `${quote.priceImpactPct} %`], field("side").value === "sell" ? ["At least", money(quote.minimumOutput)] : ["At most", money(quote.maximumInput)],
    ].map(([name, value]) => make("div", { class: "row" }, make("span", { text: name }), make("span", { text: value })));
    at("quotes").replaceChildren(
      ...route.quotes.map((quote) => make("div", { class: quote.venue === route.chosenDex ? "quote best" : "quote" },
        make("div", { class: "name", text: quote.venue }), ...rows(quote))),
      ...route.unavailable.map((missing) => make("div", { class: "quote" },
        make("div", { class: "name", text: missing.venue }), make("div", { class: "reason", text: missing.message }))),
      make("p", { class: "reason", text: route.reason }),
    );
  }

  async function guarded(button, work) {
    button.disabled = true;
    try { explain(null); await work(); } catch (problem) { explain(problem); } finally { button.disabled = false; }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(form.querySelector(".main"), async () => {
      const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
      const order = { userId: field("userId").value, walletAddress: field("walletAddress").value, ...wish() };
      const placed = await api("POST", "api/orders/execute", order, { "Idempotency-Key": key });
      at("quotes").replaceChildren();
      follow(placed.orderId, placed.websocketUrl);
    });
  });
  at("ask").addEventListener("click", () => guarded(at("ask"), async () => showQuotes(await api("POST", "api/quotes", wish()))));
  at("turn").addEventListener("click", () => {
    const from = field("inputToken").value;
    field("inputToken").value = field("outputToken").value;
    field("outputToken").value = from;
  });
  for (const side of form.querySelectorAll("[name=side]")) {
    side.addEventListener("change", () => { at("amount-label").textContent = side.value === "sell" ? "Spend exactly" : "Receive exactly"; });
  }

  // ------------------------------------------------------------------ the stream
  let following = null;

  function link(state, text) { at("link").className = `link ${state}`; at("link").textContent = text; }

  function follow(orderId, url) {
    if (following) { following.done = true; clearTimeout(following.timer); clearTimeout(following.retry); if (following.socket) following.socket.close(); }
    following = { orderId, url: url || `${websocketUrl}?orderId=${encodeURIComponent(orderId)}`, seen: 0, events: [], order: null, wait: 500, done: false };
    draw();
    connect(following);
    recent();
  }

  function connect(stream) {
    link("", "connecting …");
    const socket = new WebSocket(`${stream.url}&after=${stream.seen}`);
    stream.socket = socket;
    const listen = () => { clearTimeout(stream.timer); stream.timer = setTimeout(() => socket.close(), SILENCE); };
    socket.addEventListener("open", () => { stream.wait = 500; link("open", "live"); listen(); });
    socket.addEventListener("message", ({ data }) => {
      listen();
      const message = JSON.parse(data);
      if (message.type === "heartbeat") { link("open", `live · heartbeat ${clock(message.at)}`); return; }
      if (message.type !== "status" || message.orderId !== stream.orderId || message.sequence <= stream.seen) return;
      stream.seen = message.sequence;
      stream.events.push(message);
      if (message.order) stream.order = message.order;
      draw();
      if (OVER.has(message.status)) recent();
    });
    socket.addEventListener("close", () => {
      clearTimeout(stream.timer);
      if (stream.done) return;
      link("lost", "connection lost, trying again …");
      stream.retry = setTimeout(() => { if (!stream.done) connect(stream); }, stream.wait);
      stream.wait = Math.min(stream.wait * 2, 10_000);
    });
  }

  function draw() {
    const { orderId, events, order } = following;
    show(at("empty"), false);
    show(at("followed"), true);
    const newest = events.at(-1);
    const status = newest ? newest.status : "pending";
    at("order-id").textContent = orderId;
    at("status").textContent = status;
    at("status").className = `pill ${status}`;
    at("what").textContent = order ? `${order.side === "sell" ? "Sell" : "Buy"} ${order.amount} ${order.side === "sell" ? order.inputToken : order.outputToken} ${order.side === "sell" ? "for" : "with"} ${order.side === "sell" ? order.outputToken : order.inputToken}` : "…";
    // Once it is signed, only the chain decides.
    show(at("cancel"), CANCELLABLE.has(status) && events.length > 0 && !(order && order.txHash));
    drawSteps(events, status);
    drawFacts(order, newest);
    at("events").replaceChildren(...events.map((event) => make("li", {},
      make("span", { class: "n", text: String(event.sequence) }), make("time", { datetime: event.at, text: clock(event.at) }),
      make("span", {}, make("span", { class: `pill ${event.status}`, text: event.status })), make("span", { text: event.message }))));
  }

  function drawSteps(events, status) {
    const reached = Math.max(0, ...events.map((event) => STEPS.indexOf(event.status)));
    const stopped = status === "failed" || status === "cancelled";
    at("steps").replaceChildren(...STEPS.map((step, index) => {
      const event = events.findLast((candidate) => candidate.status === step);
      const done = index < reached || status === "confirmed";
      const state = index === reached && stopped ? "bad" : done ? "done" : index === reached ? "now" : "";
      const first = events[0];
      const after = event && first && index ? `+${((new Date(event.at) - new Date(first.at)) / 1000).toFixed(2)} s` : "";
      return make("li", { class: state }, make("b", { text: index === reached && stopped ? status : step }), after);
    }));
  }

  function drawFacts(order, newest) {
    const facts = [];
    if (order) {
      if (order.chosenDex) facts.push(["Venue", order.chosenDex]);
      if (order.route && order.route.spreadBps !== null) facts.push(["Venues differ by", `${(order.route.spreadBps / 100).toFixed(2)} %`]);
      if (order.expectedOutput) facts.push(["Expected", `${order.expectedOutput} ${order.outputToken}`]);
      if (order.side === "sell" && order.minimumOutput) facts.push(["At least", `${order.minimumOutput} ${order.outputToken}`]);
      if (order.side === "buy" && order.maximumInput) facts.push(["Pays at most", `${order.maximumInput} ${order.inputToken}`]);
      if (order.executedPrice) facts.push(["Executed price", order.executedPrice], ["Paid", money(order.executedInput)], ["Received", money(order.executedOutput)], ["Fee", money(order.fee)]);
      if (order.attempts > 1) facts.push(["Attempt", `${order.attempts} of ${order.maxAttempts}`]);
      if (order.txHash) facts.push(["Transaction", order.txHash, "long"]);
    }
    if (newest && newest.error) facts.push(["Error", `${newest.error.code}: ${newest.error.message}`, "long"]);
    at("facts").replaceChildren(...facts.map(([name, value, kind]) => make("div", { class: kind || "" }, make("dt", { text: name }), make("dd", { class: kind ? "mono" : "", text: value }))));
  }

  at("cancel").addEventListener("click", () => guarded(at("cancel"), () => api("POST", `api/orders/${encodeURIComponent(following.orderId)}/cancel`)));

  // ------------------------------------------------------------------ recent orders
  let cursor = null;
  let asked = 0;

  async function recent(older = false) {
    const user = field("userId").value;
    const ticket = ++asked;
    at("whose").textContent = user || "everybody";
    const query = new URLSearchParams({ limit: "10" });
    if (user) query.set("userId", user);
    if (at("only").value) query.set("status", at("only").value);
    if (older && cursor) query.set("cursor", cursor);
    let page;
    try { page = await api("GET", `api/orders?${query}`); } catch (problem) { if (ticket === asked) explain(problem); return; }
    // A later question has been asked meanwhile: its answer counts.
    if (ticket !== asked) return;
    cursor = page.nextCursor;
    const rows = page.orders.map(row);
    if (older) at("recent").append(...rows); else at("recent").replaceChildren(...rows);
    show(at("more"), Boolean(cursor));
    show(at("none"), !at("recent").children.length);
  }

  function row(order) {
    const open = make("button", { type: "button", text: short(order.orderId), title: order.orderId });
    open.addEventListener("click", () => follow(order.orderId));
    return make("tr", { class: following && following.orderId === order.orderId ? "here" : "" },
      make("td", { text: new Date(order.createdAt).toLocaleString([], { dateStyle: "short", timeStyle: "medium", hour12: false }) }),
      make("td", {}, open),
      make("td", { class: "number", text: `${order.amount} ${order.side === "sell" ? order.inputToken : order.outputToken}` }),
      make("td", { text: `${order.side} ${order.inputToken} → ${order.outputToken}` }),
      make("td", { text: order.chosenDex || "–" }),
      make("td", { class: "number", text: order.executedPrice || "–" }),
      make("td", {}, make("span", { class: `pill ${order.status}`, text: order.status })));
  }

  at("refresh").addEventListener("click", () => recent());
  at("more").addEventListener("click", () => recent(true));
  at("only").addEventListener("change", () => recent());
  field("userId").addEventListener("change", () => recent());

  // ------------------------------------------------------------------ light and dark
  const kept = localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
  at("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });

  recent();
})();
