// A mesh of child processes, started in order: control plane, tokens, applications, sidecars.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodedError, errorText } from '../../common/coded-error.ts';
import { RestClient } from '../rest-client.ts';
import type { Mesh } from './mesh.ts';
import { Processes } from './processes.ts';
import type { InstanceSpec, UpSpec } from './spec.ts';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

/** A mesh that runs below this process. */
export class ProcessMesh implements Mesh {
  readonly spec: UpSpec;
  readonly isOurs = true;
  readonly api: RestClient;
  readonly directory: string;
  readonly #processes: Processes;
  #failure: string | null = null;

  constructor(spec: UpSpec) {
    this.spec = spec;
    this.api = new RestClient(`http://127.0.0.1:${spec.controlPlane.restPort}`, null);
    this.directory = mkdtempSync(join(os.tmpdir(), 'remora-up-'));
    this.#processes = new Processes(join(this.directory, 'logs'), (name, how) => {
      this.#failure ??= `${name} ended by itself (${how}); its log: ${this.#processes.logOf(name)}`;
    });
  }

  get logs(): string {
    return join(this.directory, 'logs');
  }

  async failure(): Promise<string | null> {
    return this.#failure;
  }

  async start(): Promise<void> {
    const { controlPlane, instances } = this.spec;
    this.#remora('controlplane', [
      'controlplane',
      '--config',
      controlPlane.config,
      '--xds-port',
      String(controlPlane.xdsPort),
      '--rest-port',
      String(controlPlane.restPort),
    ]);
    await this.#until('the control plane', () => this.api.isReady());
    const tokens = await this.#writeTokens();
    for (const instance of instances) this.#startApplication(instance);
    for (const instance of instances) this.#startSidecar(instance, tokens);
    for (const instance of instances) {
      await this.#until(`the sidecar of ${instance.name}`, async () =>
        (await this.admin(instance, '/ready')).startsWith('LIVE'),
      );
    }
  }

  apply(object: object): Promise<void> {
    return this.api.apply(object);
  }

  async admin(instance: InstanceSpec, page: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${instance.admin}${page}`);
    return response.text();
  }

  async killApplication(instance: InstanceSpec): Promise<void> {
    this.#processes.kill(appName(instance));
  }

  async stop(): Promise<void> {
    await this.#processes.stopAll();
    rmSync(join(this.directory, 'tokens'), { recursive: true, force: true });
  }

  #startApplication(instance: InstanceSpec): void {
    const [program = '', ...args] = this.spec.application;
    this.#processes.start(appName(instance), {
      command: program === 'node' ? process.execPath : program,
      args,
      cwd: this.spec.directory,
      env: {
        PORT: String(instance.app),
        SERVICE: instance.service,
        VERSION: instance.version,
        INSTANCE: instance.name,
        OUTBOUND_URL: `http://127.0.0.1:${instance.outbound}`,
      },
    });
  }

  #startSidecar(instance: InstanceSpec, tokens: string): void {
    this.#remora(`sidecar-${instance.name}`, [
      'proxy',
      '--join',
      `127.0.0.1:${this.spec.controlPlane.xdsPort}`,
      '--service',
      instance.service,
      ...(instance.version === '' ? [] : ['--version', instance.version]),
      '--app-port',
      String(instance.app),
      '--inbound-port',
      String(instance.inbound),
      '--outbound-port',
      String(instance.outbound),
      '--admin-port',
      String(instance.admin),
      '--advertise-address',
      '127.0.0.1',
      '--token-file',
      join(tokens, `${instance.service}.token`),
      '--state-dir',
      join(this.directory, 'sidecars'),
      '--concurrency',
      '1',
    ]);
  }

  /** One token per service, readable by us alone. */
  async #writeTokens(): Promise<string> {
    const directory = join(this.directory, 'tokens');
    mkdirSync(directory);
    chmodSync(directory, 0o700);
    for (const service of new Set(this.spec.instances.map((instance) => instance.service))) {
      const token = await this.api.createToken(service);
      writeFileSync(join(directory, `${service}.token`), token, { mode: 0o600 });
    }
    return directory;
  }

  #remora(name: string, args: readonly string[]): void {
    // The launcher, beside cli/ as source and beside dist/ compiled.
    const compiled = import.meta.url.includes('/dist/cli/');
    const main = fileURLToPath(new URL(compiled ? '../main.js' : '../main.ts', import.meta.url));
    this.#processes.start(name, {
      command: process.execPath,
      args: [main, ...args],
      cwd: process.cwd(),
      env: {},
    });
  }

  async #until(what: string, probe: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let last = 'no answer';
    for (;;) {
      if (this.#failure !== null) throw new CodedError('mesh-failed', this.#failure);
      try {
        if (await probe()) return;
      } catch (thrown) {
        last = errorText(thrown);
      }
      if (performance.now() > deadline) {
        throw new CodedError(
          'mesh-failed',
          `${what} did not get ready in ${START_TIMEOUT_MS / 1000} s (${last}); logs: ${this.logs}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function appName(instance: InstanceSpec): string {
  return `app-${instance.name}`;
}
