// Both ends of an HTTP/1 exchange for codec tests: a server that records requests and answers as told,
// and a client that records the response. Records are plain strings, so tests compare whole exchanges.

import type {
  CodecError,
  RequestDecoder,
  RequestEncoder,
  ResponseDecoder,
  ResponseEncoder,
  ServerConnectionCallbacks,
  StreamCallbacks,
  StreamResetReason,
} from '../../dataplane/api/codec.ts';
import {
  type Connection,
  type ConnectionCallbacks,
  type ConnectionCloseType,
  ConnectionEvent,
  type SocketAddress,
  type TlsInfo,
} from '../../dataplane/api/connection.ts';
import {
  type RequestHeaders,
  ResponseHeaders,
  type Trailers,
} from '../../dataplane/api/headers.ts';
import { ClientConnection } from '../../dataplane/http/h1/client-connection.ts';
import { Http1CodecStats } from '../../dataplane/http/h1/codec-stats.ts';
import type { ClientOptions, ServerOptions } from '../../dataplane/http/h1/options.ts';
import { ServerConnection } from '../../dataplane/http/h1/server-connection.ts';

/** What a codec writes to: keeps the output, closes when told and says so, counts readDisable. */
class CodecTransport implements Connection {
  readonly id = 1;
  readonly remoteAddress: SocketAddress = { ip: '127.0.0.1', port: 40000 };
  readonly localAddress: SocketAddress = { ip: '127.0.0.1', port: 80 };
  readonly tls: TlsInfo | null = null;
  readonly requestedServerName = '';
  readonly nextProtocol = '';
  readonly transportFailureReason = '';
  connectionTerminationDetails = '';
  wasReset = false;
  /** Everything written so far, latin1. */
  output = '';
  closedWith: ConnectionCloseType | null = null;
  readDisableCount = 0;
  halfClose = false;
  /** endWrite came. */
  localEnded = false;
  readonly callbacks: ConnectionCallbacks[] = [];

  write(data: Buffer | string): void {
    if (this.closedWith !== null) return;
    this.output += typeof data === 'string' ? data : data.toString('latin1');
  }

  readDisable(disable: boolean): void {
    this.readDisableCount += disable ? 1 : -1;
    if (this.readDisableCount < 0) throw new Error('readDisable(false) without readDisable(true)');
  }

  close(type: ConnectionCloseType): void {
    if (this.closedWith !== null) return;
    this.closedWith = type;
    for (const callbacks of this.callbacks) callbacks.onEvent(ConnectionEvent.LocalClose);
  }

  isOpen(): boolean {
    return this.closedWith === null;
  }

  setDelayedCloseTimeout(): void {}

  enableHalfClose(enabled: boolean): void {
    this.halfClose = enabled;
  }

  endWrite(): void {
    this.localEnded = true;
  }

  addConnectionCallbacks(callbacks: ConnectionCallbacks): void {
    this.callbacks.push(callbacks);
  }

  writeBufferedBytes(): number {
    return 0;
  }
}

export function serverOptions(overrides: Partial<ServerOptions> = {}): ServerOptions {
  return {
    scheme: 'http',
    acceptHttp10: false,
    defaultHostForHttp10: '',
    allowAbsoluteUrl: true,
    enableTrailers: true,
    properCaseHeaderKeys: false,
    headersWithUnderscoresAction: 'ALLOW',
    maxRequestHeadersKb: 60,
    maxHeadersCount: 100,
    preserveCase: null,
    allowChunkedLength: false,
    allowCustomMethods: false,
    ignoredUpgrades: [],
    streamErrorOnInvalidHttpMessage: false,
    stats: new Http1CodecStats(),
    ...overrides,
  };
}

export function clientOptions(overrides: Partial<ClientOptions> = {}): ClientOptions {
  return {
    enableTrailers: true,
    properCaseHeaderKeys: false,
    preserveCase: null,
    allowChunkedLength: false,
    sendFullyQualifiedUrl: false,
    maxResponseHeadersKb: 60,
    maxHeadersCount: 100,
    stats: new Http1CodecStats(),
    ...overrides,
  };
}

/** `name: value` lines joined by '|'. */
function fieldsText(fields: readonly string[]): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2)
    text += `${i === 0 ? '' : '|'}${fields[i]}: ${fields[i + 1]}`;
  return text;
}

/** One request as it came up. */
export class RecordedRequest implements RequestDecoder, StreamCallbacks {
  readonly encoder: ResponseEncoder;
  headers: RequestHeaders | null = null;
  body = '';
  trailers: string | null = null;
  /** The same as a list. */
  trailerFields: Trailers | null = null;
  isComplete = false;
  resetReason: StreamResetReason | null = null;
  resetDetails = '';
  aboveHighWatermark = 0;
  dataCalls = 0;
  readonly #onComplete: ((request: RecordedRequest) => void) | null;

  constructor(encoder: ResponseEncoder, onComplete: ((request: RecordedRequest) => void) | null) {
    this.encoder = encoder;
    this.#onComplete = onComplete;
    encoder.setCallbacks(this);
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.headers = headers;
    if (endStream) this.#complete();
  }

  decodeData(data: Buffer, endStream: boolean): void {
    this.dataCalls++;
    this.body += data.toString('latin1');
    if (endStream) this.#complete();
  }

