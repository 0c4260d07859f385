"use strict";
// Before anything is painted: a saved theme never flashes the other one.
try {
  const kept = localStorage.getItem("theme");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch {
  // No storage here: the system's choice stays.
}
