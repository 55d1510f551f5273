// Fuzz targets of the two HTTP/1 codecs: any cut gives the same events, and what would be sent on reads as exactly
// the message that came in, for a parser of another author and for our own.

import assert from 'node:assert/strict';
import { type RequestHeaders, ResponseHeaders, removeField } from '../../dataplane/api/headers.ts';
import {
  ClientHarness,
  type RecordedRequest,
  type RecordedResponse,
  ServerHarness,
} from '../fakes/http1.ts';
import { parseStream } from '../garden/strict-parser.ts';
import { everyCut, feedClient, feedServer, ROOMY, randomCuts } from './feed.ts';
import { mutateHttp1 } from './mutate-http1.ts';
import type { FuzzTarget } from './target.ts';

/** Longer inputs are not fed byte by byte: thousands of turns of the loop each. */
const MAX_BYTEWISE = 1500;

/** What one request becomes when the codec sends it on. */
export function reEmitted(request: RecordedRequest, headers: RequestHeaders): string {
  const client = new ClientHarness();
  const { encoder } = client.open();
  const trailers = request.trailerFields;
  const hasBody = request.body !== '' || trailers !== null;
  // As the connection manager does, but where a tunnel may open; the codec sends no body behind an Upgrade.
  removeField(headers.fields, 'upgrade');
  encoder.encodeHeaders(headers, !hasBody);
  if (hasBody) encoder.encodeData(Buffer.from(request.body, 'latin1'), trailers === null);
  if (trailers !== null) encoder.encodeTrailers([...trailers]);
  return client.connection.output;
}

async function checkReEmitted(request: RecordedRequest): Promise<void> {
  const { headers } = request;
  // An authority is missing only where the connection manager answers 400 itself.
  if (headers === null || !request.isComplete || headers.authority === '') return;
  // An Upgrade that Connection does not name is removed by the connection manager; to the codec it is a tunnel.
  if (headers.fields.some((text, i) => i % 2 === 0 && text === 'upgrade')) return;
  const output = reEmitted(request, headers);
  const { requests, rest, reason } = parseStream(Buffer.from(output, 'latin1'));
  assert.equal(rest, 'nothing', `re-emitted request is ${rest}: ${reason}\n${output}`);
  assert.equal(requests.length, 1, `one request became ${requests.length}\n${output}`);
  assert.equal(requests[0]?.method, headers.method);
  assert.equal(
    requests[0]?.target,
    headers.method === 'CONNECT' ? headers.authority : headers.path,
  );
  assert.equal(requests[0]?.body.toString('latin1'), request.body);
  const again = await feedServer(Buffer.from(output, 'latin1'), [], false, ROOMY);
  assert.equal(again.errors.length, 0, `refused its own output\n${output}`);
  assert.equal(again.requests.length, 1);
  assert.equal(again.requests[0]?.body, request.body);
}

export const http1Request: FuzzTarget = {
  name: 'http1-request',
  mutate: mutateHttp1,
  async check(input, random) {
    const whole = await feedServer(input, [], false);
    const expected = whole.summary();
    assert.ok(whole.errors.length <= 1, 'at most one error');
    if (input.length <= MAX_BYTEWISE) {
      const bytewise = await feedServer(input, everyCut(input.length), false);
      assert.equal(bytewise.summary(), expected, 'byte by byte');
    }
    for (const settles of [true, false]) {
      const cuts = randomCuts(input.length, random);
      const cut = await feedServer(input, cuts, settles);
      assert.equal(cut.summary(), expected, `cut at ${cuts.slice(0, 50).join(',')}`);
    }
    for (const request of whole.requests) await checkReEmitted(request);
  },
};

function checkResponse(response: RecordedResponse): void {
  const { headers } = response;
  if (headers === null || !response.isComplete || response.trailers !== null) return;
  const server = new ServerHarness({}, null);
  server.feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const encoder = server.requests[0]!.encoder;
  encoder.encodeHeaders(new ResponseHeaders(headers.status, headers.fields), response.body === '');
  if (response.body !== '') encoder.encodeData(Buffer.from(response.body, 'latin1'), true);
  const output = Buffer.from(server.connection.output, 'latin1');
  const again = feedClient(output, [], 'GET', ROOMY);
  assert.equal(again.errors, 0, `refused its own output\n${server.connection.output}`);
  assert.equal(again.response.headers?.status, headers.status);
  assert.equal(again.response.body, response.body);
}

export const http1Response: FuzzTarget = {
  name: 'http1-response',
  mutate: mutateHttp1,
  check(input, random) {
    for (const method of ['GET', 'HEAD']) {
      const whole = feedClient(input, [], method);
      assert.ok(whole.errors <= 1, 'at most one error');
      if (input.length <= MAX_BYTEWISE) {
        const bytewise = feedClient(input, everyCut(input.length), method);
        assert.equal(bytewise.text, whole.text, 'byte by byte');
      }
      const cuts = randomCuts(input.length, random);
      const cut = feedClient(input, cuts, method);
      assert.equal(cut.text, whole.text, `cut at ${cuts.slice(0, 50).join(',')}`);
      if (method === 'GET' && whole.errors === 0) checkResponse(whole.response);
    }
  },
};
