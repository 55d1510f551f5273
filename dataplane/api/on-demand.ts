// What a request may make the sidecar ask its control plane for: the virtual host, the routes or the cluster that it
// lacks. Filters ask in the worker; the main thread subscribes (xds/on-demand-names.ts) and answers every worker.

import type { ResourceReference } from './resource-compiler.ts';

/**
 * 'found': the worker has it by now. 'missing': the server has no such thing, or did not answer in time. 'refused': too
 * many names were asked for by requests.
 */
export type OnDemandOutcome = 'found' | 'missing' | 'refused';

/** A stream that stands still until an answer comes. */
export interface OnDemandWaiter {
  onDemandAnswer(outcome: OnDemandOutcome): void;
}

/** In one worker. */
export interface OnDemand {
  /** The answer comes later, never from within. A waiter waits for one thing at a time. */
  ask(target: ResourceReference, waiter: OnDemandWaiter): void;
  /** Its stream is over, or has waited long enough: no answer any more. Harmless when it does not wait. */
  cancel(waiter: OnDemandWaiter): void;
}

/** What main answers for, as text: equal for equal targets. */
export function onDemandKey({ kind, name, source }: ResourceReference): string {
  return `${kind} ${source.key} ${name}`;
}
