// Looks for payloads in a stream of bytes: each behind the one before, with anything between (Envoy's "fuzzy"
// match). Keeps no more of the stream than the beginning of a payload that may go on with the next bytes.

const EMPTY = Buffer.alloc(0);

/** One per response; `add` its bytes as they come. */
export class PayloadSearch {
  readonly #payloads: readonly Uint8Array[];
  /** How many were found. */
  #found = 0;
  /** Last bytes, copied, shorter than the payload that is looked for. */
  #tail: Buffer = EMPTY;

  constructor(payloads: readonly Uint8Array[]) {
    this.#payloads = payloads;
  }

  /** True once all were found; nothing to find is found at once. */
  isComplete(): boolean {
    return this.#found === this.#payloads.length;
  }

  add(data: Buffer): void {
    if (this.isComplete()) return;
    const bytes = this.#tail.length === 0 ? data : Buffer.concat([this.#tail, data]);
    let from = 0;
    for (; !this.isComplete(); this.#found++) {
      const payload = this.#payloads[this.#found]!; // not complete
      const at = bytes.indexOf(payload, from);
      if (at === -1) {
        const start = Math.max(from, bytes.length - payload.length + 1);
        this.#tail = Buffer.from(bytes.subarray(start));
        return;
      }
      from = at + payload.length;
    }
    this.#tail = EMPTY;
  }

  /** For the next response. */
  reset(): void {
    this.#found = 0;
    this.#tail = EMPTY;
  }
}
