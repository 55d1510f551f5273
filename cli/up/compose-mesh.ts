// A mesh that docker-compose already runs (docker-compose.yml): found, checked, and left as it was found. Its
// services are named as up.yaml names the instances: `<instance>` is the application, `<instance>-sidecar` its
// sidecar, `controlplane` the control plane. Ports that up.yaml gives are published on 127.0.0.1 where a check
// needs them.

import { CodedError, errorText } from '../../common/coded-error.ts';
import { type MeshObject, RestClient, RestError } from '../rest-client.ts';
import { composeContainers, containerStates, docker } from './docker.ts';
import type { Mesh } from './mesh.ts';
import type { InstanceSpec, UpSpec } from './spec.ts';

const CONTROL_PLANE = 'controlplane';
const API_TOKEN_FILE = '/run/remora/api/token';
/** Of every sidecar: each has a loopback interface of its own. */
const ADMIN_PORT = 19000;
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 500;

/** The image has no curl, but it has Node. */
const FETCH = 'fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))';

export class ComposeMesh implements Mesh {
  readonly spec: UpSpec;
  readonly isOurs = false;
  readonly logs = 'docker-compose logs';
  readonly #directory: string;
  readonly #project: string | null;
  #api: RestClient | null = null;
  #containers: ReadonlyMap<string, string> = new Map();
  readonly #killed = new Set<string>();
  /** What was there before `apply`, by kind, namespace and name; null = nothing. */
  readonly #replaced = new Map<string, { readonly key: Key; readonly before: MeshObject | null }>();

  /** `directory` holds docker-compose.yml; `project` is $COMPOSE_PROJECT_NAME or null. */
  constructor(spec: UpSpec, directory: string, project: string | null) {
    this.spec = spec;
    this.#directory = directory;
    this.#project = project;
  }

  get api(): RestClient {
    if (this.#api === null) throw new Error('not attached yet');
    return this.#api;
  }

  async start(): Promise<void> {
    this.#containers = await composeContainers(this.#directory, this.#project);
    const services = this.#services();
    const missing = services.filter((service) => !this.#containers.has(service));
    if (missing.length > 0) {
      throw new CodedError(
        'mesh-failed',
        `no container of ${missing.join(', ')} in ${this.#directory}; start them with: docker-compose up -d --build`,
      );
    }
    await this.#untilHealthy(services);
    const token = await docker('exec', this.#id(CONTROL_PLANE), 'cat', API_TOKEN_FILE);
    this.#api = new RestClient(`http://127.0.0.1:${this.spec.controlPlane.restPort}`, token.trim());
  }

  /** Remembers what it replaces: `stop` puts that back. */
  async apply(object: object): Promise<void> {
    const key = keyOf(object);
    const id = Object.values(key).join('/');
    if (!this.#replaced.has(id)) this.#replaced.set(id, { key, before: await this.#existing(key) });
    await this.api.apply(object);
  }

  admin(instance: InstanceSpec, page: string): Promise<string> {
    const url = `http://127.0.0.1:${ADMIN_PORT}${page}`;
    return docker('exec', this.#id(sidecarOf(instance)), 'node', '-e', FETCH, url);
  }

  async killApplication(instance: InstanceSpec): Promise<void> {
    this.#killed.add(instance.name);
    await docker('kill', this.#id(instance.name));
  }

  async failure(): Promise<string | null> {
    const services = this.#services().filter((service) => !this.#killed.has(service));
    try {
      const states = await this.#states(services);
      const down = services.filter((_, i) => states[i]?.startsWith('running') !== true);
      return down.length === 0 ? null : `no longer running: ${down.join(', ')}; see: ${this.logs}`;
    } catch (thrown) {
      return errorText(thrown);
    }
  }

  /** The containers go on; only what a check did is undone. */
  async stop(): Promise<void> {
    for (const service of this.#killed) await docker('start', this.#id(service));
    this.#killed.clear();
    for (const { key, before } of this.#replaced.values()) {
      if (before === null) await this.api.delete(key.kind, key.namespace, key.name);
      else await this.api.apply(withoutRevision(before));
    }
    this.#replaced.clear();
  }

  async #existing({ kind, namespace, name }: Key): Promise<MeshObject | null> {
    try {
      return await this.api.get(kind, namespace, name);
    } catch (thrown) {
      if (thrown instanceof RestError && thrown.httpStatus === 404) return null;
      throw thrown;
    }
  }

  async #untilHealthy(services: readonly string[]): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const states = await this.#states(services);
      const waiting = services.filter((_, i) => states[i] !== 'running healthy');
      if (waiting.length === 0) return;
      if (performance.now() > deadline) {
        throw new CodedError(
          'mesh-failed',
          `not healthy after ${READY_TIMEOUT_MS / 1000} s: ${waiting.join(', ')}; see: docker-compose ps`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  #states(services: readonly string[]): Promise<readonly string[]> {
    return containerStates(services.map((service) => this.#id(service)));
  }

  #services(): string[] {
    return [
      CONTROL_PLANE,
      ...this.spec.instances.flatMap((instance) => [instance.name, sidecarOf(instance)]),
    ];
  }

  #id(service: string): string {
    const id = this.#containers.get(service);
    if (id === undefined) throw new CodedError('mesh-failed', `no container of ${service}`);
    return id;
  }
}

interface Key {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

function keyOf(object: object): Key {
  // A check writes mesh documents; the control plane refuses everything else.
  const { kind, metadata } = object as MeshObject;
  return { kind, namespace: metadata.namespace ?? 'default', name: metadata.name };
}

/** Without the compare-and-set that a resourceVersion asks for. */
function withoutRevision(object: MeshObject): object {
  const { status: _status, metadata, ...rest } = object;
  const { resourceVersion: _version, ...kept } = metadata;
  return { ...rest, metadata: kept };
}

function sidecarOf(instance: InstanceSpec): string {
  return `${instance.name}-sidecar`;
}
