// A small incremental xDS server, of the aggregated stream and of own ones, for tests of what clients ask for on demand. It holds resources of any type, writes
// down every request that is more than an ACK, and answers a name that it does not have with removed_resources, or not
// at all where it was told to keep silent.

import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { adsTypeOrder, xdsTypes } from '../../dataplane/api/resource-compiler.ts';
import { encodeMessage, packAny } from '../../proto/any.ts';
import { adsPath, decodeDeltaDiscoveryRequest } from '../../proto/discovery.ts';
import { messageFromJson } from '../../proto/json.ts';
import type { JsonValue } from '../../proto/plain.ts';
import { typeUrl } from '../../proto/type-urls.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost';

interface Held {
  /** Null = the answer of VHDS for a host that nobody serves: no content, and its name as alias. */
  readonly any: ReturnType<typeof packAny> | null;
  readonly version: string;
  readonly aliases: readonly string[];
}

/** What one stream has asked for of one type. */
interface Subscribed {
  isWildcard: boolean;
  readonly names: Set<string>;
}

export interface LoggedRequest {
  /** Full message name. */
  readonly type: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** '' = no NACK. */
  readonly error: string;
}

/** See the file head. */
export class DeltaServer {
  readonly requests: LoggedRequest[] = [];
  /** Virtual hosts that answer the empty first request of their type: it does not mean all. */
  readonly preloaded: string[] = [];
  /** Names that no answer comes for until they are set. */
  readonly silentAbout = new Set<string>();
  readonly #held = new Map<string, Map<string, Held>>();
  readonly #streams = new Map<Call, Map<string, Subscribed>>();
  readonly #server = new Server();
  #port = 0;
  #version = 0;

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    const same = (bytes: Buffer): Buffer => bytes;
    const own = adsTypeOrder.map((kind) => {
      const { service, method } = xdsTypes[kind];
      return `/${service}/Delta${method}`;
    });
    for (const path of [adsPath.delta, ...own]) {
      this.#server.addService(
        {
          delta: {
            path,
            requestStream: true,
            responseStream: true,
            requestSerialize: same,
            requestDeserialize: same,
            responseSerialize: same,
            responseDeserialize: same,
          },
        },
        { delta: (call: Call) => this.#onStream(call) },
      );
    }
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) =>
        error === null ? resolve(at) : reject(error),
      );
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }

  /** `json` null: nobody serves that host. Streams that want it are told. */
  set(type: string, name: string, json: JsonValue | null, aliases: readonly string[] = []): void {
    let ofType = this.#held.get(type);
    if (ofType === undefined) {
      ofType = new Map();
      this.#held.set(type, ofType);
    }
    this.#version++;
    const any = json === null ? null : pack(type, json);
    const version = json === null ? '' : `${this.#version}`;
    ofType.set(name, { any, version, aliases: json === null ? [name] : aliases });
    for (const [call, types] of this.#streams) {
      const subscribed = types.get(type);
      if (subscribed === undefined) continue;
      const isWanted = [name, ...aliases].some((of) => isSubscribed(subscribed, of));
      if (isWanted) this.#send(call, type, [name], []);
    }
  }

  /** Streams that want it hear that it is gone. */
  remove(type: string, name: string): void {
    const ofType = this.#held.get(type);
    const aliases = ofType?.get(name)?.aliases ?? [];
    ofType?.delete(name);
    for (const [call, types] of this.#streams) {
      const subscribed = types.get(type);
      if (subscribed === undefined) continue;
      const isWanted = [name, ...aliases].some((of) => isSubscribed(subscribed, of));
      if (isWanted) this.#send(call, type, [], [name]);
    }
  }

  /** Names asked for, of one type and over all streams, in order. */
  asked(type: string): string[] {
    return this.requests.flatMap((request) => (request.type === type ? request.subscribe : []));
  }

  nacks(): string[] {
    return this.requests.map(({ error }) => error).filter((error) => error !== '');
  }

  #onStream(call: Call): void {
    const types = new Map<string, Subscribed>();
    this.#streams.set(call, types);
    const forget = (): void => {
      this.#streams.delete(call);
    };
    call.on('data', (bytes: Buffer) => this.#onRequest(call, types, bytes));
    call.on('end', () => {
      forget();
      call.end();
    });
    call.on('error', forget);
    call.on('cancelled', forget);
  }

  #onRequest(call: Call, types: Map<string, Subscribed>, bytes: Buffer): void {
    const request = decodeDeltaDiscoveryRequest(bytes);
    const { subscribe, unsubscribe } = request;
    const type = request.typeUrl.slice(request.typeUrl.lastIndexOf('/') + 1);
    const error = request.errorDetail?.message ?? '';
    const isFirst = !types.has(type);
    if (isFirst || subscribe.length > 0 || unsubscribe.length > 0 || error !== '') {
      this.requests.push({ type, subscribe, unsubscribe, error });
    }
    let subscribed = types.get(type);
    if (subscribed === undefined) {
      const isWildcard = subscribe.length === 0 && type !== VIRTUAL_HOST;
      subscribed = { isWildcard, names: new Set() };
      types.set(type, subscribed);
    }
    for (const name of unsubscribe) subscribed.names.delete(name);
    for (const name of subscribe) {
      if (name === '*') subscribed.isWildcard = true;
      else subscribed.names.add(name);
    }
    const held = this.#held.get(type) ?? new Map<string, Held>();
    const all = (isFirst && subscribed.isWildcard) || subscribe.includes('*');
    const isGreeting = isFirst && type === VIRTUAL_HOST;
    const found = [...held].flatMap(([name, { aliases }]) => {
      const isAsked = [name, ...aliases].some((of) => subscribe.includes(of));
      const isGiven = isGreeting && this.preloaded.includes(name);
      return all || isAsked || isGiven ? [name] : [];
    });
    const known = new Set(found.flatMap((name) => [name, ...(held.get(name)?.aliases ?? [])]));
    const missing = subscribe.filter(
      (name) => name !== '*' && !known.has(name) && !this.silentAbout.has(name),
    );
    if (all || found.length > 0 || missing.length > 0) this.#send(call, type, found, missing);
  }

  #send(call: Call, type: string, names: readonly string[], removed: readonly string[]): void {
    const held = this.#held.get(type);
    const resources = names.flatMap((name) => {
      const one = held?.get(name);
      if (one === undefined) return [];
      const { any, version, aliases } = one;
      return [{ name, version, aliases: [...aliases], ...(any === null ? {} : { resource: any }) }];
    });
    const message = {
      type_url: typeUrl(type),
      resources,
      removed_resources: [...removed],
      nonce: `${++this.#version}`,
      system_version_info: `${this.#version}`,
    };
    call.write(
      Buffer.from(encodeMessage('envoy.service.discovery.v3.DeltaDiscoveryResponse', message)),
    );
  }
}

function isSubscribed(subscribed: Subscribed, name: string): boolean {
  return subscribed.isWildcard || subscribed.names.has(name);
}

function pack(type: string, json: JsonValue): ReturnType<typeof packAny> {
  const read = messageFromJson(type, json, { unknownFields: 'error' });
  if (!read.ok) throw new Error(`${type}: ${JSON.stringify(read.errors)}`);
  // messageFromJson checked it against that very type.
  return packAny(type, read.value.message as never);
}
