// What differs between two JSON values, as fields with their paths, for people to read: xds-trace and
// `proxy-config diff`. Items of lists are matched by what they are called, so that an item more at the front is
// one line and not a hundred. Pure; bounded by `limit`.

export interface FieldChange {
  /** `virtual_hosts[orders].routes[0].route.cluster`; '' = the value as a whole. */
  readonly path: string;
  /** JSON text, cut where it is long; null = it was not there. */
  readonly before: string | null;
  /** null = it is not there any more. */
  readonly after: string | null;
}

export interface JsonDiff {
  readonly fields: readonly FieldChange[];
  /** Changes beyond the limit. */
  readonly more: number;
}

export interface JsonDiffLimits {
  /** Changes that are listed. */
  readonly fields: number;
  /** Characters of `before` and `after`. */
  readonly text: number;
}

const defaultLimits: JsonDiffLimits = { fields: 20, text: 120 };

export function diffJson(
  before: unknown,
  after: unknown,
  limits: JsonDiffLimits = defaultLimits,
): JsonDiff {
  const walk = new Walk(limits);
  walk.compare('', before, after);
  return { fields: walk.fields, more: walk.more };
}

class Walk {
  readonly fields: FieldChange[] = [];
  more = 0;
  readonly #limits: JsonDiffLimits;

  constructor(limits: JsonDiffLimits) {
    this.#limits = limits;
  }

  compare(path: string, before: unknown, after: unknown): void {
    if (Object.is(before, after)) return;
    if (Array.isArray(before) && Array.isArray(after)) this.#compareLists(path, before, after);
    else if (isObject(before) && isObject(after)) this.#compareObjects(path, before, after);
    else this.#add(path, before, after);
  }

  #compareObjects(path: string, before: JsonObject, after: JsonObject): void {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      this.compare(path === '' ? key : `${path}.${key}`, before[key], after[key]);
    }
  }

  #compareLists(path: string, before: readonly unknown[], after: readonly unknown[]): void {
    const left = keyed(before);
    const right = keyed(after);
    if (left === null || right === null) {
      for (let i = 0; i < Math.max(before.length, after.length); i++) {
        this.compare(`${path}[${i}]`, before[i], after[i]);
      }
      return;
    }
    for (const key of new Set([...left.keys(), ...right.keys()])) {
      this.compare(`${path}[${key}]`, left.get(key), right.get(key));
    }
    const order = [...left.keys()].filter((key) => right.has(key));
    const newOrder = [...right.keys()].filter((key) => left.has(key));
    if (order.join('\n') !== newOrder.join('\n')) this.#add(`${path} (order)`, order, newOrder);
  }

  #add(path: string, before: unknown, after: unknown): void {
    if (this.fields.length >= this.#limits.fields) this.more++;
    else this.fields.push({ path, before: this.#text(before), after: this.#text(after) });
  }

  #text(value: unknown): string | null {
    if (value === undefined) return null;
    const text = JSON.stringify(value);
    const { text: limit } = this.#limits;
    return text.length <= limit ? text : `${text.slice(0, limit - 3)}...`;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Items by what they are called; null when one has no name or two have the same. */
function keyed(items: readonly unknown[]): ReadonlyMap<string, unknown> | null {
  const byKey = new Map<string, unknown>();
  for (const item of items) {
    const key = nameOf(item);
    if (key === null || byKey.has(key)) return null;
    byKey.set(key, item);
  }
  return byKey;
}

function nameOf(item: unknown): string | null {
  if (!isObject(item)) return null;
  if (typeof item['name'] === 'string') return item['name'];
  const locality = item['locality'];
  if (isObject(locality)) {
    const place = ['region', 'zone', 'sub_zone'].map((key) => String(locality[key] ?? ''));
    const name = place.join('/').replace(/\/+$/, '') || 'no locality';
    return name + suffix(item['priority']);
  }
  const { endpoint } = item;
  const address = isObject(endpoint) ? endpoint['address'] : undefined;
  const socket = isObject(address) ? address['socket_address'] : undefined;
  if (isObject(socket)) return `${String(socket['address'])}:${String(socket['port_value'])}`;
  return null;
}

function suffix(priority: unknown): string {
  return typeof priority === 'number' ? ` priority ${priority}` : '';
}
