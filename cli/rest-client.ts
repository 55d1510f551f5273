// Client of the control plane's REST API, for `ctl` and `up`. Knows paths and bodies; prints nothing.

import { CodedError, errorText } from '../common/coded-error.ts';

/** A mesh object as JSON; the control plane knows the schemas. */
export interface MeshObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly source?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message: string;
    }[];
  };
}

export interface ProxyStatus {
  readonly node: string;
  readonly service: string;
  readonly version: string | null;
  readonly address: string;
  /** `envoy/1.40.0`; '' = it never came. */
  readonly client: string;
  readonly stream: { readonly protocol: string; readonly connectedSeconds: number } | null;
  readonly types: Readonly<Record<string, ProxyTypeStatus>>;
  readonly waits: readonly {
    readonly type: string;
    readonly name: string;
    readonly reason: string;
    readonly seconds: number;
  }[];
}

export interface ProxyTypeStatus {
  readonly state: string;
  /** ISO time; null = unknown. */
  readonly since: string | null;
  readonly error: string | null;
}

export interface ServedResource {
  /** `CDS`. */
  readonly type: string;
  /** `cluster`. */
  readonly kind: string;
  readonly name: string;
  readonly state: string;
  readonly version: string;
  readonly acceptedVersion: string;
  readonly resource: unknown;
}

export interface FieldChange {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface ResourceChange {
  readonly type: string;
  readonly name: string;
  readonly change: string;
  readonly fields: readonly FieldChange[];
  readonly more: number;
}

export interface ServiceLoad {
  /** `orders.default`; '' for a cluster of which the mesh knows no Service. */
  readonly service: string;
  readonly version: string | null;
  readonly cluster: string;
  readonly droppedPerSecond: number;
  readonly localities: readonly {
    readonly locality: string;
    readonly priority: number;
    readonly requestsPerSecond: number;
    readonly errorRatio: number;
    readonly inProgress: number;
    readonly reporters: number;
  }[];
}

/** What GET /v1/proxy-config and its /diff answer. */
export interface OfNode<Item> {
  readonly node: string;
  readonly isConnected: boolean;
  readonly items: readonly Item[];
}

export interface ProxyStatusList {
  /** Of the documents, and of those that the snapshots were last made from. */
  readonly revision: number;
  readonly reconciledRevision: number;
  readonly items: readonly ProxyStatus[];
}

export interface AppliedObject {
  readonly key: string;
  readonly change: string;
}

export interface PolicyExplanation {
  readonly about: string;
  readonly sections: readonly {
    readonly title: string;
    readonly sentences: readonly { readonly text: string; readonly source: string }[];
  }[];
  readonly xds: Readonly<Record<string, unknown>>;
}

/** A refusal by the API; `message` has one line per problem, fit for a terminal. */
export class RestError extends CodedError {
  readonly httpStatus: number;

  constructor(httpStatus: number, code: string, message: string) {
    super(code, message);
    this.name = 'RestError';
    this.httpStatus = httpStatus;
  }
}

const TIMEOUT_MS = 10_000;

export class RestClient {
  readonly #base: string;
  readonly #token: string | null;

  /** `base` such as `http://127.0.0.1:18080`; `token` only for an API that asks for one. */
  constructor(base: string, token: string | null) {
    this.#base = base.replace(/\/+$/, '');
    this.#token = token;
  }

