// Header lists of several shapes, as they follow one another on a connection. For the tests of HPACK.

import fc from 'fast-check';

export type Pair = readonly [name: string, value: string];

const hex = (length: number) =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`), { size: 'max' });
const token = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,20}$/);
const printable = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/);
/** Any byte a value may have, of all code lengths. */
const odd = fc
  .array(
    fc.integer({ min: 0x21, max: 0xff }).filter((code) => code !== 0x7f),
    { maxLength: 40 },
  )
  .map((chars) => String.fromCharCode(...chars));
const long = fc
  .tuple(printable, fc.nat(3000))
  .map(([text, length]) => `${text}${'y'.repeat(length)}`);

const pair = (name: string, value: fc.Arbitrary<string>) => value.map((v): Pair => [name, v]);
const oneOf = (name: string, ...values: string[]) => pair(name, fc.constantFrom(...values));

const browser = fc.tuple(
  oneOf('user-agent', 'Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0 Safari/537.36', 'curl/8.5.0'),
  oneOf('accept', '*/*', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'),
  oneOf('accept-encoding', 'gzip, deflate', 'gzip, deflate, br', 'br'),
  oneOf('accept-language', 'en-US,en;q=0.5', ''),
  oneOf('referer', 'https://shop.example.com/', 'https://shop.example.com/cart'),
  pair('cookie', fc.oneof(hex(32), fc.constant('a=b'))),
);
const call = fc.tuple(
  oneOf('content-type', 'application/grpc', 'application/grpc+proto'),
  oneOf('te', 'trailers'),
  pair(
    'grpc-timeout',
    fc.nat(100).map((n) => `${n}m`),
  ),
  pair(
    'traceparent',
    fc.tuple(hex(32), hex(16)).map(([t, s]) => `00-${t}-${s}-01`),
  ),
  pair('x-request-id', hex(32)),
  pair('authorization', hex(40)),
  pair('x-data-bin', odd),
);
const anything = fc.array(fc.tuple(token, fc.oneof(printable, odd, long)), { maxLength: 12 });
const list: fc.Arbitrary<readonly Pair[]> = fc.oneof(browser, call, anything);
/** Lists of one connection, in order. */
export const story = fc.array(list, { minLength: 1, maxLength: 30 });
/** Sizes of a dynamic table. */
export const tableBytes = fc.constantFrom(0, 33, 64, 200, 1000, 4096, 65536);

/** What an encoder leaves out. */
const leftOut = new Set(
  'connection host http2-settings keep-alive proxy-connection te transfer-encoding upgrade'.split(
    ' ',
  ),
);

/** What of a list is on the wire. */
export function keptFields(pairs: readonly Pair[]): readonly Pair[] {
  return pairs.filter(
    ([name, value]) => !leftOut.has(name) || (name === 'te' && value === 'trailers'),
  );
}
