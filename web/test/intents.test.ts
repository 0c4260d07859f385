import assert from "node:assert/strict";
import { test } from "node:test";
import { Intents, type KeyValueStore } from "../src/lib/intents";

function shelf(): KeyValueStore {
  const kept = new Map<string, string>();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) };
}
function counter(): () => string {
  let made = 0;
  return () => `key-${++made}`;
}

test("the same form keeps its key until it is settled, across a reload too", () => {
  const storage = shelf();
  const keys = counter();
  const before = new Intents(storage, "tab", keys);
  assert.equal(before.begin("A").key, "key-1");
  assert.equal(before.begin("A").key, "key-1");
  const reloaded = new Intents(storage, "tab", keys);
  assert.equal(reloaded.unsettled()?.key, "key-1");
  assert.equal(reloaded.begin("A").key, "key-1");
  reloaded.settle();
  assert.equal(reloaded.unsettled(), null);
  assert.equal(reloaded.begin("A").key, "key-2");
});

test("another form is another intent", () => {
  const intents = new Intents(shelf(), "tab", counter());
  assert.equal(intents.begin("A").key, "key-1");
  assert.equal(intents.begin("B").key, "key-2");
  assert.equal(intents.begin("A").key, "key-3");
});

test("two tabs have a key each, and a closed tab's doubt is inherited with its key", () => {
  const storage = shelf();
  const keys = counter();
  let now = 1_000_000;
  const first = new Intents(storage, "one", keys, () => now);
  const second = new Intents(storage, "two", keys, () => now);
  assert.notEqual(first.begin("A").key, second.begin("A").key);
  second.settle();
  assert.equal(second.unsettled(), null);
  now += 60_000;
  assert.equal(second.unsettled()?.key, "key-1");
  assert.equal(second.begin("A").key, "key-1");
  second.settle();
  assert.equal(first.unsettled(), null);
});

test("what the service has forgotten, or nobody can read, is no intent", () => {
  const storage = shelf();
  let now = 0;
  const intents = new Intents(storage, "tab", counter(), () => now);
  intents.begin("A");
  now = 48 * 3_600_000;
  assert.equal(intents.unsettled(), null);
  storage.setItem("desk.intents", "{broken");
  assert.equal(intents.unsettled(), null);
});
