// The Mersenne Twister (Matsumoto and Nishimura 1998, 32 bits). Only because Envoy's bounded load shuffles hosts with
// it: the same hash must give the same order here.

const SIZE = 624;
const MIDDLE = 397;

/** See the file head. `seed()` begins a sequence; one object may serve many, one after the other. */
export class Mt19937 {
  readonly #state = new Int32Array(SIZE);
  #at = SIZE;

  seed(value: number): void {
    const state = this.#state;
    state[0] = value;
    for (let i = 1; i < SIZE; i++) {
      const before = state[i - 1]!;
      state[i] = Math.imul(1_812_433_253, before ^ (before >>> 30)) + i;
    }
    this.#at = SIZE;
  }

  /** 32 bits, unsigned. */
  next(): number {
    if (this.#at === SIZE) this.#twist();
    let value = this.#state[this.#at++]!;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const joined = (state[i]! & 0x80000000) | (state[(i + 1) % SIZE]! & 0x7fffffff);
      const half = joined >>> 1;
      state[i] = state[(i + MIDDLE) % SIZE]! ^ ((joined & 1) === 0 ? half : half ^ 0x9908b0df);
    }
    this.#at = 0;
  }
}
