// Feeds bytes to a codec harness whole or in pieces and tells what came out as one text: heads, body bytes, trailers,
// errors, what was written and whether the connection was closed. The same bytes must give the same text for any cut.

import { ConnectionEvent } from '../../dataplane/api/connection.ts';
import { RequestHeaders } from '../../dataplane/api/headers.ts';
import { ClientHarness, type RecordedResponse, ServerHarness } from '../fakes/http1.ts';
import type { SeededRandom } from './random.ts';

/** Positions to cut at: every one, or a few at random places. */
export function everyCut(length: number): number[] {
  return Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
}

export function randomCuts(length: number, random: SeededRandom): number[] {
  const at: number[] = [];
  // At most some hundred pieces: a large head in tiny ones is slow (it is joined again for each) and shows no more.
  const least = 1 + Math.floor(length / 300);
  const step = 1 + random.below(random.oneIn(2) ? 7 : 1 + length);
  for (let pos = least + random.below(step); pos < length; pos += least + random.below(step)) {
    at.push(pos);
  }
  return at;
}

/** `bytes` cut there. */
export function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  let from = 0;
  return [...cuts, bytes.length].map((to) => {
    // A copy: a codec may move bytes inside of what it was given.
    const piece = Buffer.from(bytes.subarray(from, to));
    from = to;
    return piece;
  });
}

/**
 * Comes behind every input: a codec may put off judging a line until its end has come, so an input that stops in the
 * middle of a head has no result yet.
 */
const LINE_END = Buffer.from('\r\n\r\n', 'latin1');

/** A pipelined request waits for the next turn of the loop, so turns are taken until nothing comes any more. */
async function settle(progress: () => number): Promise<void> {
  for (let before = -1, now = progress(); before !== now; now = progress()) {
    before = now;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** For what a codec wrote itself: it may have added lines of its own to a head that was at the limit. */
export const ROOMY = { maxHeadersCount: 110, maxRequestHeadersKb: 64, maxResponseHeadersKb: 84 };

export async function feedServer(
  bytes: Buffer,
  cuts: readonly number[],
  settleBetween: boolean,
  limits: Partial<typeof ROOMY> = {},
): Promise<ServerHarness> {
  const harness = new ServerHarness({
    acceptHttp10: true,
    defaultHostForHttp10: 'old.test',
    ...limits,
  });
  const progress = () => harness.requests.length + harness.errors.length;
  for (const piece of pieces(bytes, cuts)) {
    harness.codec.dispatch(piece, false);
    if (settleBetween) await settle(progress);
  }
  harness.codec.dispatch(Buffer.from(LINE_END), false);
  await settle(progress);
  return harness;
}

/** As text; `HEAD` to `method` gives the response to a HEAD request. Ends with an orderly close by the upstream. */
export function feedClient(
  bytes: Buffer,
  cuts: readonly number[],
  method: string,
  limits: Partial<typeof ROOMY> = {},
): { readonly text: string; readonly response: RecordedResponse; readonly errors: number } {
  const harness = new ClientHarness(limits);
  const { encoder, response } = harness.open();
  encoder.encodeHeaders(new RequestHeaders(method, '/', 'a', 'http', []), true);
  for (const piece of pieces(bytes, cuts)) harness.codec.dispatch(piece, false);
  // Behind a whole response it would be bytes that nobody asked for.
  if (!response.isComplete) harness.codec.dispatch(Buffer.from(LINE_END), false);
  harness.codec.onConnectionEvent(ConnectionEvent.RemoteClose);
  const errors = harness.errors.map((error) => `${error.status} ${error.details}`).join(',');
  const text = `${response.text()}\nerrors=${errors}\nclosed=${harness.connection.closedWith}`;
  return { text, response, errors: harness.errors.length };
}
