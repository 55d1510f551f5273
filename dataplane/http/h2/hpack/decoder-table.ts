// The dynamic table of a decoder (RFC 7541 2.3.2): a ring of fields, oldest evicted first. Bounded by the size the
// peer chose within our SETTINGS; strings in it are copies that hold no header block in memory.

import { DEFAULT_TABLE_BYTES, ENTRY_OVERHEAD_BYTES } from './static-table.ts';

const INITIAL_SLOTS = 16;

export class DecoderTable {
  /** Sum of name + value + 32 of the entries. */
  sizeBytes = 0;
  /** Entries; the newest has position 0. */
  count = 0;
  /** What the peer may fill. */
  maxBytes = DEFAULT_TABLE_BYTES;

  // Entries by slot. The newest stands in slot #next - 1; lengths are powers of two.
  names: string[] = new Array<string>(INITIAL_SLOTS).fill('');
  values: string[] = new Array<string>(INITIAL_SLOTS).fill('');
  /** What the decoder wants to remember of the entry. */
  flags = new Uint8Array(INITIAL_SLOTS);
  #next = 0;
  #mask = INITIAL_SLOTS - 1;

  /** Where the entry stands that has `position`; -1 = there is none. */
  slot(position: number): number {
    return position < this.count ? (this.#next - 1 - position) & this.#mask : -1;
  }

  /** RFC 7541 4.3: evicts what does not fit; 0 empties the table. */
  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /**
   * Makes room for an entry; false = it is larger than the table, which is empty now (RFC 7541 4.4, not an error).
   * `true` is to be followed by add.
   */
  reserve(nameBytes: number, valueBytes: number): boolean {
    const entryBytes = nameBytes + valueBytes + ENTRY_OVERHEAD_BYTES;
    if (entryBytes > this.maxBytes) {
      this.#evictTo(0);
      return false;
    }
    this.#evictTo(this.maxBytes - entryBytes);
    return true;
  }

  /** Adds the entry that `reserve` made room for; both are latin1. */
  add(name: string, value: string, flags: number): void {
    if (this.count > this.#mask) this.#grow();
    const slot = this.#next & this.#mask;
    this.names[slot] = name;
    this.values[slot] = value;
    this.flags[slot] = flags;
    this.#next = (this.#next + 1) & 0x3fffffff;
    this.count++;
    this.sizeBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
  }

  #evictTo(bytes: number): void {
    while (this.sizeBytes > bytes) {
      const slot = (this.#next - this.count) & this.#mask;
      this.sizeBytes -= this.names[slot]!.length + this.values[slot]!.length + ENTRY_OVERHEAD_BYTES;
      this.names[slot] = '';
      this.values[slot] = '';
      this.count--;
    }
  }

  #grow(): void {
    const slots = 2 * (this.#mask + 1);
    const names = new Array<string>(slots).fill('');
    const values = new Array<string>(slots).fill('');
    const flags = new Uint8Array(slots);
    for (let i = 0; i < this.count; i++) {
      const slot = this.slot(this.count - 1 - i);
      names[i] = this.names[slot]!;
      values[i] = this.values[slot]!;
      flags[i] = this.flags[slot]!;
    }
    this.names = names;
    this.values = values;
    this.flags = flags;
    this.#mask = slots - 1;
    this.#next = this.count;
  }
}
