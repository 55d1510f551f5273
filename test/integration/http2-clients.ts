// HTTP/2 clients (node:http2 on real sockets) for tests that change something underneath them: one that keeps a
// connection with streams of its choice and remembers its GOAWAYs, and a load in closed loops.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type tls from 'node:tls';
import { until } from '../fakes/until.ts';

const { NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;

export interface GoAway {
  readonly code: number;
  readonly lastStreamId: number;
}

export interface Http2Response {
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: string;
}

/** A stream whose upstream echoes. */
export class EchoStream {
  headers: http2.IncomingHttpHeaders = {};
  readonly #stream: http2.ClientHttp2Stream;
  #seen = '';

  constructor(stream: http2.ClientHttp2Stream) {
    this.#stream = stream;
    stream.setEncoding('latin1');
    stream.on('response', (headers) => {
      this.headers = headers;
    });
    stream.on('data', (text: string) => {
      this.#seen += text;
    });
    stream.on('error', () => {}); // end() tells
  }

  /** What comes back for `text`. */
  async echo(text: string): Promise<string> {
    this.#seen = '';
    this.#stream.write(text);
    await until(`'${text}' is back`, () => this.#seen.length >= text.length);
    return this.#seen;
  }

  /** Ends it and waits for the other side to do so; throws if it was reset. */
  async end(): Promise<void> {
    this.#stream.end();
    if (!this.#stream.closed) await once(this.#stream, 'close');
    assert.equal(this.#stream.rstCode, NGHTTP2_NO_ERROR);
    assert.equal(this.headers[':status'], 200);
  }
}

/** One connection. */
export class Http2Client {
  readonly session: http2.ClientHttp2Session;
  readonly goaways: GoAway[] = [];

  private constructor(session: http2.ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {});
    session.on('goaway', (code, lastStreamId) => this.goaways.push({ code, lastStreamId }));
  }

  /** With `secure` over TLS. Rejects when nobody listens. */
  static async connect(port: number, secure?: tls.ConnectionOptions): Promise<Http2Client> {
    const scheme = secure === undefined ? 'http' : 'https';
    const session = http2.connect(`${scheme}://127.0.0.1:${port}`, secure);
    await once(session, 'connect');
    return new Http2Client(session);
  }

  /** Of the server's certificate. */
  serialNumber(): string {
    const socket = this.session.socket as tls.TLSSocket; // connected with `secure`
    return socket.getPeerCertificate().serialNumber;
  }

  /** Begins a POST that goes on until EchoStream.end(). */
  open(path: string): EchoStream {
    return new EchoStream(this.session.request({ ':method': 'POST', ':path': path }));
  }

  /** A whole exchange. Null = refused: nobody has seen it. Rejects on another reset or status (null = any is fine). */
  async tryPost(
    path: string,
    body: string,
    status: number | null = 200,
  ): Promise<Http2Response | null> {
    const stream = this.session.request({ ':method': 'POST', ':path': path });
    let headers: http2.IncomingHttpHeaders = {};
    let text = '';
    stream.setEncoding('latin1');
    stream.on('response', (received) => {
      headers = received;
    });
    stream.on('data', (piece: string) => {
      text += piece;
    });
    stream.on('error', () => {});
    stream.end(body);
    await new Promise((resolve) => stream.once('close', resolve));
    if (stream.rstCode === NGHTTP2_REFUSED_STREAM) return null;
    assert.equal(stream.rstCode, NGHTTP2_NO_ERROR, `${path} was reset`);
    if (status !== null) assert.equal(headers[':status'], status, text);
    return { headers, body: text };
  }

  /** As tryPost, on a connection that is not about to end. */
  async post(path: string, body: string, status: number | null = 200): Promise<Http2Response> {
    const response = await this.tryPost(path, body, status);
    assert.ok(response !== null, 'refused');
    return response;
  }

  /** No new requests can be made on it. */
  isEnding(): boolean {
    return this.session.closed || this.session.destroyed;
  }

  close(): void {
    this.session.close();
  }

  /** Resolves when the server has closed it. */
  async closed(): Promise<void> {
    if (!this.session.destroyed) await once(this.session, 'close');
  }
}

/** Closed loops over one connection after another; an end that was announced is no failure. */
export class Http2Load {
  readonly failures: string[] = [];
  answered = 0;
  readonly #port: number;
  readonly #done: Promise<unknown>;
  #isStopped = false;

  /** One loop per path. */
  constructor(port: number, paths: readonly string[]) {
    this.#port = port;
    this.#done = this.#run(paths);
  }

  /** Resolves when so many more were answered, or some failed. */
  async more(count: number): Promise<void> {
    const wanted = this.answered + count;
    await until(
      `${count} more are answered`,
      () => this.answered >= wanted || this.failures.length > 0,
    );
  }

  /** Resolves when the last request is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(paths: readonly string[]): Promise<void> {
    while (!this.#isStopped) {
      let client: Http2Client;
      try {
        client = await Http2Client.connect(this.#port);
      } catch (thrown) {
        this.failures.push(String(thrown));
        return;
      }
      await Promise.all(paths.map((path) => this.#loop(client, path)));
      client.close();
    }
  }

  async #loop(client: Http2Client, path: string): Promise<void> {
    for (let i = 0; !this.#isStopped && !client.isEnding(); i++) {
      const body = `${i}`.repeat(100);
      try {
        const response = await client.tryPost(path, body);
        if (response === null) continue;
        assert.equal(response.body, body);
        this.answered++;
      } catch (thrown) {
        this.failures.push(`${path}: ${thrown}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
