// Sends raw bytes and reads raw responses, so that nothing between the test and the proxy tidies them up.

import net from 'node:net';

export interface RawResponse {
  readonly status: number;
  /** Lower-case names, sorted; 1xx responses come as entries `status 100` before. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export interface Exchange {
  readonly interim: readonly number[];
  readonly responses: readonly RawResponse[];
  /** The proxy closed the connection after the last response. */
  readonly closed: boolean;
  /** Bytes that do not parse as a response. */
  readonly rest: string;
}

/** How long to wait for a close that was not announced. */
const CLOSE_GRACE_MS = 150;
/** And for one that was (`connection: close`): Envoy waits delayed_close_timeout, 1 s, before its FIN. */
const ANNOUNCED_CLOSE_GRACE_MS = 3000;
const TIMEOUT_MS = 8000;

interface Parsed {
  readonly interim: number[];
  readonly responses: RawResponse[];
  readonly rest: string;
}

function parseAll(text: string, head: boolean, ended: boolean): Parsed {
  const interim: number[] = [];
  const responses: RawResponse[] = [];
  let at = 0;
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd === -1) break;
    const [statusLine = '', ...lines] = text.slice(at, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? 0);
    if (status === 0) break;
    if (status < 200 && status !== 101) {
      interim.push(status);
      at = headEnd + 4;
      continue;
    }
    const headers = lines
      .map((line): readonly [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      })
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const field = (name: string) => headers.find(([key]) => key === name)?.[1];
    const start = headEnd + 4;
    let body: string | null = null;
    let next = start;
    if (head || status === 204 || status === 304) body = '';
    else if (field('transfer-encoding') === 'chunked') {
      const decoded = dechunk(text, start);
      if (decoded !== null) ({ body, next } = decoded);
    } else if (field('content-length') !== undefined) {
      const length = Number(field('content-length'));
      if (text.length >= start + length) {
        body = text.slice(start, start + length);
        next = start + length;
      }
    } else if (ended) {
      body = text.slice(start);
      next = text.length;
    }
    if (body === null) break;
    responses.push({ status, headers, body });
    at = next;
  }
  return { interim, responses, rest: text.slice(at) };
}

function dechunk(text: string, start: number): { body: string; next: number } | null {
  let body = '';
  let at = start;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      const end = text.indexOf('\r\n', lineEnd + 2);
      return end === -1 ? null : { body, next: end + 2 };
    }
    if (text.length < lineEnd + 2 + size + 2) return null;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

/** One connection: sends `bytes`, reads `count` responses, then sees whether the proxy closes. */
export function exchange(
  port: number,
  bytes: string,
  count: number,
  head: boolean,
  closeGraceMs = CLOSE_GRACE_MS,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    let closed = false;
    let done = false;
    let grace: NodeJS.Timeout | null = null;
    const finish = () => {
      if (done) return;
      done = true;
      clearTimeout(limit);
      if (grace !== null) clearTimeout(grace);
      socket.destroy();
      resolve({ ...parseAll(text, head, closed), closed });
    };
    const limit = setTimeout(finish, TIMEOUT_MS);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (grace !== null) return;
      const { responses } = parseAll(text, head, false);
      if (responses.length < count) return;
      const announced = responses.some(({ headers }) =>
        headers.some(([name, value]) => name === 'connection' && value === 'close'),
      );
      grace = setTimeout(finish, announced ? ANNOUNCED_CLOSE_GRACE_MS : closeGraceMs);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
      finish();
    });
    socket.write(Buffer.from(bytes, 'latin1'));
  });
}
