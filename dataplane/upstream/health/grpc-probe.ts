// gRPC checks of one host: grpc.health.v1.Health/Check over HTTP/2. Envoy: GrpcHealthCheckerImpl.

import type { RequestEncoder } from '../../api/codec.ts';
import {
  getField,
  RequestHeaders,
  type ResponseHeaders,
  type Trailers,
} from '../../api/headers.ts';
import { CheckClient, type CheckClientOptions, type CheckExchange } from './check-client.ts';
import type { CheckHeaders } from './check-headers.ts';
import { encodeRequest, ResponseReader } from './grpc-message.ts';
import { CHECK_USER_AGENT } from './http-probe.ts';
import type { Probe, ProbeObserver } from './probe.ts';

const PATH = '/grpc.health.v1.Health/Check';
const OK = '0';
/** gRPC allows eight digits. */
const MAX_TIMEOUT_MS = 99_999_999;

export interface GrpcProbeOptions extends Omit<CheckClientOptions, 'exchange'> {
  readonly serviceName: string;
  readonly reuseConnection: boolean;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly timeoutMs: number;
  readonly addMetadata: CheckHeaders;
  wallMs(): number;
}

/** See the file head. */
export class GrpcProbe implements Probe, CheckExchange {
  readonly #options: GrpcProbeOptions;
  readonly #observer: ProbeObserver;
  readonly #client: CheckClient;
  readonly #request: Buffer;
  #response = new ResponseReader();

  constructor(options: GrpcProbeOptions, observer: ProbeObserver) {
    this.#options = options;
    this.#observer = observer;
    this.#client = new CheckClient({ ...options, exchange: this });
    this.#request = encodeRequest(options.serviceName);
  }

  start(): void {
    this.#response = new ResponseReader();
    this.#client.begin();
  }

  /** Unlike over HTTP the connection is kept: the call is slow, not the host. */
  onTimeout(): void {
    this.#abandon();
  }

  close(): void {
    this.#client.close();
  }

  // -- CheckExchange ----------------------------------------------------------------------------------

  sendRequest(encoder: RequestEncoder): void {
    const { authority, scheme, timeoutMs, addMetadata, wallMs } = this.#options;
    const fields = ['te', 'trailers', 'content-type', 'application/grpc'];
    fields.push('user-agent', CHECK_USER_AGENT);
    addMetadata?.(fields, wallMs());
    fields.push('grpc-timeout', `${Math.min(MAX_TIMEOUT_MS, Math.ceil(timeoutMs))}m`);
    encoder.encodeHeaders(new RequestHeaders('POST', PATH, authority, scheme, fields), false);
    encoder.encodeData(this.#request, true);
  }

  onLost(): void {
    this.#observer.onFailure('NETWORK', 0, false);
  }

  decode1xxHeaders(): void {
    // The answer is still to come.
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const contentType = headers.get('content-type') ?? '';
    const isGrpc = headers.status === 200 && isGrpcContentType(contentType);
    // With the end of the stream it has no message: whatever its grpc-status, not SERVING.
    if (endStream) this.#end(false);
    else if (!isGrpc) this.#giveUp();
  }

  decodeData(data: Buffer, endStream: boolean): void {
    if (endStream) this.#end(false);
    else if (this.#response.add(data) !== '') this.#giveUp();
  }

  decodeTrailers(trailers: Trailers): void {
    this.#end(getField(trailers, 'grpc-status') === OK && this.#response.isServing());
  }

  // -------------------------------------------------------------------------------------------------

  /** The stream has ended. */
  #end(isServing: boolean): void {
    // First: whoever is told may close this probe.
    if (this.#options.reuseConnection) this.#client.end();
    else this.#client.close();
    this.#tell(isServing);
  }

  /** What came cannot become a good answer any more. */
  #giveUp(): void {
    this.#abandon();
    this.#tell(false);
  }

  #abandon(): void {
    if (this.#options.reuseConnection) this.#client.cancel();
    else this.#client.close();
  }

  #tell(isServing: boolean): void {
    if (isServing) this.#observer.onSuccess(false);
    else this.#observer.onFailure('ACTIVE', 0, false);
  }
}

/** `application/grpc`, or with a `+proto` and the like behind it. */
function isGrpcContentType(value: string): boolean {
  return value === 'application/grpc' || value.startsWith('application/grpc+');
}
