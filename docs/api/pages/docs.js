(() => {
  for (const block of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.className = "quiet";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => {
        button.textContent = "Copy";
      }, 1500);
    });
    if (navigator.clipboard) block.append(button);
  }
  // On a phone the contents are a line that opens.
  const contents = document.querySelector(".contents");
  const narrow = matchMedia("(max-width: 860px)");
  const fold = () => {
    contents.open = !narrow.matches;
  };
  narrow.addEventListener("change", fold);
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a")) fold();
  });
  fold();
  // The examples name the address that this page came from.
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  for (const place of document.querySelectorAll(".base")) place.textContent = base;

  // One language everywhere, also at the next visit.
  const speak = (language) => {
    for (const samples of document.querySelectorAll(".samples")) {
      if (!samples.querySelector(`pre[data-language="${language}"]`)) continue;
      for (const code of samples.querySelectorAll("pre")) code.hidden = code.dataset.language !== language;
      for (const button of samples.querySelectorAll(".languages button"))
        button.setAttribute("aria-pressed", String(button.dataset.language === language));
    }
  };
  const kept = { get: () => null, set: () => {} };
  try {
    const storage = window.localStorage;
    kept.get = () => storage.getItem("docs-language");
    kept.set = (language) => storage.setItem("docs-language", language);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
  for (const button of document.querySelectorAll(".languages button"))
    button.addEventListener("click", () => {
      const before = button.getBoundingClientRect().top;
      speak(button.dataset.language);
      scrollBy(0, button.getBoundingClientRect().top - before);
      kept.set(button.dataset.language);
    });
  if (["curl", "Python", "TypeScript"].includes(kept.get())) speak(kept.get());

  // Makes the call at this service.
  const token = document.getElementById("token");
  token.closest("form").hidden = false;
  token.closest("form").addEventListener("submit", (event) => event.preventDefault());
  const fill = (form) => {
    const request = { path: form.dataset.path, query: new URLSearchParams(), headers: {}, body: undefined };
    for (const field of form.querySelectorAll("[data-in]")) {
      const { in: where, name } = field.dataset;
      if (where === "body") request.body = field.value;
      else if (where === "path") request.path = request.path.replace(`{${name}}`, encodeURIComponent(field.value.trim()));
      else if (field.value && where === "query") request.query.set(name, field.value);
      else if (field.value && where === "header") request.headers[name] = field.value;
    }
    if (request.body !== undefined) request.headers["Content-Type"] = "application/json";
    if (token.value) request.headers.Authorization = `Bearer ${token.value.trim()}`;
    return request;
  };
  const readable = (text) => {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  };
  for (const form of document.querySelectorAll("form.try")) {
    const state = form.querySelector("[role=status]");
    const result = form.querySelector(".result");
    const send = form.querySelector("[type=submit]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { path, query, headers, body } = fill(form);
      const started = performance.now();
      send.disabled = true;
      state.textContent = "Waiting for the answer …";
      try {
        const address = `${base}${path}${query.size ? `?${query}` : ""}`;
        const limit = AbortSignal.timeout(35_000);
        const answer = await fetch(address, { method: form.dataset.method, headers, body, signal: limit });
        const text = await answer.text();
        const took = Math.round(performance.now() - started);
        state.textContent = `${answer.status} ${answer.statusText} after ${took} ms · request ${answer.headers.get("X-Request-Id")}`;
        result.querySelector("code").textContent = readable(text);
        result.hidden = !text;
      } catch (error) {
        state.textContent = `No answer: ${error.name === "TimeoutError" ? "it took more than 35 s" : error.message}.`;
        result.hidden = true;
      }
      send.disabled = false;
    });
  }

  // What a link leads to is opened.
  const reveal = () => {
    const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (target?.matches(".model")) target.querySelector("details").open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Each word has to stand somewhere in a call or a model.
  const search = document.getElementById("search");
  search.closest("search").hidden = false;
  const entries = [...document.querySelectorAll("article, tbody tr")]
    .filter((each) => each.matches("article") || !each.closest("article"))
    .map((entry) => ({ entry, text: entry.textContent.toLowerCase() }));
  const found = document.getElementById("found");
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { entry, text } of entries) {
      const matches = words.every((word) => text.includes(word));
      entry.hidden = !matches;
      count += matches ? 1 : 0;
    }
    found.textContent = words.length ? `${count} of ${entries.length}` : "";
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea")) return;
    event.preventDefault();
    search.focus();
  });
  const links = new Map([...document.querySelectorAll(".side a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
      const first = [...links.keys()].find((id) => seen.has(id));
      for (const [id, link] of links) link.classList.toggle("here", id === first);
    },
    { rootMargin: "-60px 0px -55% 0px" },
  );
  for (const id of links.keys()) {
    const target = document.getElementById(id);
    if (target) watcher.observe(target);
  }
})();
