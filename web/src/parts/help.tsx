import { useEffect, useRef } from "preact/hooks";

export const SHORTCUTS: readonly (readonly [string, string])[] = [
  ["n", "Go to the amount"],
  ["s", "Sell"],
  ["b", "Buy"],
  ["r", "Get a new quote"],
  ["j / k", "Next, previous order"],
  ["o", "All, open, failed orders in turn"],
  ["/", "Search an order"],
  ["c", "Cancel the order that is shown"],
  ["l", "Copy the order's link"],
  ["t", "Dark or light"],
  ["Esc", "Close, or leave a field"],
  ["?", "This page"],
];

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open && dialog.current?.open) dialog.current.close();
  }, [open]);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">Keyboard</h2>
      <dl class="keys">
        {SHORTCUTS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="note">
        Enter in the ticket does what its button says. Prices are what is paid or received after fees. bps:
        hundredths of a percent.
      </p>
      <div class="actions">
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
      </div>
    </dialog>
  );
}
