// The order that is followed: its stream, and what is shown of it.
let following = null;

function link(state, text) {
  byId("link").className = `link ${state}`;
  byId("link").textContent = text;
}

function follow(orderId, url) {
  if (following) {
    following.done = true;
    clearTimeout(following.timer);
    clearTimeout(following.retry);
    if (following.socket) following.socket.close();
  }
  following = {
    orderId,
    url: url || `${websocketUrl}?orderId=${encodeURIComponent(orderId)}`,
    seen: 0,
    events: [],
    order: null,
    wait: 500,
    done: false,
  };
  draw();
  connect(following);
  recent();
}

function connect(stream) {
  link("", "connecting …");
  const socket = new WebSocket(`${stream.url}&after=${stream.seen}`);
  stream.socket = socket;
  const listen = () => {
    clearTimeout(stream.timer);
    stream.timer = setTimeout(() => socket.close(), SILENCE);
  };
  socket.addEventListener("open", () => {
    stream.wait = 500;
    link("open", "live");
    listen();
  });
  socket.addEventListener("message", ({ data }) => {
    listen();
    const message = JSON.parse(data);
    if (message.type === "heartbeat") {
      link("open", `live · heartbeat ${clock(message.at)}`);
      return;
    }
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
    stream.retry = setTimeout(() => {
      if (!stream.done) connect(stream);
    }, stream.wait);
    stream.wait = Math.min(stream.wait * 2, 10_000);
  });
}

function draw() {
  const { orderId, events, order } = following;
  show(byId("empty"), false);
  show(byId("followed"), true);
  const newest = events.at(-1);
  const status = newest ? newest.status : "pending";
  byId("order-id").textContent = orderId;
  byId("status").textContent = status;
  byId("status").className = `pill ${status}`;
  byId("what").textContent = order
    ? `${order.side === "sell" ? "Sell" : "Buy"} ${order.amount} ${order.side === "sell" ? order.inputToken : order.outputToken} ${order.side === "sell" ? "for" : "with"} ${order.side === "sell" ? order.outputToken : order.inputToken}`
    : "…";
  // Once it is signed, only the chain decides.
  show(byId("cancel"), CANCELLABLE.has(status) && events.length > 0 && !(order && order.txHash));
  drawSteps(events, status);
  drawFacts(order, newest);
  byId("events").replaceChildren(
    ...events.map((event) =>
      make(
        "li",
        {},
        make("span", { class: "n", text: String(event.sequence) }),
        make("time", { datetime: event.at, text: clock(event.at) }),
        make("span", {}, make("span", { class: `pill ${event.status}`, text: event.status })),
        make("span", { text: event.message }),
      ),
    ),
  );
}

function drawSteps(events, status) {
  const reached = Math.max(0, ...events.map((event) => STEPS.indexOf(event.status)));
  const stopped = status === "failed" || status === "cancelled";
  byId("steps").replaceChildren(
    ...STEPS.map((step, index) => {
      const event = events.findLast((candidate) => candidate.status === step);
      const done = index < reached || status === "confirmed";
      const state = index === reached && stopped ? "bad" : done ? "done" : index === reached ? "now" : "";
      const first = events[0];
      const after =
        event && first && index ? `+${((new Date(event.at) - new Date(first.at)) / 1000).toFixed(2)} s` : "";
      return make("li", { class: state }, make("b", { text: index === reached && stopped ? status : step }), after);
    }),
  );
}

function drawFacts(order, newest) {
  const facts = [];
  if (order) {
    if (order.chosenDex) facts.push(["Venue", order.chosenDex]);
    if (order.route && order.route.spreadBps !== null)
      facts.push(["Venues differ by", `${(order.route.spreadBps / 100).toFixed(2)} %`]);
    if (order.expectedOutput) facts.push(["Expected", `${order.expectedOutput} ${order.outputToken}`]);
    if (order.side === "sell" && order.minimumOutput)
      facts.push(["At least", `${order.minimumOutput} ${order.outputToken}`]);
    if (order.side === "buy" && order.maximumInput)
      facts.push(["Pays at most", `${order.maximumInput} ${order.inputToken}`]);
    if (order.executedPrice)
      facts.push(
        ["Executed price", order.executedPrice],
        ["Paid", money(order.executedInput)],
        ["Received", money(order.executedOutput)],
        ["Fee", money(order.fee)],
      );
    if (order.attempts > 1) facts.push(["Attempt", `${order.attempts} of ${order.maxAttempts}`]);
    if (order.txHash) facts.push(["Transaction", order.txHash, "long"]);
  }
  if (newest && newest.error) facts.push(["Error", `${newest.error.code}: ${newest.error.message}`, "long"]);
  byId("facts").replaceChildren(
    ...facts.map(([name, value, kind]) =>
      make(
        "div",
        { class: kind || "" },
        make("dt", { text: name }),
        make("dd", { class: kind ? "mono" : "", text: value }),
      ),
    ),
  );
}

byId("cancel").addEventListener("click", () =>
  guarded(byId("cancel"), () => api("POST", `api/orders/${encodeURIComponent(following.orderId)}/cancel`)),
);
