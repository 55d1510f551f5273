// What a demo's check module gets. `examples/shop/check.ts` is the example to read.

import type { InstanceSpec, UpSpec } from './spec.ts';
import type { Sample } from './traffic.ts';

/** A running mesh in the hands of a check. Times are performance.now() milliseconds. */
export interface CheckContext {
  readonly spec: UpSpec;
  /** Prints one line of progress. */
  say(text: string): void;
  /** Fails the check with a reason, unless `condition` holds. */
  expect(condition: boolean, claim: string): void;
  instance(name: string): InstanceSpec;
  /** Applies one object through the control plane's REST API. */
  apply(object: object): Promise<void>;
  /** Resolves when every connected sidecar runs the newest configuration. */
  synced(): Promise<void>;
  /** Text of a page of an instance's admin interface. */
  admin(instance: InstanceSpec, path: string): Promise<string>;
  /** Every request of the continuous traffic so far, oldest first. */
  samples(): readonly Sample[];
  /** Resolves once at least `count` requests that started after `sinceMs` have finished. */
  traffic(count: number, sinceMs: number): Promise<readonly Sample[]>;
  /** Kills an instance's application, not its sidecar. */
  killApplication(instance: InstanceSpec): Promise<void>;
  /** Polls until `probe` holds; false after `timeoutMs`. */
  eventually(probe: () => Promise<boolean>, timeoutMs: number): Promise<boolean>;
}
