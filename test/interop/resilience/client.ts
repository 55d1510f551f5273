// Sends a scenario's requests to one proxy and notes the answers. Connections are kept, as clients do.

import http from 'node:http';
import http2 from 'node:http2';

/** What a client got. */
export interface ClientAnswer {
  /** 0 = the connection or stream broke off before a head. */
  readonly status: number;
  /** Sorted by name; those that are made up per request have the value `*`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
  /** It broke off. */
  readonly broken: boolean;
}

export interface Outgoing {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Gives up (closes its connection, resets its stream) when this aborts. */
  readonly signal?: AbortSignal;
}

export interface Client {
  /** `number` becomes the header x-scenario-request, by which tries and log lines are found. */
  send(number: number, request: Outgoing): Promise<ClientAnswer>;
  close(): void;
}

const TIMEOUT_MS = 15_000;
const madeUp = new Set(['date', 'x-request-id', 'x-envoy-upstream-service-time']);

export function http1Client(port: number): Client {
  const agent = new http.Agent({ keepAlive: true });
  return {
    send: (number, { method = 'GET', path = '/', headers, body, signal }) =>
      new Promise((resolve) => {
        const request = http.request({
          ...{ agent, host: '127.0.0.1', port, method, path },
          headers: { host: 'service.test', ...headers, 'x-scenario-request': String(number) },
          ...(signal === undefined ? {} : { signal }),
        });
        request.setTimeout(TIMEOUT_MS, () => request.destroy());
        request.on('error', () => resolve(brokenOff));
        request.on('response', (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', () => {});
          response.on('close', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: masked(response.headers),
              body: Buffer.concat(chunks).toString('latin1'),
              trailers: masked(response.trailers),
              broken: !response.complete,
            }),
          );
        });
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}

export function http2Client(port: number): Client {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  return {
    send: (number, { method = 'GET', path = '/', headers, body, signal }) =>
      new Promise((resolve) => {
        const stream = session.request({
          ...{ ':method': method, ':path': path, ':authority': 'service.test' },
          ...headers,
          'x-scenario-request': String(number),
        });
        signal?.addEventListener('abort', () => stream.close(http2.constants.NGHTTP2_CANCEL));
        stream.setTimeout(TIMEOUT_MS, () => stream.close(http2.constants.NGHTTP2_CANCEL));
        let head: http2.IncomingHttpHeaders = {};
        let trailers: http2.IncomingHttpHeaders = {};
        let ended = false;
        const chunks: Buffer[] = [];
        stream.on('response', (fields) => {
          head = fields;
        });
        stream.on('trailers', (fields) => {
          trailers = fields;
        });
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          ended = true;
        });
        stream.on('error', () => {});
        stream.on('close', () =>
          resolve({
            status: Number(head[':status'] ?? 0),
            headers: masked(head),
            body: Buffer.concat(chunks).toString('latin1'),
            trailers: masked(trailers),
            broken: !ended || stream.rstCode !== 0,
          }),
        );
        stream.end(body);
      }),
    close: () => session.destroy(),
  };
}

const brokenOff: ClientAnswer = { status: 0, headers: {}, body: '', trailers: {}, broken: true };

function masked(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string>> {
  const fields = Object.keys(headers)
    .filter((name) => !name.startsWith(':'))
    .sort()
    .map((name) => [name, madeUp.has(name) ? '*' : String(headers[name])]);
  return Object.fromEntries(fields);
}
