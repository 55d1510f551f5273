// Compares what a server answered to a stream of requests with the requests that are in it.

import type { Conversation } from './conversation.ts';
import { SENTINEL_ECHO } from './echo.ts';

export type Verdict =
  /** Saw exactly these requests. */
  | { readonly kind: 'same' }
  /** Saw no other boundaries, but refused a request (and perhaps closed the connection with it). */
  | { readonly kind: 'refused'; readonly statuses: readonly number[] }
  /** Saw other requests than are there, or waits for more of one that is whole. */
  | { readonly kind: 'different'; readonly reason: string };

/** `isWhole`: the stream ends with a request's end, and the sentinel was sent behind it. */
export function judge(
  expected: readonly string[],
  isWhole: boolean,
  { answers, closed }: Conversation,
): Verdict {
  const all = isWhole ? [...expected, SENTINEL_ECHO] : expected;
  const refusals: number[] = [];
  for (const [i, { status, echo }] of answers.entries()) {
    if (echo === null) {
      // An answer of the server's own takes the place of one request. A part of one may be refused as well, and twice:
      // Node says 417 to its head and 400 to its end.
      if (i >= all.length && isWhole) return different(`${status} for a request that is not there`);
      refusals.push(status);
    } else if (i >= all.length) return different(`saw one more: ${echo}`);
    else if (!isSame(echo, all[i] ?? '')) return different(`saw '${echo}' instead of '${all[i]}'`);
  }
  if (isWhole && answers.length < all.length) {
    if (!closed)
      return different(`waits for more after ${answers.length} of ${all.length} answers`);
    // Closing without a word is a refusal as well.
    if (refusals.length === 0) return { kind: 'refused', statuses: [0] };
  }
  return refusals.length === 0 ? { kind: 'same' } : { kind: 'refused', statuses: refusals };
}

/** Servers may tidy a path up (dot segments, slashes, needless escapes); all else must be equal. */
export function isSame(echo: string, expected: string): boolean {
  return echo === expected || tidied(echo) === tidied(expected);
}

function tidied(echo: string): string {
  const [method = '', target = '', ...body] = echo.split(' ');
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  const segments: string[] = [];
  for (const segment of unescaped(path).split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  const rest = query === -1 ? '' : unescaped(target.slice(query));
  return [method, `/${segments.join('/')}${rest}`, ...body].join(' ');
}

function unescaped(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function different(reason: string): Verdict {
  return { kind: 'different', reason };
}
