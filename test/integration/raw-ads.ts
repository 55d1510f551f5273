// An ADS server without manners: it answers each first request of a type with the resources it holds, keeps
// every request, and sends whatever bytes a test gives it. In both protocols.

import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import {
  adsPath,
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
} from '../../proto/discovery.ts';
import { until } from '../fakes/ads-harness.ts';

type Protocol = 'GRPC' | 'DELTA_GRPC';
type RawStream = ServerDuplexStream<Buffer, Buffer>;

/** A resource as it goes over the wire; the type URL may be a lie. */
export interface RawResource {
  readonly name: string;
  readonly typeUrl: string;
  readonly bytes: Uint8Array;
}

const identity = (bytes: Buffer): Buffer => bytes;

const service: ServiceDefinition = Object.fromEntries(
  Object.entries(adsPath).map(([name, path]) => [
    name,
    {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    },
  ]),
);

export class RawAds {
  /** Error texts of NACKs, as they came. */
  readonly nacks: string[] = [];
  /** Type URLs of requests, ACKs among them. */
  readonly asked: string[] = [];
  /** Streams that were opened so far. */
  streams = 0;
  readonly #protocol: Protocol;
  readonly #held: readonly SnapshotResource[];
  readonly #server = new Server();
  #stream: RawStream | null = null;
  #nonce = 0;
  #port = 0;

  private constructor(protocol: Protocol, held: readonly SnapshotResource[]) {
    this.#protocol = protocol;
    this.#held = held;
  }

  static async start(protocol: Protocol, held: readonly SnapshotResource[]): Promise<RawAds> {
    const ads = new RawAds(protocol, held);
    const serve = (stream: RawStream) => ads.#serve(stream);
    ads.#server.addService(
      service,
      Object.fromEntries(Object.keys(adsPath).map((n) => [n, serve])),
    );
    ads.#port = await new Promise((resolve, reject) => {
      const insecure = ServerCredentials.createInsecure();
      ads.#server.bindAsync('127.0.0.1:0', insecure, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return ads;
  }

  get port(): number {
    return this.#port;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  /** Any bytes as a response message. */
  sendBytes(bytes: Buffer): void {
    if (this.#stream === null) throw new Error('no stream');
    this.#stream.write(bytes);
  }

  /** A well-formed response of that type with these resources. */
  send(typeUrl: string, resources: readonly RawResource[]): void {
    const nonce = `n${++this.#nonce}`;
    this.sendBytes(
      this.#protocol === 'GRPC'
        ? encodeDiscoveryResponse({
            versionInfo: nonce,
            resources: resources.map((one) => ({ typeUrl: one.typeUrl, value: one.bytes })),
            typeUrl,
            nonce,
            controlPlane: 'raw',
          })
        : encodeDeltaDiscoveryResponse({
            systemVersionInfo: nonce,
            resources: resources.map((one) => ({
              name: one.name,
              version: nonce,
              resource: { typeUrl: one.typeUrl, value: one.bytes },
            })),
            typeUrl,
            removedResources: [],
            nonce,
            controlPlane: 'raw',
          }),
    );
  }

  /** The next NACK's text. */
  async nack(): Promise<string> {
    await until('a NACK comes', () => this.nacks.length > 0);
    return this.nacks.shift() ?? '';
  }

  #serve(stream: RawStream): void {
    this.#stream = stream;
    this.streams++;
    const answered = new Set<SnapshotResource>();
    stream.on('error', () => {}); // the peer went away, as it should after garbage
    stream.on('data', (bytes: Buffer) => {
      const { typeUrl, names, error } = this.#read(bytes);
      this.asked.push(typeUrl);
      if (error !== null) this.nacks.push(error);
      const wanted = this.#held.filter(
        (one) => one.typeUrl === typeUrl && (names.length === 0 || names.includes(one.name)),
      );
      const isNew = wanted.some((one) => !answered.has(one));
      for (const one of wanted) answered.add(one);
      if (isNew) this.send(typeUrl, wanted);
    });
    stream.on('end', () => stream.end());
  }

  #read(bytes: Buffer) {
    if (this.#protocol === 'GRPC') {
      const { typeUrl, resourceNames, errorDetail } = decodeDiscoveryRequest(bytes);
      return { typeUrl, names: resourceNames, error: errorDetail?.message ?? null };
    }
    const { typeUrl, subscribe, errorDetail } = decodeDeltaDiscoveryRequest(bytes);
    return { typeUrl, names: subscribe, error: errorDetail?.message ?? null };
  }
}
