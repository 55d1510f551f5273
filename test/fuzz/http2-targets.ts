// Fuzz targets of the two HTTP/2 codecs: any cut gives the same events and the same answer, and a request that comes
// through is one request again when it is sent on, over HTTP/2 and, for a parser of another author, over HTTP/1.

import assert from 'node:assert/strict';
import {
  getField,
  RequestHeaders,
  ResponseHeaders,
  removeField,
} from '../../dataplane/api/headers.ts';
import { ClientHarness, type RecordedRequest } from '../fakes/http1.ts';
import {
  CLIENT_START,
  frame,
  Http2ClientHarness,
  Http2ServerHarness,
  http2ClientOptions,
  http2ServerOptions,
  pump,
} from '../fakes/http2.ts';
import { parseStream } from '../garden/strict-parser.ts';
import { everyCut, pieces, randomCuts } from './feed.ts';
import { mutateHttp2 } from './mutate-http2.ts';
import type { SeededRandom } from './random.ts';
import type { FuzzTarget } from './target.ts';

/** Longer inputs are not fed byte by byte. */
const MAX_BYTEWISE = 2000;
const SERVER_START = Buffer.concat([frame(4, 0, 0, ''), frame(4, 1, 0, '')]);
const SMALL = { allowConnect: true, initialStreamWindowSize: 65_535, maxConcurrentStreams: 4 };

function echo(request: RecordedRequest): void {
  const { encoder } = request;
  encoder.encodeHeaders(new ResponseHeaders(200, ['x-path', request.headers?.path ?? '']), false);
  encoder.encodeData(Buffer.from(request.body, 'latin1'), true);
}

/** Everything that can be seen of a server that was fed `bytes`. */
async function feedServer(
  bytes: Buffer,
  cuts: readonly number[],
  isLenient: boolean,
): Promise<{ text: string; server: Http2ServerHarness }> {
  const options = http2ServerOptions({ ...SMALL, streamErrorOnInvalidHttpMessage: isLenient });
  const server = new Http2ServerHarness(options, echo);
  server.codec.dispatch(CLIENT_START, false);
  for (const piece of pieces(bytes, cuts)) server.codec.dispatch(piece, false);
  const output = await server.connection.takeOutput();
  const requests = server.requests.map(
    (request) => `${request.text()} ${request.resetReason ?? '-'} ${request.resetDetails}`,
  );
  const text = `${requests.join('\n')}\n${server.brokenBy}\n${output.toString('latin1')}`;
  return { text, server };
}

async function checkSentOn(request: RecordedRequest): Promise<void> {
  const { headers } = request;
  if (headers === null || !request.isComplete || headers.authority === '') return;
  // What is to become a tunnel is made ready by the connection manager.
  if (request.encoder.upgradeType !== '') return;
  // Said twice it is made one by the connection manager.
  if (!['trailers', null].includes(getField(headers.fields, 'te'))) return;
  const trailers = request.trailerFields;
  const hasBody = request.body !== '' || trailers !== null;
  const copy = (): RequestHeaders =>
    new RequestHeaders(headers.method, headers.path, headers.authority, headers.scheme, [
      ...headers.fields,
    ]);

  const client = new Http2ClientHarness(http2ClientOptions(SMALL));
  const server = new Http2ServerHarness(http2ServerOptions(SMALL));
  const { encoder } = client.request(copy(), !hasBody);
  if (hasBody) encoder.encodeData(Buffer.from(request.body, 'latin1'), trailers === null);
  if (trailers !== null) encoder.encodeTrailers([...trailers]);
  await pump(client, server);
  assert.equal(server.brokenBy, '', 'refused its own request');
  // Trailers without a field are no more than the end.
  assert.equal(server.requests[0]?.text(), request.text().replace('trailers= ', 'trailers=- '));

  const http1 = new ClientHarness();
  const down = copy();
  // As the connection manager does.
  for (const name of ['te', 'expect', 'connection']) removeField(down.fields, name);
  const upstream = http1.open().encoder;
  upstream.encodeHeaders(down, !hasBody);
  if (hasBody) upstream.encodeData(Buffer.from(request.body, 'latin1'), trailers === null);
  if (trailers !== null) upstream.encodeTrailers([...trailers]);
  const { requests, rest, reason } = parseStream(Buffer.from(http1.connection.output, 'latin1'));
  assert.equal(rest, 'nothing', `over HTTP/1 it is ${rest}: ${reason}\n${http1.connection.output}`);
  assert.equal(requests.length, 1, `one request became ${requests.length}`);
  assert.equal(requests[0]?.body.toString('latin1'), request.body);
}

export const http2Request: FuzzTarget = {
  name: 'http2-request',
  mutate: mutateHttp2,
  async check(input, random) {
    for (const isLenient of [false, true]) {
      const whole = await feedServer(input, [], isLenient);
      for (const cuts of cutsOf(input, random)) {
        const { text } = await feedServer(input, cuts, isLenient);
        assert.equal(text, whole.text, `cut at ${cuts.slice(0, 50).join(',')}`);
      }
      for (const request of whole.server.requests) await checkSentOn(request);
      whole.server.connection.remoteClose();
      assert.equal(whole.server.options.stats.streamsActive, 0);
      assert.equal(whole.server.options.stats.pendingSendBytes, 0);
    }
  },
};

function cutsOf(input: Buffer, random: SeededRandom): number[][] {
  const cuts = [randomCuts(input.length, random)];
  if (input.length <= MAX_BYTEWISE) cuts.push(everyCut(input.length));
  return cuts;
}

/** Three requests of several kinds, and what the server makes of them. */
function feedClient(bytes: Buffer, cuts: readonly number[], isLenient: boolean): string {
  const client = new Http2ClientHarness(
    http2ClientOptions({ ...SMALL, streamErrorOnInvalidHttpMessage: isLenient }),
  );
  client.codec.onData(SERVER_START, false);
  const post = new RequestHeaders('POST', '/', 'a', 'http', []);
  const upgrade = ['connection', 'upgrade', 'upgrade', 'websocket'];
  const exchanges = [
    client.request(),
    client.request(post, false),
    client.request(new RequestHeaders('GET', '/', 'a', 'http', upgrade), false),
    client.request(new RequestHeaders('HEAD', '/', 'a', 'http', [])),
  ];
  for (const piece of pieces(bytes, cuts)) client.codec.onData(piece, false);
  client.connection.remoteClose();
  const responses = exchanges.map(
    ({ response }) => `${response.text()} ${response.resetReason ?? '-'} ${response.resetDetails}`,
  );
  assert.equal(client.options.stats.streamsActive, 0);
  assert.equal(client.streamsClosed, exchanges.length);
  return `${responses.join('\n')}\n${client.errors.map(({ details }) => details).join(',')}`;
}

export const http2Response: FuzzTarget = {
  name: 'http2-response',
  mutate: mutateHttp2,
  check(input, random) {
    for (const isLenient of [false, true]) {
      const whole = feedClient(input, [], isLenient);
      for (const cuts of cutsOf(input, random)) {
        const cut = feedClient(input, cuts, isLenient);
        assert.equal(cut, whole, `cut at ${cuts.slice(0, 50).join(',')}`);
      }
    }
  },
};
