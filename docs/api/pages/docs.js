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
  // The examples name the address that this page came from.
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  for (const place of document.querySelectorAll(".base")) place.textContent = base;
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
