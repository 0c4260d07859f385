// What several parts of the desk use.
import { useState } from "preact/hooks";
import { visible } from "../lib/text";
import { announcement } from "../state";

/** Text from outside: isolated, so that it can't turn its surroundings around, and whole in the title. */
export function ForeignText({ text, class: kind }: { text: string; class?: string }) {
  return (
    <bdi class={`outside ${kind ?? ""}`} title={visible(text)}>
      {visible(text)}
    </bdi>
  );
}

export function Copy({ text, label, what }: { text: string; label: string; what: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      announcement.value = `${what} copied.`;
      setTimeout(() => setDone(false), 1_500);
    } catch {
      announcement.value = `The browser did not let ${what} be copied.`;
    }
  };
  return (
    <button type="button" class="quiet" onClick={copy} aria-label={`Copy ${what}`}>
      {done ? "Copied" : label}
    </button>
  );
}

export function Pill({ status }: { status: string }) {
  return <span class={`pill ${status}`}>{status}</span>;
}
