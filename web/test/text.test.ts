import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "../src/lib/csv";
import { seconds, shortId, visible } from "../src/lib/text";

test("what turns text around, or hides in it, is written out", () => {
  assert.equal(visible("\u202eevil"), "⟨U+202E⟩evil");
  assert.equal(visible("a\u200bb\u2066c\u0000"), "a⟨U+200B⟩b⟨U+2066⟩c⟨U+0000⟩");
  assert.equal(visible("ünï-🙂 ok"), "ünï-🙂 ok");
});

test("a spreadsheet can't take a cell for a formula", () => {
  assert.equal(
    csv([["=1+1", "+x", "-17", "@a", "\t=2", " =3", 'say "hi", now', null, -4, "|cmd", "plain"]]),
    `"'=1+1","'+x",-17,"'@a","'\t=2","' =3","say ""hi"", now",,-4,"'|cmd",plain\r\n`,
  );
});

test("a cut id says so and keeps its end", () => {
  assert.equal(shortId("ord_01a204c64413fd1a280443da018382e2"), "ord_…018382e2");
  assert.equal(shortId("ord_1"), "ord_1");
});

test("times have the unit that people read", () => {
  assert.equal(seconds(12.4), "12 ms");
  assert.equal(seconds(3_612), "3.61 s");
  assert.equal(seconds(61_240), "61.2 s");
  assert.equal(seconds(125_000), "2 min 5 s");
});
