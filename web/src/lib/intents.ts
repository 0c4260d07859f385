// The idempotency key of what the trader wants: made at the first click, kept until there is a definite answer or the
// form says something else, across reloads. One tab's intent is not another's, but a tab that closed in doubt is inherited.

export interface Intent {
  key: string;
  /** The order as it is sent: the same key only ever goes with the same body. */
  body: string;
  at: number;
  tab: string;
}

const STORED = "desk.intents";
const ORPHAN_AFTER_MS = 30_000;
// The service keeps keys for 48 hours.
const FORGOTTEN_AFTER_MS = 47 * 3_600_000;

export interface KeyValueStore {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

export class Intents {
  constructor(
    private readonly store: KeyValueStore,
    private readonly tab: string,
    private readonly newKey: () => string,
    private readonly now: () => number = Date.now,
  ) {}

  /** The intent for this order: the one that is under way where its form is unchanged, else a new one, stored. */
  begin(body: string): Intent {
    const mine = this.mine();
    if (mine?.body === body) return mine;
    const intent = { key: this.newKey(), body, at: this.now(), tab: this.tab };
    this.write([...this.others(), intent]);
    return intent;
  }

  /** What this tab sent and has no definite answer to; where it has none, what a closed tab left behind. */
  unsettled(): Intent | null {
    const mine = this.mine();
    if (mine) return mine;
    const orphan = this.read().find((each) => this.now() - each.at > ORPHAN_AFTER_MS);
    if (!orphan) return null;
    // A copy: should that tab be open after all, both ask for the same order with the same key.
    const adopted = { ...orphan, tab: this.tab };
    this.write([...this.read(), adopted]);
    return adopted;
  }

  /** A definite answer came, or the trader changed the form. */
  settle(): void {
    const key = this.mine()?.key;
    if (key) this.write(this.others().filter((each) => each.key !== key));
  }

  private mine(): Intent | null {
    return this.read().find((each) => each.tab === this.tab) ?? null;
  }

  private others(): Intent[] {
    return this.read().filter((each) => each.tab !== this.tab);
  }

  private read(): Intent[] {
    try {
      const found: unknown = JSON.parse(this.store.getItem(STORED) ?? "[]");
      const all = Array.isArray(found) ? (found as Intent[]) : [];
      return all.filter((each) => each?.key && each.body && this.now() - each.at < FORGOTTEN_AFTER_MS);
    } catch {
      return [];
    }
  }

  private write(all: Intent[]): void {
    this.store.setItem(STORED, JSON.stringify(all));
  }
}
