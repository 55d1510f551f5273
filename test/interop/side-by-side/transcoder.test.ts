// grpc_json_transcoder side by side with Envoy, over real HTTP/2 upstreams: what the client gets, what the upstream
// gets (its messages read by protobufjs) and what the access log says must be the same, but for the differences that
// transcoder-cases.ts names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  labData,
  labDescriptorPath,
  labMessages,
  TRANSCODER_TYPE,
} from '../../fakes/transcoding/lab.ts';
import { skipWithout } from '../peers.ts';
import {
  type ScriptedCall,
  type TranscoderCase,
  transcoderCases,
  transcoderDifferences,
  transcoderVariants,
} from './transcoder-cases.ts';
import { type ProxyKind, startVariants, type VariantProxies } from './variants.ts';

const LOG = `access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "@LOG@", log_format: { text_format_source: { inline_string: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%\\n" } } } }]`;
const DEFAULT_CALL: ScriptedCall = { body: [Buffer.alloc(5)], trailers: { 'grpc-status': '0' } };
const PIECE_GAP_MS = 25;
const COMPARED = [
  'content-type',
  'content-length',
  'grpc-status',
  'grpc-message',
  'trailer',
  'x-route',
];

const data = labData();
const inputs = new Map(
  data.methods.map(({ path, input }) => [path, data.messages[input]?.name ?? '']),
);

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly messages: unknown;
}

/** What the client and the upstream saw of one case. */
interface Observed {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: unknown;
  readonly isComplete: boolean;
  readonly up: readonly Seen[];
}

/** Remembers each call and answers as it is told. */
class Upstream {
  call: ScriptedCall = DEFAULT_CALL;
  seen: Seen[] = [];
  readonly #server = http2.createServer();

  async listen(): Promise<number> {
    this.#server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => {}).on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (stream.aborted) return;
        this.#remember(headers, Buffer.concat(chunks));
        this.#answer(stream);
      });
    });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  close(): void {
    this.#server.close();
  }

  #remember(headers: http2.IncomingHttpHeaders, body: Buffer): void {
    const path = String(headers[':path']);
    const type = inputs.get(path);
    const isCall = type !== undefined && headers['x-envoy-original-path'] !== undefined;
    this.seen.push({
      method: String(headers[':method']),
      path,
      headers: [
        'content-type',
        'te',
        'x-envoy-original-path',
        'x-envoy-original-method',
        'content-length',
      ].map((name) => `${name}: ${String(headers[name])}`),
      messages: isCall ? messagesOf(type, body) : body.toString('latin1'),
    });
  }

  #answer(stream: http2.ServerHttp2Stream): void {
    const { headers = {}, body = [], trailers = {} } = this.call;
    const head = { ':status': 200, 'content-type': 'application/grpc', ...headers };
    if (trailers === null) {
      stream.respond(head, { endStream: true });
      return;
    }
    const hasTrailers = Object.keys(trailers).length > 0;
    stream.respond(head, { waitForTrailers: hasTrailers });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    for (const piece of body) stream.write(piece);
    stream.end();
  }
}

/** Their plain form, or the bytes where they are no such messages. */
function messagesOf(type: string, body: Buffer): unknown {
  try {
    return labMessages(type, body);
  } catch {
    return body.toString('hex');
  }
}

async function writeBody(
  stream: { write(text: string): unknown; end(): unknown },
  pieces: readonly string[],
): Promise<void> {
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, PIECE_GAP_MS));
    if (piece !== '') stream.write(piece);
  }
  stream.end();
}

type Answer = Omit<Observed, 'up'>;

/** A call over HTTP/1.1, on a connection of its own. */
function callHttp1(port: number, one: TranscoderCase): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method, path, headers = {}, body } = one;
    // In one piece a body has a length, and comes with its head.
    const length = body?.length === 1 ? { 'content-length': Buffer.byteLength(body[0] ?? '') } : {};
    const request = http.request({
      ...{ host: '127.0.0.1', port, method, path, agent: false },
      headers: { ...length, ...headers },
    });
    const chunks: Buffer[] = [];
    let response: http.IncomingMessage | null = null;
    const finish = (isComplete: boolean): void => {
      const found = response?.headers ?? {};
      resolve(answerOf(response?.statusCode ?? 0, found, Buffer.concat(chunks), isComplete));
    };
    request.on('error', () => finish(false));
    request.on('response', (incoming) => {
      response = incoming;
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', () => {});
      incoming.on('close', () => finish(incoming.complete));
    });
    writeBody(request, body ?? []).catch(reject);
  });
}

