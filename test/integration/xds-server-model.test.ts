// The server's side of both protocols against a model of a client (XD-20): ten thousand random steps of publishing, subscribing by
// name and by wildcard, leaving, refusing, losing streams and coming back with right and wrong versions, with
// everything under way in between. Whenever nothing is under way the client holds what it wants of the snapshot. The
// seed stands in the message of a failure: XDS_MODEL_SEED runs it again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFullStateKind } from '../../controlplane/cache/kinds.ts';
import type { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { AdsWorld } from '../fakes/ads-node.ts';
import {
  DeltaModel,
  type Identified,
  type ModelClient,
  type ModelKind,
  modelKinds,
  SotwModel,
} from '../fakes/model-client.ts';
import { resourceOf } from '../fakes/xds-resources.ts';

const STEPS = 10_000;
const NAMES = 5;
const VARIANTS = 3;
const names = Array.from({ length: NAMES }, (_, i) => `n${i}`);

/** mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Variant 0 is the one that clients refuse. */
function resource(kind: ModelKind, name: string, variant: number): SnapshotResource {
  const varied = {
    cluster: { name, alt_stat_name: `v${variant}` },
    endpoint: { cluster_name: name, policy: { overprovisioning_factor: { value: 100 + variant } } },
    listener: { name, stat_prefix: `v${variant}` },
    route: { name, vhds: null, internal_only_headers: [`v${variant}`] },
  }[kind];
  return resourceOf(kind, name, JSON.parse(JSON.stringify(varied, (_, v) => v ?? undefined)));
}

/** All resources that there can be, by their bytes. */
const known = new Map<string, Identified & { readonly resource: SnapshotResource }>();
const byPlace = new Map<string, SnapshotResource>();
for (const kind of modelKinds) {
  for (const name of names) {
    for (let variant = 0; variant < VARIANTS; variant++) {
      const made = resource(kind, name, variant);
      byPlace.set(`${kind} ${name} ${variant}`, made);
      const { version } = made;
      const key = Buffer.from(made.bytes).toString('hex');
      known.set(`${kind} ${key}`, { name, version, isBad: variant === 0, resource: made });
    }
  }
}

function identify(bytes: Uint8Array): Identified {
  const key = Buffer.from(bytes).toString('hex');
  for (const kind of modelKinds) {
    const found = known.get(`${kind} ${key}`);
    if (found !== undefined) return found;
  }
  throw new Error(`nobody published ${key}`);
}

class Walk {
  readonly #world = new AdsWorld();
  readonly #client: ModelClient;
  readonly #random: (below: number) => number;
  #snapshot = new Map<string, SnapshotResource>();
  /** What was done since the last check, for the message. */
  #done: string[] = [];

  constructor(protocol: 'sotw' | 'delta', seed: number) {
    this.#random = randomFrom(seed);
    this.#client =
      protocol === 'delta'
        ? new DeltaModel(this.#world, identify)
        : new SotwModel(this.#world, identify);
    this.#client.connect(() => {});
    this.#publish();
  }

  step(): void {
    const random = this.#random;
    const dice = random(100);
    if (dice < 12) this.#publish();
    else if (dice < 24) this.#want();
    else if (dice < 54) this.#client.deliverToServer();
    else if (dice < 84) this.#client.deliverToClient();
    else if (dice < 87) this.#reconnect();
    else this.check();
  }

  #publish(): void {
    const random = this.#random;
    const isAll = random(10) === 0;
    for (const kind of modelKinds) {
      for (const name of names) {
        if (!isAll && random(6) > 0) continue;
        // Now and then gone, and now and then as it was.
        const variant = random(VARIANTS + 1) - 1;
        const found = byPlace.get(`${kind} ${name} ${variant}`);
        if (found === undefined) this.#snapshot.delete(`${kind} ${name}`);
        else this.#snapshot.set(`${kind} ${name}`, found);
      }
    }
    this.#done.push('publish');
    this.#world.publish(...this.#snapshot.values());
  }

  #want(): void {
    const random = this.#random;
    const kind = modelKinds[random(modelKinds.length)] ?? 'cluster';
    const wanted = names.filter(() => random(2) === 0);
    const isWildcard = random(2) === 0;
    this.#done.push(`want ${kind} ${wanted.join(',')}${isWildcard ? ' *' : ''}`);
    this.#client.want(kind, wanted, isWildcard);
  }

  #reconnect(): void {
    const random = this.#random;
    const isLying = random(3) === 0;
    this.#done.push(isLying ? 'reconnect with wrong versions' : 'reconnect');
    this.#client.connect((held) => {
      if (!isLying) return;
      const name = names[random(NAMES)] ?? '';
      held.set(name, 'never-was');
    });
  }

  /** Lets everything through; then client and snapshot must agree. */
  check(): void {
    let rounds = 0;
    while (this.#client.deliverToServer() || this.#client.deliverToClient()) {
      assert.ok(++rounds < 500, `it does not end: ${this.#done.join('; ')}`);
    }
    for (const kind of modelKinds) for (const name of names) this.#checkOne(kind, name);
    this.#done = [];
  }

  #checkOne(kind: ModelKind, name: string): void {
    const type = this.#client.types[kind];
    const published = this.#snapshot.get(`${kind} ${name}`);
    const place = `${kind} ${name} after ${this.#done.join('; ')}`;
    if (!type.wants(name)) {
      assert.equal(type.held.get(name), undefined, `${place}: not wanted`);
    } else if (published === undefined) {
      // SotW has no word for the end of a type that is asked for by name.
      const canTell = this.#client instanceof DeltaModel || isFullStateKind(kind);
      if (canTell) assert.equal(type.held.get(name), undefined, `${place}: gone`);
    } else if (identify(published.bytes).isBad) {
      assert.equal(type.refused.get(name), published.version, `${place}: was not offered`);
    } else {
      assert.equal(type.held.get(name), published.version, `${place}: not current`);
    }
  }
}

for (const protocol of ['sotw', 'delta'] as const) {
  test(`${protocol}: after any history a client holds what it wants of the snapshot`, () => {
    const seed = Number(process.env['XDS_MODEL_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
    const walk = new Walk(protocol, seed);
    let step = 0;
    try {
      for (; step < STEPS; step++) walk.step();
      walk.check();
    } catch (thrown) {
      throw new Error(`XDS_MODEL_SEED=${seed}, step ${step}: ${String(thrown)}`, { cause: thrown });
    }
  });
}
