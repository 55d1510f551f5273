// Stands between a source and the xDS client: what is wanted and the server has not told within the grace comes from what
// was good last. It goes the way of any update (compile, validate, wait for what it needs); the server's word replaces it
// whenever it comes. server/ puts it around each source that asks a server.
//
//   wanted --the server tells--> told
//      `--grace is over--> restored (as much as was kept) --the server tells--> told
//
// A delta server has to hear what is held, or it would never say that it is gone: so the stream begins anew after a
// restoration. Of a removed name it says so, and what is equal is not touched, because its hash is.

import type { Timer, TimerService } from '../../../common/timer.ts';
import { adsTypeOrder, type ResourceKind, typeUrlOf } from '../../api/resource-compiler.ts';
import type { ResourceSource, SourceOwner, Update } from '../resource-source.ts';
import type { SavedResource } from './snapshot.ts';

export interface LastGoodSourceOptions {
  /** Of this source, as they were kept. */
  readonly saved: readonly SavedResource[];
  readonly graceMs: number;
  /** The server has to be told what is held, on a new stream. */
  readonly isDelta: boolean;
  readonly timers: TimerService;
  /** The server told something that was taken. */
  readonly onTold: () => void;
  /** So many resources were put to use. */
  readonly onRestored: (count: number) => void;
}

/** What of one kind is wanted and has not been told. */
class Wanted {
  /** Names that came with a time to live. */
  readonly fleeting = new Set<string>();
  isAllWanted = false;
  isAllTold = false;
  readonly names = new Set<string>();
  readonly told = new Set<string>();
}

export class LastGoodSource implements ResourceSource, SourceOwner {
  readonly #options: LastGoodSourceOptions;
  readonly #owner: SourceOwner;
  readonly #inner: ResourceSource;
  readonly #wanted: ReadonlyMap<ResourceKind, Wanted>;
  /** By kind, then by name; what was told or restored is taken out. */
  readonly #saved = new Map<ResourceKind, Map<string, SavedResource>>();
  readonly #timer: Timer;
  /** The grace was over once, and the server has told nothing since. */
  #isAway = false;
  #isRestoring = false;
  #isRunning = false;

  /** `open` makes the source, which is to tell this object. */
  constructor(
    options: LastGoodSourceOptions,
    owner: SourceOwner,
    open: (owner: SourceOwner) => ResourceSource,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#wanted = new Map(adsTypeOrder.map((kind) => [kind, new Wanted()]));
    for (const resource of options.saved) {
      const ofKind = this.#saved.get(resource.kind) ?? new Map<string, SavedResource>();
      this.#saved.set(resource.kind, ofKind.set(resource.name, resource));
    }
    this.#timer = options.timers.createTimer(restoreNow, this);
    this.#inner = open(this);
  }

  start(): void {
    this.#isRunning = true;
    this.#inner.start();
    this.#watch();
  }

  stop(): void {
    this.#isRunning = false;
    this.#timer.stop();
    this.#inner.stop();
  }

  subscribeToAll(kind: ResourceKind): void {
    this.#of(kind).isAllWanted = true;
    this.#inner.subscribeToAll(kind);
    this.#watch();
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    this.#of(kind).isAllWanted = false;
    this.#inner.unsubscribeFromAll(kind);
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    const { names, told, fleeting } = this.#of(kind);
    for (const name of added) names.add(name);
    for (const name of removed) {
      names.delete(name);
      fleeting.delete(name);
      // Names may be those of requests: no list of them may grow.
      if (told.delete(name)) this.#saved.get(kind)?.delete(name);
    }
    this.#inner.changeNames(kind, added, removed);
    this.#watch();
  }

  /** It lives for as long as the server renews it: nothing to keep on disk. */
  isFleeting(kind: ResourceKind, name: string): boolean {
    return this.#of(kind).fleeting.has(name);
  }

