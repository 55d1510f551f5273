// A source of api_type REST: each type that is wanted of it is polled by `POST /v3/discovery:<type>` with a
// DiscoveryRequest in JSON. 200 brings a DiscoveryResponse, 304 says that nothing is new. As in Envoy a server that
// fails is asked again after refresh_delay like any other, with up to as much again by chance.

import type { Random } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { RestSource } from '../api/config/config-source.ts';
import { type ResourceKind, typeUrlOf, xdsTypes } from '../api/resource-compiler.ts';
import { responseFromJson } from './json-response.ts';
import type { ResourceSource, SourceOwner } from './resource-source.ts';
import { Subscription } from './subscription.ts';

/** What came of a call; `error` when no whole answer came. */
export type RestAnswer =
  | { readonly status: number; readonly body: string }
  | { readonly error: string };

/** Makes the HTTP calls; tests fake it. Calls back once, later; never after the returned function was called. */
export type RestCaller = (
  call: {
    readonly source: RestSource;
    readonly path: string;
    readonly body: string;
  },
  onAnswer: (answer: RestAnswer) => void,
) => () => void;

export interface RestSourceOptions {
  readonly source: RestSource;
  /** core.v3.Node in JSON. */
  readonly node: object;
  readonly caller: RestCaller;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
}

const HTTP_OK = 200;
const HTTP_NOT_MODIFIED = 304;

export class RestResourceSource implements ResourceSource {
  readonly #options: RestSourceOptions;
  readonly #owner: SourceOwner;
  readonly #pollers = new Map<ResourceKind, Poller>();
  #isRunning = false;

  constructor(options: RestSourceOptions, owner: SourceOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  start(): void {
    this.#isRunning = true;
    for (const poller of this.#pollers.values()) poller.poll();
  }

  stop(): void {
    this.#isRunning = false;
    for (const poller of this.#pollers.values()) poller.stop();
  }

  subscribeToAll(kind: ResourceKind): void {
    const poller = this.#of(kind);
    if (poller.wanted.subscribeToAll() && this.#isRunning) poller.poll();
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    const poller = this.#of(kind);
    poller.wanted.unsubscribeFromAll();
    if (!poller.wanted.isActive) poller.stop();
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    const poller = this.#of(kind);
    const news = poller.wanted.change(added, removed);
    if (!poller.wanted.isActive) poller.stop();
    else if (news.added.length > 0 && this.#isRunning) poller.pollAnew();
  }

  #of(kind: ResourceKind): Poller {
    let poller = this.#pollers.get(kind);
    if (poller === undefined) {
      poller = new Poller(kind, this.#options, this.#owner);
      this.#pollers.set(kind, poller);
    }
    return poller;
  }
}

/** One type of one server. */
class Poller {
  readonly wanted = new Subscription();
  readonly #kind: ResourceKind;
  readonly #options: RestSourceOptions;
  readonly #owner: SourceOwner;
  readonly #timer: Timer;
  /** Gives up the call that is under way; null = none is. */
  #cancel: (() => void) | null = null;
  /** Of the last response that was accepted as a whole. */
  #version = '';

  constructor(kind: ResourceKind, options: RestSourceOptions, owner: SourceOwner) {
    this.#kind = kind;
    this.#options = options;
    this.#owner = owner;
    this.#timer = options.timers.createTimer(poll, this);
  }

  stop(): void {
    this.#timer.stop();
    this.#cancel?.();
    this.#cancel = null;
  }

  /**
   * For names that were not asked for before: a server may take our version for that of everything it has, and say 304
   * (go-control-plane does). Envoy has a subscription, and so a version, for each name.
   */
  pollAnew(): void {
    this.#version = '';
    this.poll();
  }

  /** Asks now; what is under way does not ask for all that is wanted any more. */
  poll(): void {
    const { source, node, caller } = this.#options;
    const kind = this.#kind;
    this.stop();
    const { isWildcard, names } = this.wanted;
    const body = JSON.stringify({
      ...(this.#version === '' ? {} : { version_info: this.#version }),
      node,
      ...(isWildcard || names.size === 0 ? {} : { resource_names: [...names] }),
      type_url: typeUrlOf[kind],
    });
    this.#owner.onRequest(kind);
    this.#cancel = caller({ source, path: xdsTypes[kind].restPath, body }, (answer) => {
      this.#cancel = null;
      this.#take(answer);
      if (this.wanted.isActive && !this.#timer.isArmed() && this.#cancel === null) this.#wait();
    });
  }

  #wait(): void {
    const { source, random } = this.#options;
    this.#timer.start(source.refreshDelayMs * (1 + random()));
  }

  #take(answer: RestAnswer): void {
    const kind = this.#kind;
    if ('error' in answer) this.#fail(answer.error);
    else if (answer.status === HTTP_OK) this.#receive(answer.body);
    else if (answer.status !== HTTP_NOT_MODIFIED) this.#fail(`status ${answer.status}`);
    else this.#options.logger.debug({ kind }, 'nothing new');
  }

  #fail(reason: string): void {
    const { source, logger } = this.#options;
    const cluster = source.target.clusterName;
    logger.warn({ cluster, kind: this.#kind, reason }, 'xDS by REST failed; what is held stays');
    this.#owner.onFailure(this.#kind);
  }

  #receive(body: string): void {
    const { logger } = this.#options;
    const kind = this.#kind;
    const response = parseResponse(body);
    if (typeof response === 'string') {
      // As in Envoy an answer that is none counts as rejected, not as failed.
      const broken = [{ name: '', details: response }];
      const nothing = { kind, resources: [], removed: [], isFullState: false, versionText: '' };
      this.#owner.receive({ ...nothing, broken });
    } else {
      for (const warning of response.warnings) logger.warn({ kind, warning }, 'xDS by REST');
      const { isFullState } = xdsTypes[kind];
      const update = { ...response, kind, removed: [], isFullState, isWhole: true };
      if (this.#owner.receive(update) === null) this.#version = response.versionText;
    }
    this.#owner.settle();
  }
}

function parseResponse(body: string) {
  try {
    const response = responseFromJson(JSON.parse(body));
    return response.ok ? response.value : response.errors;
  } catch (thrown) {
    return errorText(thrown);
  }
}

function poll(poller: Poller): void {
  poller.poll();
}
