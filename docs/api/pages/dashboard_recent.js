// Recent orders of the user in the form.
let cursor = null;
let requestId = 0;

async function recent(older = false) {
  const user = field("userId").value;
  const id = ++requestId;
  byId("user-label").textContent = user || "everybody";
  const query = new URLSearchParams({ limit: "10" });
  if (user) query.set("userId", user);
  if (byId("status-filter").value) query.set("status", byId("status-filter").value);
  if (older && cursor) query.set("cursor", cursor);
  let page;
  try {
    page = await api("GET", `api/orders?${query}`);
  } catch (problem) {
    if (id === requestId) explain(problem);
    return;
  }
  // A later question has been asked meanwhile: its answer counts.
  if (id !== requestId) return;
  cursor = page.nextCursor;
  const rows = page.orders.map(row);
  if (older) byId("recent").append(...rows);
  else byId("recent").replaceChildren(...rows);
  show(byId("more"), Boolean(cursor));
  show(byId("none"), !byId("recent").children.length);
}

function row(order) {
  const open = make("button", { type: "button", text: short(order.orderId), title: order.orderId });
  open.addEventListener("click", () => follow(order.orderId));
  return make(
    "tr",
    { class: following && following.orderId === order.orderId ? "here" : "" },
    make("td", {
      text: new Date(order.createdAt).toLocaleString([], { dateStyle: "short", timeStyle: "medium", hour12: false }),
    }),
    make("td", {}, open),
    make("td", {
      class: "number",
      text: `${order.amount} ${order.side === "sell" ? order.inputToken : order.outputToken}`,
    }),
    make("td", { text: `${order.side} ${order.inputToken} → ${order.outputToken}` }),
    make("td", { text: order.chosenDex || "–" }),
    make("td", { class: "number", text: order.executedPrice || "–" }),
    make("td", {}, make("span", { class: `pill ${order.status}`, text: order.status })),
  );
}

byId("refresh").addEventListener("click", () => recent());
byId("more").addEventListener("click", () => recent(true));
byId("status-filter").addEventListener("change", () => recent());
field("userId").addEventListener("change", () => recent());

recent();
