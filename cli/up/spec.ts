// Reads the file that says what `remora up DIR` starts: DIR/up.yaml. All errors at once, with line and column.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isNode, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { CodedError } from '../../common/coded-error.ts';

export interface InstanceSpec {
  readonly name: string;
  readonly service: string;
  /** '' = the service has no versions. */
  readonly version: string;
  readonly app: number;
  readonly inbound: number;
  readonly outbound: number;
  readonly admin: number;
}

export interface UpSpec {
  /** The folder of up.yaml; every relative path in it starts here. */
  readonly directory: string;
  readonly controlPlane: {
    readonly config: string;
    readonly xdsPort: number;
    readonly restPort: number;
  };
  readonly instances: readonly InstanceSpec[];
  /** Program and arguments; `node` is the Node that runs us. */
  readonly application: readonly string[];
  readonly traffic: {
    readonly to: InstanceSpec;
    readonly path: string;
    readonly requestsPerSecond: number;
  } | null;
  /** Module with `export async function check(context)`, or null. */
  readonly check: string | null;
}

/** Throws CodedError 'bad-up-file' whose text lists every error. */
export function readUpSpec(directory: string): UpSpec {
  const path = join(directory, 'up.yaml');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new CodedError(
      'bad-up-file',
      `${path}: cannot be read; 'remora up' wants a folder with an up.yaml, such as examples/shop`,
    );
  }
  const reader = new Reader(path, text);
  const spec = reader.read(directory);
  if (reader.errors.length > 0 || spec === null) {
    throw new CodedError('bad-up-file', reader.errors.join('\n'));
  }
  return spec;
}

const PORT_MAX = 65535;

class Reader {
  readonly errors: string[] = [];
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document;

  constructor(path: string, text: string) {
    this.#path = path;
    this.#document = parseDocument(text, { lineCounter: this.#lines });
    for (const error of this.#document.errors) {
      this.#report(error.pos[0], error.message.split('\n')[0] ?? error.code);
    }
  }

  read(directory: string): UpSpec | null {
    const root: unknown = this.#document.contents;
    if (this.errors.length > 0) return null;
    if (!isMap(root)) {
      this.#report(0, 'expected a mapping');
      return null;
    }
    this.#only(root, ['controlPlane', 'instances', 'application', 'traffic', 'check'], '');
    const controlPlane = this.#map(root, 'controlPlane', '');
    if (controlPlane !== null) {
      this.#only(controlPlane, ['config', 'xdsPort', 'restPort'], 'controlPlane');
    }
    const instances = this.#items(root, 'instances').map((item, i) => this.#instance(item, i));
    const names = new Set<string>();
    for (const { name } of instances) {
      if (names.has(name)) this.#report(0, `instances: two are called '${name}'`);
      names.add(name);
    }
    const application = this.#items(root, 'application').map((item) => String(item));
    if (application.length === 0) this.#report(0, 'application: needs a program');
    return {
      directory,
      controlPlane: {
        config: join(directory, this.#text(controlPlane, 'config', 'controlPlane')),
        xdsPort: this.#port(controlPlane, 'xdsPort', 'controlPlane'),
        restPort: this.#port(controlPlane, 'restPort', 'controlPlane'),
      },
      instances,
      application,
      traffic: this.#traffic(root, instances),
      check: root.has('check') ? join(directory, this.#text(root, 'check', '')) : null,
    };
  }

  #instance(item: unknown, index: number): InstanceSpec {
    const path = `instances[${index}]`;
    const map = isMap(item) ? item : null;
    if (map === null) this.#report(0, `${path}: expected a mapping`);
    else
      this.#only(map, ['name', 'service', 'version', 'app', 'inbound', 'outbound', 'admin'], path);
    return {
      name: this.#text(map, 'name', path),
      service: this.#text(map, 'service', path),
      version: map?.has('version') === true ? this.#text(map, 'version', path) : '',
      app: this.#port(map, 'app', path),
      inbound: this.#port(map, 'inbound', path),
      outbound: this.#port(map, 'outbound', path),
      admin: this.#port(map, 'admin', path),
    };
  }

  #traffic(root: YAMLMap, instances: readonly InstanceSpec[]): UpSpec['traffic'] {
    if (!root.has('traffic')) return null;
    const map = this.#map(root, 'traffic', '');
    if (map === null) return null;
    this.#only(map, ['to', 'path', 'requestsPerSecond'], 'traffic');
    const name = this.#text(map, 'to', 'traffic');
    const to = instances.find((instance) => instance.name === name);
    if (to === undefined) {
      this.#at(map, 'to', `traffic.to: no instance is called '${name}'`);
      return null;
    }
    const requestsPerSecond: unknown = map.get('requestsPerSecond');
    if (typeof requestsPerSecond !== 'number' || !(requestsPerSecond > 0)) {
      this.#at(map, 'requestsPerSecond', 'traffic.requestsPerSecond: expected a number > 0');
      return null;
    }
    return { to, path: this.#text(map, 'path', 'traffic'), requestsPerSecond };
  }

  #map(parent: YAMLMap, key: string, path: string): YAMLMap | null {
    const value: unknown = parent.get(key);
    if (isMap(value)) return value;
    this.#at(parent, key, `${path === '' ? '' : `${path}.`}${key}: expected a mapping`);
    return null;
  }

  #items(parent: YAMLMap, key: string): unknown[] {
    const value: unknown = parent.get(key);
    if (
      typeof value === 'object' &&
      value !== null &&
      'items' in value &&
      Array.isArray(value.items)
    ) {
      return value.items.map((item: unknown) =>
        isMap(item) || !isNode(item) ? item : item.toJS(this.#document),
      );
    }
    this.#at(parent, key, `${key}: expected a list`);
    return [];
  }

  #text(map: YAMLMap | null, key: string, path: string): string {
    const value: unknown = map?.get(key);
    if (typeof value === 'string' && value !== '') return value;
    if (map !== null) this.#at(map, key, `${path === '' ? '' : `${path}.`}${key}: expected text`);
    return '';
  }

  #port(map: YAMLMap | null, key: string, path: string): number {
    const value: unknown = map?.get(key);
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= PORT_MAX) {
      return value;
    }
    if (map !== null) this.#at(map, key, `${path}.${key}: expected a port, 1 to ${PORT_MAX}`);
    return 0;
  }

  #only(map: YAMLMap, known: readonly string[], path: string): void {
    for (const { key } of map.items) {
      const name = String(key);
      if (known.includes(name)) continue;
      this.#at(
        map,
        name,
        `${path === '' ? '' : `${path}.`}${name}: unknown field (known: ${known.join(', ')})`,
      );
    }
  }

  /** Reports at the value of `key`, or at the mapping when it is not there. */
  #at(map: YAMLMap, key: string, message: string): void {
    const value: unknown = map.get(key, true);
    const offset = isNode(value) ? value.range?.[0] : map.range?.[0];
    this.#report(offset ?? 0, message);
  }

  #report(offset: number, message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.errors.push(`${this.#path}:${line}:${col} ${message}`);
  }
}