  decodeTrailers(trailers: Trailers): void {
    this.trailers = fieldsText(trailers);
    this.trailerFields = trailers;
    this.#complete();
  }

  onResetStream(reason: StreamResetReason, details: string): void {
    this.resetReason = reason;
    this.resetDetails = details;
  }

  onAboveWriteBufferHighWatermark(): void {
    this.aboveHighWatermark++;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.aboveHighWatermark--;
  }

  /** Everything about the request in one line. */
  text(): string {
    const { headers } = this;
    if (headers === null) return '(no head)';
    const head = `${headers.method} ${headers.path} @${headers.authority} [${fieldsText(headers.fields)}]`;
    const end = this.isComplete ? 'end' : 'open';
    return `${head} body=${this.body} trailers=${this.trailers ?? '-'} ${end}`;
  }

  #complete(): void {
    this.isComplete = true;
    this.#onComplete?.(this);
  }
}

/** A server codec on a fake connection. `answer` runs when a request is complete; null = tests do it. */
export class ServerHarness implements ServerConnectionCallbacks {
  readonly connection = new CodecTransport();
  readonly codec: ServerConnection;
  readonly requests: RecordedRequest[] = [];
  readonly errors: CodecError[] = [];
  readonly #answer: ((request: RecordedRequest) => void) | null;

  constructor(
    options: Partial<ServerOptions> = {},
    answer: ((request: RecordedRequest) => void) | null = answerOk,
  ) {
    this.codec = new ServerConnection(this.connection, this, serverOptions(options));
    this.#answer = answer;
    this.connection.addConnectionCallbacks(this);
  }

  newStream(encoder: ResponseEncoder): RequestDecoder {
    const request = new RecordedRequest(encoder, this.#answer);
    this.requests.push(request);
    return request;
  }

  onCodecError(error: CodecError, encoder: ResponseEncoder): void {
    this.errors.push(error);
    encoder.encodeHeaders(new ResponseHeaders(error.status, ['x-details', error.details]), true);
  }

  onConnectionError(details: string): void {
    throw new Error(`HTTP/1 has no connection errors: ${details}`);
  }

  onEvent(event: ConnectionEvent): void {
    this.codec.onConnectionEvent(event);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }

  /** Feeds text (latin1) whole. */
  feed(text: string): void {
    this.codec.dispatch(Buffer.from(text, 'latin1'), false);
  }

  /** What a test compares: requests, errors, output and whether the connection was closed. */
  summary(): string {
    const requests = this.requests.map((request) => request.text()).join('\n');
    const errors = this.errors.map((error) => `${error.status} ${error.details}`).join(',');
    return `${requests}\nerrors=${errors}\nclosed=${this.connection.closedWith}\n${this.connection.output}`;
  }
}

export function answerOk(request: RecordedRequest): void {
  request.encoder.encodeHeaders(new ResponseHeaders(200, ['content-length', '2']), false);
  request.encoder.encodeData(Buffer.from('ok'), true);
}

/** One response as it came down. */
export class RecordedResponse implements ResponseDecoder, StreamCallbacks {
  informational: number[] = [];
  headers: ResponseHeaders | null = null;
  body = '';
  trailers: string | null = null;
  isComplete = false;
  resetReason: StreamResetReason | null = null;
  resetDetails = '';

  decode1xxHeaders(headers: ResponseHeaders): void {
    this.informational.push(headers.status);
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.headers = headers;
    this.isComplete = endStream;
  }

  decodeData(data: Buffer, endStream: boolean): void {
    this.body += data.toString('latin1');
    this.isComplete = endStream;
  }

  decodeTrailers(trailers: Trailers): void {
    this.trailers = fieldsText(trailers);
    this.isComplete = true;
  }

  onResetStream(reason: StreamResetReason, details: string): void {
    this.resetReason = reason;
    this.resetDetails = details;
  }

  onAboveWriteBufferHighWatermark(): void {}

  onBelowWriteBufferLowWatermark(): void {}

  text(): string {
    const head =
      this.headers === null
        ? '(no head)'
        : `${this.headers.status} [${fieldsText(this.headers.fields)}]`;
    const end = this.isComplete ? 'end' : 'open';
    return `1xx=${this.informational.join(',')} ${head} body=${this.body} trailers=${this.trailers ?? '-'} ${end} reset=${this.resetReason}`;
  }
}

/** A client codec on a fake connection. */
export class ClientHarness {
  readonly connection = new CodecTransport();
  readonly codec: ClientConnection;
  readonly errors: CodecError[] = [];
  idle = 0;
  goAways = 0;

  constructor(options: Partial<ClientOptions> = {}) {
    this.codec = new ClientConnection(this.connection, clientOptions(options), this);
    this.connection.addConnectionCallbacks(this);
  }

  onIdle(): void {
    this.idle++;
  }

  onGoAway(): void {
    this.goAways++;
  }

  onProtocolError(error: CodecError): void {
    this.errors.push(error);
  }

  onEvent(event: ConnectionEvent): void {
    this.codec.onConnectionEvent(event);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }

  /** Opens a stream; the caller encodes. */
  open(): { encoder: RequestEncoder; response: RecordedResponse } {
    const response = new RecordedResponse();
    const encoder = this.codec.newStream(response);
    encoder.setCallbacks(response);
    return { encoder, response };
  }

  feed(text: string): void {
    this.codec.dispatch(Buffer.from(text, 'latin1'), false);
  }
}
