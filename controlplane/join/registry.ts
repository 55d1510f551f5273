// Which sidecars are in the mesh: a lease per node. Registering makes a Workload; the lease is renewed by
// keepalives and by an open xDS stream, and outlives both by the grace time. Kept in the state so that a
// restarted control plane empties nothing: restored leases get a longer grace, because sidecars come
// back with a back-off of up to 30 s.
//
//   (none) --register--> held --no keepalive, no stream for graceMs--> expired = (none)
//                         ^ `--keepalive, stream open/close--'   deregister --> (none) at once

import type { Clock } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { State } from '../ca/state-dir.ts';
import { nodeIdOf } from '../graph/ids.ts';
import type { Workload } from '../model/kinds/workload.ts';

const STATE_FILE = 'registrations.json';
const SWEEP_MS = 1000;
/** The file is written whole: of thousands that come or go at once not each makes it anew. */
const SAVE_REST_MS = 100;
/** A mesh of one control plane process; refuses to be filled up by a token holder. */
const MAX_REGISTRATIONS = 10_000;

interface Lease {
  workload: Workload;
  expiresAtMs: number;
  /** xDS streams of the node that are open now; while there is any the lease does not run out. */
  streams: number;
}

export interface RegistryOptions {
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly state: State;
  readonly graceMs: number;
  /** Grace of leases restored after a restart. */
  readonly restoredGraceMs: number;
  /** The set of workloads changed. */
  readonly onChange: () => void;
}

export class Registry implements Disposable {
  readonly #options: RegistryOptions;
  readonly #leases = new Map<string, Lease>();
  readonly #sweep: Timer;
  readonly #saveRest: Timer;
  /** Something changed since the file was written. */
  #isUnsaved = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#restore();
    this.#saveRest = options.timers.createTimer(() => {
      if (this.#isUnsaved) this.#save();
    }, null);
    this.#sweep = options.timers.createTimer(() => {
      this.#expire();
      this.#sweep.start(SWEEP_MS);
    }, null);
    this.#sweep.start(SWEEP_MS);
  }

  get graceMs(): number {
    return this.#options.graceMs;
  }

  /** Registered workloads, in no order. */
  workloads(): Workload[] {
    return [...this.#leases.values()].map((lease) => lease.workload);
  }

  workload(nodeId: string): Workload | null {
    return this.#leases.get(nodeId)?.workload ?? null;
  }

  /** False when there are too many; else the workload is in the mesh. Same node id = replaced. */
  register(workload: Workload): boolean {
    const nodeId = nodeIdOf(workload);
    const before = this.#leases.get(nodeId);
    if (before === undefined && this.#leases.size >= MAX_REGISTRATIONS) return false;
    this.#leases.set(nodeId, {
      workload,
      expiresAtMs: this.#deadline(),
      streams: before?.streams ?? 0,
    });
    const isNew = JSON.stringify(before?.workload) !== JSON.stringify(workload);
    if (isNew) this.#changed(before === undefined ? 'joined' : 'joined again, changed', nodeId);
    return true;
  }

  /** False when the node is not registered (any more). */
  keepalive(nodeId: string): boolean {
    const lease = this.#leases.get(nodeId);
    if (lease === undefined) return false;
    lease.expiresAtMs = this.#deadline();
    return true;
  }

  deregister(nodeId: string): void {
    if (this.#leases.delete(nodeId)) this.#changed('left', nodeId);
  }

  streamOpened(nodeId: string): void {
    const lease = this.#leases.get(nodeId);
    if (lease !== undefined) lease.streams++;
  }

  streamClosed(nodeId: string): void {
    const lease = this.#leases.get(nodeId);
    if (lease === undefined) return;
    lease.streams = Math.max(0, lease.streams - 1);
    lease.expiresAtMs = Math.max(lease.expiresAtMs, this.#deadline());
  }

  #deadline(): number {
    return this.#options.clock.nowMs() + this.#options.graceMs;
  }

  #expire(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [nodeId, lease] of this.#leases) {
      if (lease.streams > 0 || nowMs < lease.expiresAtMs) continue;
      this.#leases.delete(nodeId);
      this.#changed('did not come back within its grace time', nodeId);
    }
  }

  #changed(what: string, nodeId: string): void {
    const { logger, onChange } = this.#options;
    logger.info({ nodeId }, `sidecar ${what}`);
    // A crash before it is written costs little: who is not known any more is told so and joins again.
    this.#isUnsaved = true;
    if (!this.#saveRest.isArmed()) this.#save();
    onChange();
  }

  #save(): void {
    const { logger, state } = this.#options;
    this.#isUnsaved = false;
    this.#saveRest.start(SAVE_REST_MS);
    try {
      state.write(STATE_FILE, `${JSON.stringify(this.workloads(), null, 1)}\n`);
    } catch (thrown) {
      // The mesh goes on; only a restart would now forget this change.
      logger.error({ error: errorText(thrown), place: state.place }, 'cannot keep registrations');
    }
  }

  #restore(): void {
    const { clock, logger, state, restoredGraceMs } = this.#options;
    const text = state.read(STATE_FILE);
    if (text === null) return;
    try {
      const expiresAtMs = clock.nowMs() + restoredGraceMs;
      // Our own file; a workload that no longer fits the mesh is left out by reconcile.
      for (const workload of JSON.parse(text) as Workload[]) {
        this.#leases.set(nodeIdOf(workload), { workload, expiresAtMs, streams: 0 });
      }
      logger.info({ count: this.#leases.size }, 'restored registrations');
    } catch (thrown) {
      logger.error(
        { error: errorText(thrown), place: state.place },
        'cannot read registrations; starting without',
      );
    }
  }

  [Symbol.dispose](): void {
    if (this.#isUnsaved) this.#save();
    this.#saveRest.stop();
    this.#sweep.stop();
  }
}
