// The `date` header's text, made once per second (RFC 9110 5.6.7: IMF-fixdate, whole seconds).

import type { Clock } from '../../common/clock.ts';

/** One per connection manager config. */
export class DateHeader {
  readonly #clock: Clock;
  #second: number;
  #text: string;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#second = -1;
    this.#text = '';
  }

  text(): string {
    const wallMs = this.#clock.wallMs();
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toUTCString();
    }
    return this.#text;
  }
}
