// HTTP checks of one host, over HTTP/1.1 or HTTP/2. Envoy: HttpHealthCheckerImpl.

import type { RequestEncoder } from '../../api/codec.ts';
import type { HttpCheckData, StatusRange } from '../../api/config/health-check.ts';
import { RequestHeaders, type ResponseHeaders, setField } from '../../api/headers.ts';
import { compileStringMatcher, type StringMatcher } from '../../matcher/string-matcher.ts';
import { CheckClient, type CheckClientOptions, type CheckExchange } from './check-client.ts';
import type { CheckHeaders } from './check-headers.ts';
import { PayloadSearch } from './payload-search.ts';
import type { Probe, ProbeObserver } from './probe.ts';

/** Applications know the checks by it: Envoy's name. */
export const CHECK_USER_AGENT = 'Envoy/HC';

export interface HttpProbeOptions extends Omit<CheckClientOptions, 'exchange'> {
  readonly check: HttpCheckData;
  readonly reuseConnection: boolean;
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly addHeaders: CheckHeaders;
  wallMs(): number;
}

/** See the file head. */
export class HttpProbe implements Probe, CheckExchange {
  readonly #options: HttpProbeOptions;
  readonly #observer: ProbeObserver;
  readonly #client: CheckClient;
  readonly #search: PayloadSearch;
  readonly #serviceName: StringMatcher | null;
  readonly #send: Buffer;
  #headers: ResponseHeaders | null = null;
  /** How much more of the body is to be searched. */
  #searchableBytes = 0;

  constructor(options: HttpProbeOptions, observer: ProbeObserver) {
    const { check } = options;
    this.#options = options;
    this.#observer = observer;
    this.#client = new CheckClient({ ...options, exchange: this });
    this.#search = new PayloadSearch(check.receive);
    this.#send = Buffer.from(check.send);
    this.#serviceName = check.serviceName === null ? null : compileStringMatcher(check.serviceName);
  }

  start(): void {
    this.#headers = null;
    this.#search.reset();
    const { responseBufferBytes } = this.#options.check;
    this.#searchableBytes =
      responseBufferBytes === 0 ? Number.POSITIVE_INFINITY : responseBufferBytes;
    this.#client.begin();
  }

  onTimeout(): void {
    this.#client.close();
  }

  close(): void {
    this.#client.close();
  }

  // -- CheckExchange ----------------------------------------------------------------------------------

  sendRequest(encoder: RequestEncoder): void {
    const { check, authority, scheme, addHeaders, wallMs } = this.#options;
    const fields = ['user-agent', CHECK_USER_AGENT];
    addHeaders?.(fields, wallMs());
    const hasBody = this.#send.length > 0;
    if (hasBody) setField(fields, 'content-length', String(this.#send.length));
    const headers = new RequestHeaders(check.method, check.path, authority, scheme, fields);
    encoder.encodeHeaders(headers, !hasBody);
    if (hasBody) encoder.encodeData(this.#send, true);
  }

  onLost(): void {
    this.#observer.onFailure('NETWORK', 0, false);
  }

  decode1xxHeaders(): void {
    // The answer is still to come.
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers;
    if (endStream) this.#complete();
  }

  decodeData(data: Buffer, endStream: boolean): void {
    if (this.#searchableBytes > 0) {
      this.#search.add(
        data.length > this.#searchableBytes ? data.subarray(0, this.#searchableBytes) : data,
      );
      this.#searchableBytes -= data.length;
    }
    if (endStream) this.#complete();
  }

  decodeTrailers(): void {
    this.#complete();
  }

  // -------------------------------------------------------------------------------------------------

  #complete(): void {
    const headers = this.#headers!; // a response begins with them
    this.#headers = null;
    // First: whoever is told may close this probe.
    if (this.#options.reuseConnection) this.#client.end();
    else this.#client.close();
    this.#judge(headers);
  }

  /** In Envoy's order: a body that does not match is no matter of retriable statuses. */
  #judge(headers: ResponseHeaders): void {
    const observer = this.#observer;
    const { expectedStatuses, retriableStatuses } = this.#options.check;
    const { status } = headers;
    const isExpected = isIn(expectedStatuses, status);
    if (!isExpected && headers.get('x-envoy-immediate-health-check-fail') !== null) {
      observer.onExcluded();
    }
    if (!this.#search.isComplete()) observer.onFailure('ACTIVE', status, false);
    else if (!isExpected) observer.onFailure('ACTIVE', status, isIn(retriableStatuses, status));
    else if (!this.#isExpectedService(headers)) observer.onFailure('ACTIVE', status, false);
    else observer.onSuccess(headers.get('x-envoy-degraded') !== null);
  }

  #isExpectedService(headers: ResponseHeaders): boolean {
    if (this.#serviceName === null) return true;
    this.#observer.onServiceNameChecked();
    return this.#serviceName.match(headers.get('x-envoy-upstream-healthchecked-cluster') ?? '');
  }
}

function isIn(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ start, end }) => status >= start && status < end);
}
