// The gRPC side of the shop: the server of `pricing`, and the client that the other services call it with. Neither
// knows of the mesh: the server listens on loopback without TLS, the client calls its own sidecar and names the
// service it wants as the authority.

import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface Price {
  readonly item: string;
  readonly cents: number;
  readonly version: string;
  readonly instance: string;
  readonly caller: string;
}

interface PriceRequest {
  readonly item: string;
}

interface WatchRequest extends PriceRequest {
  readonly updates: number;
}

interface Pricing {
  readonly GetPrice: MethodDefinition<PriceRequest, Price>;
  readonly WatchPrices: MethodDefinition<WatchRequest, Price>;
  readonly SetPrice: MethodDefinition<Price, Price>;
}

const protoFile = fileURLToPath(new URL('pricing.proto', import.meta.url));
// pricing.proto has these methods with these messages.
const pricing = loadSync(protoFile, { defaults: true })['shop.v1.Pricing'] as unknown as Pricing;

const CALL_TIMEOUT_MS = 5000;
const UPDATE_INTERVAL_MS = 20;

/** `self` goes into every answer. */
export function startPricing(
  address: string,
  self: Pick<Price, 'version' | 'instance'>,
): Promise<Server> {
  const price = (item: string, cents: number, metadata: Metadata): Price => ({
    ...self,
    item,
    cents,
    caller: callerOf(metadata),
  });
  const getPrice: handleUnaryCall<PriceRequest, Price> = ({ request, metadata }, done) => {
    done(null, price(request.item, 1999, metadata));
  };
  const watchPrices: handleServerStreamingCall<WatchRequest, Price> = (call) => {
    let sent = 0;
    const timer = setInterval(() => {
      call.write(price(call.request.item, 1999 + sent, call.metadata));
      if (++sent < call.request.updates) return;
      clearInterval(timer);
      call.end();
    }, UPDATE_INTERVAL_MS);
    call.on('cancelled', () => clearInterval(timer));
  };
  const setPrice: handleUnaryCall<Price, Price> = ({ request }, done) => done(null, request);
  const server = new Server();
  server.addService(
    { ...pricing },
    { GetPrice: getPrice, WatchPrices: watchPrices, SetPrice: setPrice },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve(server);
      else reject(error);
    });
  });
}

/** The sidecar writes who the caller is; what a caller says of itself does not get through. */
function callerOf(metadata: Metadata): string {
  const [certificate = ''] = metadata.get('x-forwarded-client-cert');
  return /(?:^|;)URI=([^;,"]+)/.exec(String(certificate))?.[1] ?? '';
}

export class PricingClient {
  readonly #client: Client;

  /** `sidecar` is host and port of the own sidecar's outbound listener. */
  constructor(sidecar: string) {
    this.#client = new Client(sidecar, credentials.createInsecure(), {
      'grpc.default_authority': 'pricing',
    });
  }

  close(): void {
    this.#client.close();
  }

  getPrice(item: string): Promise<Price> {
    return this.#unary(pricing.GetPrice, { item });
  }

  setPrice(price: Price): Promise<Price> {
    return this.#unary(pricing.SetPrice, price);
  }

  /** Resolves with all of them when the stream has ended well; `onPrice` hears of each as it comes. */
  watchPrices(
    item: string,
    updates: number,
    timeoutMs = CALL_TIMEOUT_MS,
    onPrice: (price: Price) => void = () => {},
  ): Promise<Price[]> {
    const { path, requestSerialize, responseDeserialize } = pricing.WatchPrices;
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { item, updates },
      { deadline: Date.now() + timeoutMs },
    );
    return new Promise((resolve, reject) => {
      const prices: Price[] = [];
      call.on('data', (price: Price) => {
        prices.push(price);
        onPrice(price);
      });
      call.on('error', reject);
      call.on('end', () => resolve(prices));
    });
  }

  #unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const metadata = new Metadata({ waitForReady: true });
    const deadline = Date.now() + CALL_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline },
        (error, response) => {
          if (error !== null) reject(error);
          else if (response === undefined) reject(new Error('no answer'));
          else resolve(response);
        },
      );
    });
  }
}