function callHttp2(port: number, one: TranscoderCase): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const stream = session.request(
      { ':method': one.method, ':path': one.path, ...one.headers },
      { endStream: one.body === undefined },
    );
    const chunks: Buffer[] = [];
    let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
    stream.on('response', (headers) => {
      head = headers;
    });
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => {});
    stream.on('close', () => {
      session.close();
      const isComplete = stream.rstCode === http2.constants.NGHTTP2_NO_ERROR;
      const answer = answerOf(head[':status'] ?? 0, head, Buffer.concat(chunks), isComplete);
      const last = Object.entries(trailers).map(([name, value]) => `trailer ${name}: ${value}`);
      resolve({ ...answer, headers: [...answer.headers, ...last] });
    });
    if (one.body !== undefined) writeBody(stream, one.body).catch(reject);
  });
}

function answerOf(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  bytes: Buffer,
  isComplete: boolean,
): Answer {
  const text = bytes.toString();
  return {
    status,
    headers: COMPARED.filter((name) => headers[name] !== undefined).map(
      (name) => `${name}: ${String(headers[name])}`,
    ),
    body: parsed(text),
    isComplete,
  };
}

/** Numbers may be written in several ways, and maps in any order. */
function parsed(text: string): unknown {
  try {
    return { json: JSON.parse(text) as unknown, hasLines: text.includes('\n') };
  } catch {
    return text;
  }
}

describe('JSON transcoding beside Envoy', { skip: skipWithout('envoy') }, () => {
  let proxies: VariantProxies;
  const upstream = new Upstream();

  before(async () => {
    const port = await upstream.listen();
    const config = (services: string, fields: string): string =>
      `{ "@type": type.googleapis.com/${TRANSCODER_TYPE}, proto_descriptor: "${labDescriptorPath}", services: [${services}], ${fields} }`;
    const toGrpc = 'route: { cluster: grpc }';
    const perRoute = (services: string, fields: string): string =>
      `typed_per_filter_config: { transcoder: ${config(services, fields)} }`;
    const routes = `
      { match: { prefix: /lab.Lab/GetShelf, headers: [{ name: x-envoy-original-path, string_match: { prefix: /shelves } }] }, ${toGrpc}, response_headers_to_add: [{ header: { key: x-route, value: by-call } }] },
      { match: { prefix: /shelves }, ${toGrpc}, response_headers_to_add: [{ header: { key: x-route, value: by-path } }] },
      { match: { prefix: /off }, ${toGrpc}, ${perRoute('', 'auto_mapping: true')} },
      { match: { prefix: /v2 }, ${toGrpc}, ${perRoute('lab.Lab', 'print_options: { preserve_proto_field_names: true }')} },
      { match: { prefix: / }, ${toGrpc} }`.replaceAll('\n', '');
    const options =
      '{ envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }';
    proxies = await startVariants(
      Object.entries(transcoderVariants).map(([name, fields]) => ({
        name,
        hcm: LOG,
        routeConfig: `{ name: ${name}, virtual_hosts: [{ name: all, domains: ["*"], routes: [${routes}] }] }`,
        filters: [`{ name: transcoder, typed_config: ${config('lab.Lab', fields)} }`],
      })),
      port,
      `    - { name: grpc, type: STATIC, connect_timeout: 1s, typed_extension_protocol_options: ${options}, load_assignment: { cluster_name: grpc, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] } }`,
    );
  });
  after(async () => {
    upstream.close();
    await proxies.stop();
  });

  async function observe(kind: ProxyKind, one: TranscoderCase): Promise<Observed> {
    upstream.call = one.call ?? DEFAULT_CALL;
    upstream.seen = [];
    const port = proxies.port(kind, one.variant);
    const answer = await (one.protocol === 'h2' ? callHttp2 : callHttp1)(port, one);
    return { ...answer, up: upstream.seen };
  }

  const titleOf = ({ variant, method, path, body, protocol = 'h1' }: TranscoderCase): string =>
    `${protocol} ${variant}: ${method} ${path} ${(body ?? []).join('').slice(0, 60)}`;

  for (const [i, one] of transcoderCases.entries()) {
    test(`${i} ${titleOf(one)}`, async () => {
      const envoy = await observe('envoy', one);
      assert.notEqual(envoy.status, 0);
      assert.deepEqual(await observe('remora', one), envoy);
    });
  }

  for (const one of transcoderDifferences) {
    test(`${titleOf(one)} (differs)`, async () => {
      const path = fileURLToPath(new URL('../../../docs/differences.md', import.meta.url));
      assert.ok(readFileSync(path, 'utf8').includes(one.difference ?? ''), one.difference);
      const envoy = await observe('envoy', one);
      assert.notDeepEqual(await observe('remora', one), envoy, 'no longer differs');
    });
  }

  test('the access logs say the same', async () => {
    await proxies.stop();
    const lines = (kind: ProxyKind) => proxies.logLines(kind).slice(0, transcoderCases.length);
    assert.deepEqual(lines('remora'), lines('envoy'));
  });
});