  /** Timer. */
  restore(): void {
    if (this.#isRestoring) return;
    this.#isRestoring = true;
    let count = 0;
    // What is restored makes others wanted.
    for (;;) {
      const before = count;
      for (const kind of adsTypeOrder) count += this.#restoreKind(kind);
      if (count === before) break;
    }
    this.#isRestoring = false;
    if (count === 0) return;
    this.#isAway = true;
    this.#options.onRestored(count);
    if (!this.#options.isDelta) return;
    this.#inner.stop();
    this.#inner.start();
  }

  // --- SourceOwner ---

  receive(update: Update): string | null {
    this.#isAway = false;
    const wanted = this.#of(update.kind);
    if (wanted.isAllWanted) wanted.isAllTold = true;
    const tell = (name: string): void => {
      if (wanted.names.has(name)) wanted.told.add(name);
      this.#saved.get(update.kind)?.delete(name);
    };
    if (update.isFullState) {
      wanted.fleeting.clear();
      // What it does not name is gone.
      this.#saved.delete(update.kind);
    }
    for (const { name, ttlMs } of update.resources) {
      if (name === '') continue;
      tell(name);
      if (ttlMs === undefined) wanted.fleeting.delete(name);
      else wanted.fleeting.add(name);
    }
    for (const name of update.removed) {
      tell(name);
      wanted.fleeting.delete(name);
    }
    for (const { name } of update.errors ?? []) tell(name);
    // State of the world names nobody outside: all that was asked for by name is in it, or is not there.
    if (update.isWhole === true || update.resources.some(({ name }) => name === '')) {
      for (const name of wanted.names) wanted.told.add(name);
    }
    // What is wanted from now on has a grace of its own.
    if (this.#timer.isArmed() && !this.#canRestore()) this.#timer.stop();
    const problems = this.#owner.receive(update);
    this.#options.onTold();
    return problems;
  }

  settle(): void {
    this.#owner.settle();
  }

  knownVersions(kind: ResourceKind): ReadonlyMap<string, string> {
    return this.#owner.knownVersions(kind);
  }

  onRequest(kind: ResourceKind): void {
    this.#owner.onRequest(kind);
  }

  /** It cannot be asked: there is nothing to wait for. */
  onFailure(kind: ResourceKind): void {
    this.#owner.onFailure(kind);
    if (this.#isRunning && !this.#isRestoring && this.#canRestore()) this.#timer.start(0);
  }

  #of(kind: ResourceKind): Wanted {
    const wanted = this.#wanted.get(kind);
    if (wanted === undefined) throw new Error(`no resources of kind ${kind}`);
    return wanted;
  }

  #watch(): void {
    if (!this.#isRunning || this.#isRestoring || !this.#canRestore()) return;
    if (this.#isAway) this.#timer.start(0);
    else if (!this.#timer.isArmed()) this.#timer.start(this.#options.graceMs);
  }

  #canRestore(): boolean {
    return adsTypeOrder.some((kind) => this.#missing(kind).length > 0);
  }

  /** What was kept of the kind, is wanted, and was not told. */
  #missing(kind: ResourceKind): SavedResource[] {
    const saved = this.#saved.get(kind);
    if (saved === undefined) return [];
    const { isAllWanted, isAllTold, names, told } = this.#of(kind);
    if (isAllWanted && !isAllTold) return [...saved.values()];
    return [...names].flatMap((name) => {
      const resource = told.has(name) ? undefined : saved.get(name);
      return resource === undefined ? [] : [resource];
    });
  }

  #restoreKind(kind: ResourceKind): number {
    const resources = this.#missing(kind);
    if (resources.length === 0) return 0;
    for (const { name } of resources) this.#saved.get(kind)?.delete(name);
    this.#owner.receive({
      kind,
      resources: resources.map(({ name, version, bytes }) => ({
        name,
        version,
        aliases: [],
        resource: { typeUrl: typeUrlOf[kind], value: bytes },
      })),
      removed: [],
      isFullState: false,
      versionText: '',
    });
    this.#owner.settle();
    return resources.length;
  }
}

function restoreNow(source: LastGoodSource): void {
  source.restore();
}