  /** True once it answers; never throws. */
  async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.#base}/healthz`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return response.ok;
    } catch {
      return false; // not listening yet
    }
  }

  async list(kind: string, namespace: string | null): Promise<readonly MeshObject[]> {
    const query = new URLSearchParams({ kind, ...(namespace === null ? {} : { namespace }) });
    const { items } = await this.#call<{ items: readonly MeshObject[] }>(
      'GET',
      `/v1/resources?${query}`,
    );
    return items;
  }

  get(kind: string, namespace: string, name: string): Promise<MeshObject> {
    return this.#call('GET', objectPath(kind, namespace, name));
  }

  /** Creates or replaces one object. */
  async apply(object: object): Promise<void> {
    await this.applyFiles([{ name: 'object', text: JSON.stringify(object) }]);
  }

  /** All or none. `name` stands in error positions. */
  async applyFiles(
    files: readonly { readonly name: string; readonly text: string }[],
  ): Promise<readonly AppliedObject[]> {
    const { results } = await this.#call<{ results: readonly AppliedObject[] }>(
      'POST',
      '/v1/apply',
      {
        files,
      },
    );
    return results;
  }

  delete(kind: string, namespace: string, name: string): Promise<AppliedObject> {
    return this.#call('DELETE', objectPath(kind, namespace, name));
  }

  proxyStatus(): Promise<ProxyStatusList> {
    return this.#call('GET', '/v1/proxy-status');
  }

  /** True when at least `count` sidecars are connected and every one has taken the newest documents. */
  async allSynced(count: number): Promise<boolean> {
    const { revision, reconciledRevision, items } = await this.proxyStatus();
    const connected = items.filter((status) => status.stream !== null);
    return (
      reconciledRevision >= revision &&
      connected.length >= count &&
      connected.every((status) =>
        Object.values(status.types).every(
          // Programs that are their own proxy do not ask for secrets, and clients among them for no listeners of a server.
          (type) => type.state === 'SYNCED' || (isGrpc(status) && type.state === 'NOT_SENT'),
        ),
      )
    );
  }

  /** What the control plane serves a node; `kind` null = all. */
  proxyConfig(node: string, kind: string | null): Promise<OfNode<ServedResource>> {
    const query = new URLSearchParams({ node, ...(kind === null ? {} : { kind }) });
    return this.#call('GET', `/v1/proxy-config?${query}`);
  }

  /** What happens to the node's resources when it takes the current ones. */
  proxyConfigDiff(node: string): Promise<OfNode<ResourceChange>> {
    return this.#call('GET', `/v1/proxy-config/diff?${new URLSearchParams({ node })}`);
  }

  /** `service`: `<name>.<namespace>`; null = all. */
  async loads(service: string | null): Promise<readonly ServiceLoad[]> {
    const query = service === null ? '' : `?${new URLSearchParams({ service })}`;
    const { items } = await this.#call<{ items: readonly ServiceLoad[] }>(
      'GET',
      `/v1/load${query}`,
    );
    return items;
  }

  /** Lines of JSON as they come, until `signal` fires (then it ends) or the control plane goes (throws). */
  async *trace(node: string, signal: AbortSignal): AsyncGenerator<string> {
    const path = `/v1/xds-trace?${new URLSearchParams({ node })}`;
    try {
      const response = await this.#fetch('GET', path, signal);
      if (!response.ok) throw refusal(response.status, await response.text(), this.#base);
      let rest = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        yield* lines;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      if (thrown instanceof CodedError) throw thrown;
      const why = `the control plane at ${this.#base} ended the trace (${causeText(thrown)})`;
      throw new CodedError('unreachable', why, { cause: thrown });
    }
  }

  configDump(node: string): Promise<Readonly<Record<string, unknown>>> {
    return this.#call('GET', `/v1/config-dump?${new URLSearchParams({ node })}`);
  }

  /** What happens to calls of the service. */
  explainPolicy(service: string, namespace: string): Promise<PolicyExplanation> {
    return this.#call('GET', `/v1/explain/policy?${new URLSearchParams({ service, namespace })}`);
  }

  /** A token with which sidecars of the service can join. */
  async createToken(service: string, namespace = 'default', ttlSeconds?: number): Promise<string> {
    const { token } = await this.#call<{ token: string }>('POST', '/v1/tokens', {
      service,
      namespace,
      ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    });
    return token;
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.#fetch(method, path, AbortSignal.timeout(TIMEOUT_MS), body);
    const text = await response.text();
    if (!response.ok) throw refusal(response.status, text, this.#base);
    return JSON.parse(text) as T; // the API's own answers
  }

  async #fetch(
    method: string,
    path: string,
    signal: AbortSignal,
    body?: object,
  ): Promise<Response> {
    try {
      return await fetch(this.#base + path, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal,
      });
    } catch (thrown) {
      throw new CodedError(
        'unreachable',
        `no control plane answers at ${this.#base} (${causeText(thrown)}); start one with: remora controlplane --config DIR, or name it with --server`,
        { cause: thrown },
      );
    }
  }
}

function isGrpc({ client }: ProxyStatus): boolean {
  return client.startsWith('gRPC');
}

function objectPath(kind: string, namespace: string, name: string): string {
  return `/v1/resources/${[kind, namespace, name].map(encodeURIComponent).join('/')}`;
}

function causeText(thrown: unknown): string {
  return thrown instanceof Error && thrown.cause !== undefined
    ? errorText(thrown.cause) || 'connection failed'
    : errorText(thrown);
}

function refusal(httpStatus: number, text: string, base: string): RestError {
  if (httpStatus === 401) {
    return new RestError(
      401,
      'unauthenticated',
      `${base} wants an API token: give --api-token-file FILE`,
    );
  }
  try {
    const { error } = JSON.parse(text) as {
      error: { code: string; message: string; problems?: readonly { text: string }[] };
    };
    const problems = (error.problems ?? []).map((problem) => problem.text);
    return new RestError(httpStatus, error.code, [...problems, error.message].join('\n'));
  } catch {
    return new RestError(
      httpStatus,
      'unexpected-answer',
      `${base} answered ${httpStatus}; is that a Remora control plane?`,
    );
  }
}
