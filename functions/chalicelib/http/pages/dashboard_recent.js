// Recent orders of the user in the form.
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
  try {
    page = await api("GET", `api/orders?${query}`);
  } catch (problem) {
    if (ticket === asked) explain(problem);
    return;
  }
  // A later question has been asked meanwhile: its answer counts.
  if (ticket !== asked) return;
  cursor = page.nextCursor;
  const rows = page.orders.map(row);
  if (older) at("recent").append(...rows);
  else at("recent").replaceChildren(...rows);
  show(at("more"), Boolean(cursor));
  show(at("none"), !at("recent").children.length);
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

at("refresh").addEventListener("click", () => recent());
at("more").addEventListener("click", () => recent(true));
at("only").addEventListener("change", () => recent());
field("userId").addEventListener("change", () => recent());

recent();
